# SPDX-License-Identifier: GPL-3.0-or-later
"""Many VMs read at once: in how many calls, and with sick ones among them."""

import signal
import sys
import threading
import uuid as uuids
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather import Inquiry, gather
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import probe_name
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import Selection
from lab.host import Host
from tests.core.actions.guests import SEED, desired, made, named, wait_until

# what libvirt's library answers without asking the daemon
LOCAL = {"virDomainGetName", "virDomainGetUUIDString", "virDomainGetID", "virNetworkGetName", "virConnectGetURI"}


@contextmanager
def calls_counted() -> Iterator[Counter[str]]:
    """The calls into libvirt's library that reach the daemon, by name, those of threads that start meanwhile too."""
    calls: Counter[str] = Counter()

    def note(_frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and getattr(called, "__module__", None) == "libvirtmod":
            name = called.__name__
            if name.startswith("vir") and name not in LOCAL and "Free" not in name and "Event" not in name:
                calls[name] += 1

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def entry(hypervisor: Hypervisor, name: str, **inquiry: Any) -> dict[str, Any]:
    (found,) = gather(hypervisor, Inquiry(Selection(name=(name,)), **inquiry))
    return found


def by_agent(hypervisor: Hypervisor, name: str) -> bool:
    """Whether the guest's agent says an address of it."""
    addresses = entry(hypervisor, name, gather=("addresses",))["addresses"]
    return any(one["source"] == "agent" for one in addresses)


def defined(hypervisor: Hypervisor, name: str, kind: str = "test") -> str:
    identity = str(uuids.uuid4())
    machine = "q35" if kind == "qemu" else None
    hypervisor.define(domain_xml(DomainDefinition(name, identity, kind, 1, 65536, machine=machine)))
    return identity


def test_one_that_is_not_there_is_said_not_to_exist(test_driver: Hypervisor) -> None:
    nobody = str(uuids.uuid4())

    found = gather(test_driver, Inquiry(Selection(name=("nobody", "test"), uuid=(nobody,), pattern=("no*",))))

    assert found[0] == {"exists": False, "name": "nobody"}
    assert (found[1]["exists"], found[1]["name"], found[1]["status"]) == (True, "test", "running")
    assert found[2:] == [{"exists": False, "uuid": nobody}]


def test_it_speaks_of_a_vm_as_the_module_vm_does(test_driver: Hypervisor) -> None:
    test_driver.domain(defined(test_driver, "calm"))

    for name in ("test", "calm"):
        found = entry(test_driver, name)
        expected = observe(test_driver, named_domain(test_driver, name)).as_data()
        assert {key: found[key] for key in expected} == expected
        assert set(found) - set(expected) == {"exists", "persistent", "unreadable", "addresses", "statistics"}
        assert (found["persistent"], found["unreadable"], found["statistics"]) == (True, [], None)


def named_domain(hypervisor: Hypervisor, name: str) -> Any:
    domain = hypervisor.find_domain_named(name)
    assert domain is not None
    return domain


def test_only_what_is_asked_for_is_told(test_driver: Hypervisor) -> None:
    state = {"exists", "name", "uuid", "status", "autostart", "persistent", "unreadable"}

    assert set(entry(test_driver, "test", gather=())) == state
    assert set(entry(test_driver, "test", gather=("addresses",))) == state | {"addresses"}
    assert set(entry(test_driver, "test", gather=("statistics",))) == state | {"statistics"}
    assert "cpu_cores" in entry(test_driver, "test", gather=("spec",))
    assert set(entry(test_driver, "test", gather=("xml",))) == state | {"xml"}


@pytest.mark.lab
def test_a_vm_s_xml_is_that_of_libvirt_without_its_passwords(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "shown", graphics={"type": "vnc", "password": "s3cr3t"}))

    found = entry(hypervisor, "shown", gather=("xml",))

    assert found["xml"].strip() == lab_host.virsh("dumpxml", "shown").strip()
    assert "<graphics type='vnc'" in found["xml"]
    assert "s3cr3t" not in found["xml"]


def test_guests_that_only_try_the_host_are_nobodys(test_driver: Hypervisor) -> None:
    identity = str(uuids.uuid4())
    test_driver.define(domain_xml(DomainDefinition(probe_name(identity), identity, "test", 1, 65536)))

    assert [one["name"] for one in gather(test_driver, Inquiry())] == ["test"]


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_time_in_which_nobody_could_answer_is_refused(test_driver: Hypervisor, timeout: float) -> None:
    with pytest.raises(InvalidSpec, match="timeout"):
        gather(test_driver, Inquiry(timeout=timeout))


