# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a host: what was asked, as it is, and what hangs is named and spoils nothing else."""

import os
import threading
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_network import ensure_network
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_host import (
    DEFAULT_PARTS,
    PARTS,
    HostInquiry,
    gather_host,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_networks import (
    NetworkInquiry,
    gather_networks,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostTimeout, HostUnreachable, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.core.actions.guests import desired, made, wait_until
from tests.core.networks import further_network, network_starts_held

root = pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts have no network")


def test_a_driver_that_knows_little_is_told_of_all_the_same(test_driver: Hypervisor) -> None:
    found = gather_host(test_driver, HostInquiry(PARTS))

    assert found["unreadable"] == {}
    assert (found["driver"], found["hypervisor_version"]) == ("TEST", None)
    assert found["capacity"]["cpus"] == 16
    assert found["accelerator"]["virt_type"] == "test"
    assert [pool["name"] for pool in found["pools"]] == ["default-pool"]
    assert [network["name"] for network in found["networks"]] == ["default"]
    assert found["use"]["vms"]["count"] == found["use"]["vms_running"]["count"] == 1
    assert found["capabilities"]["x86_64"] is None


def test_only_what_is_asked_for_is_told(test_driver: Hypervisor) -> None:
    assert set(gather_host(test_driver, HostInquiry(("use",)))) == {
        "uri", "uuid", "hostname", "driver", "libvirt_version", "hypervisor_version", "unreadable", "use",
    }  # fmt: skip


def test_impatience_without_bounds_is_refused(test_driver: Hypervisor) -> None:
    with pytest.raises(InvalidSpec) as caught:
        gather_host(test_driver, HostInquiry(timeout=0.5))

    assert caught.value.field == "timeout"


def memory_of_nodes() -> int:
    """KiB of the machine's NUMA nodes, which is what libvirt tells: not all that the kernel has need be theirs."""
    found = 0
    for node in Path("/sys/devices/system/node").glob("node*/meminfo"):
        found += int(node.read_text().partition("MemTotal:")[2].split()[0])
    return found


@pytest.mark.lab
def test_a_host_as_it_is(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "claims", cpu_cores=2, memory_mb=96, network_config={"type": "none"}))
    made(hypervisor, desired(lab_host, "claims-now", state="running", network_config={"type": "none"}))

    found = gather_host(hypervisor, HostInquiry((*DEFAULT_PARTS, "devices")))

    assert found["unreadable"] == {}
    assert found["uuid"] == str(lab_host.layout.uuid)
    capacity, use = found["capacity"], found["use"]
    assert capacity["cpus"] == os.cpu_count()
    assert sum(len(cell["cpus"]) for cell in capacity["numa"]) == os.cpu_count()
    assert capacity["memory_mb"] == memory_of_nodes() // 1024
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024**2
    assert 0 < use["memory_free_mb"] <= use["memory_available_mb"] <= physical
    assert 0 <= use["cpu_busy_percent"] <= 100
    assert use["vms"] == {"count": 2, "cpu_cores": 3, "memory_mb": 96 + 128}
    assert use["vms_running"] == {"count": 1, "cpu_cores": 1, "memory_mb": 128}
    (guest,) = [one for one in found["capabilities"]["guests"] if one["arch"] == "x86_64"]
    assert "qemu" in guest["virt_types"]
    assert {"q35", "pc"} <= set(guest["machines"])
    assert found["capabilities"]["x86_64"]["uefi"]
    assert {pool["name"]: pool["path"] for pool in found["pools"]}["images"] == str(lab_host.layout.pools["images"])
    assert "lo" in [interface["name"] for interface in found["devices"]["interfaces"]]


@pytest.mark.lab
@pytest.mark.slow
def test_what_really_runs_guests_leaves_nothing(hypervisor: Hypervisor, lab_host: Host) -> None:
    found = gather_host(hypervisor, HostInquiry(("accelerator",), timeout=1))

    assert found["accelerator"]["virt_type"] == lab_host.virt_type
    assert hypervisor.domains() == []


@pytest.mark.lab
@pytest.mark.slow
@root
def test_a_part_that_hangs_is_named_and_the_others_are_told(lab_host: Host) -> None:
    def start() -> None:
        with Hypervisor.open(lab_host.uri) as other:
            ensure_network(other, further.nat(state="active"))

    starting = threading.Thread(target=start)
    with further_network(lab_host) as further:
        with network_starts_held(lab_host), Hypervisor.open(lab_host.uri) as opened:
            starting.start()
            wait_until(
                lambda: "networks" in gather_host(opened, HostInquiry(("networks",), timeout=1))["unreadable"],
                "a start that waits for the hook",
            )
            found = gather_host(opened, HostInquiry(("capacity", "networks", "pools"), timeout=1))
            with pytest.raises(HostTimeout, match="did not tell of its networks within 1 s"):
                gather_networks(opened, NetworkInquiry(timeout=1))
        starting.join()

    assert found["unreadable"] == {"networks": "no answer within 1 s"}
    assert found["networks"] is None
    assert found["capacity"]["cpus"] == os.cpu_count()
    assert "images" in [pool["name"] for pool in found["pools"]]


@pytest.mark.lab
@pytest.mark.slow
def test_a_host_that_hangs_is_an_error(hypervisor: Hypervisor, lab_host: Host) -> None:
    lab_host.pause_libvirtd()
    try:
        with pytest.raises(HostUnreachable):
            gather_host(hypervisor, HostInquiry())
    finally:
        lab_host.continue_libvirtd()