def test_a_lost_host_is_no_host_without_vms(test_driver: Hypervisor) -> None:
    test_driver.close()

    with pytest.raises(HostUnreachable):
        gather(test_driver, Inquiry())


@pytest.mark.lab
def test_the_calls_for_many_that_are_off_are_as_many_as_documented(hypervisor: Hypervisor) -> None:
    many = 20
    for number in range(many):
        defined(hypervisor, f"counted-{number}", "qemu")
    everything = {"virConnectGetAllDomainStats": 1, "virConnectListAllDomains": 3}

    with calls_counted() as calls:
        found = gather(hypervisor, Inquiry(Selection(pattern=("counted-*",)), gather=()))
    assert calls == everything
    assert [one["status"] for one in found] == ["stopped"] * many

    with calls_counted() as calls:
        gather(hypervisor, Inquiry(Selection(pattern=("counted-*",))))
    connecting = {"virConnectOpen", "virConnectSetKeepAlive", "virConnectClose"}
    assert {name: count for name, count in calls.items() if name not in connecting} == {
        "virConnectGetAllDomainStats": 1,
        "virConnectListAllDomains": 4,
        "virDomainListGetStats": 1,
        "virDomainGetXMLDesc": many,
    }


@pytest.mark.slow
@pytest.mark.lab
def test_a_guest_says_its_addresses_and_what_it_used(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(
        hypervisor, desired(lab_host, "talks", "running", image="tiny.qcow2", image_mode="backing", cloud_init=SEED)
    )
    made(hypervisor, desired(lab_host, "silent"))

    wait_until(lambda: by_agent(hypervisor, "talks"), "the agent says the guest's addresses")
    talks, silent = gather(hypervisor, Inquiry(Selection(name=("talks", "silent"))))

    best = talks["addresses"][0]
    assert (talks["ip_address"], talks["ip_source"]) == (best["address"], best["source"])
    assert (best["source"], best["family"], best["mac_address"]) == ("agent", "ipv4", vm.mac_address)
    assert talks["unreadable"] == silent["unreadable"] == []
    assert talks["disks"][0]["size"] == vm.disks[0].size
    assert talks["statistics"]["cpu_seconds"] > 0
    assert talks["statistics"]["memory"]["resident_kib"] > 0
    disk = talks["statistics"]["disks"][0]
    assert (disk["target"], disk["read_bytes"] > 0, disk["allocated_bytes"] >= 0) == ("vda", True, True)
    assert talks["statistics"]["nics"][0]["mac_address"] == vm.mac_address
    assert (silent["addresses"], silent["statistics"], silent["ip_address"]) == ([], None, None)
    assert silent["disks"][0]["size"] == named(hypervisor, "silent").disks[0].size


@pytest.mark.lab
@pytest.mark.slow
def test_guests_that_hang_spoil_nobody_elses_entry(hypervisor: Hypervisor, lab_host: Host) -> None:
    sick = ["sick-1", "sick-2"]
    for name in (*sick, "well"):
        made(hypervisor, desired(lab_host, name, "running", image="tiny.qcow2", image_mode="backing"))
    wait_until(lambda: all(by_agent(hypervisor, name) for name in sick), "their agents say where they are")
    for name in sick:
        lab_host.guest_process(name).signal(signal.SIGSTOP)
    try:
        found = {one["name"]: one for one in gather(hypervisor, Inquiry(timeout=40))}

        for name in sick:
            assert found[name]["status"] == "running"
            assert found[name]["cpu_cores"] == 1
            told = " ".join(found[name]["unreadable"])
            assert "statistics and sizes of disks: the VM's QEMU is busy" in told
            assert "addresses by the guest agent: " in told
        # its agent may be slow on a machine with much to do
        assert [text for text in found["well"]["unreadable"] if "statistics" in text] == []
        assert found["well"]["statistics"]["memory"]["resident_kib"] > 0
        assert found["well"]["disks"][0]["size"]
        # whoever is well is asked without them
        again = entry(hypervisor, "well", gather=("spec", "statistics"), timeout=40)
        assert again["unreadable"] == []
    finally:
        for name in sick:
            lab_host.guest_process(name).signal(signal.SIGCONT)
    for name in sick:
        power.force_stop(hypervisor, found[name]["uuid"])
