# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks on a real libvirt: foretold and done alike, changed while they run, put back, and never from under a VM."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_network import ensure_network
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    OperationFailed,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network_admin import managed_network
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import read_network
from lab.host import Host
from tests.core.networks import Further, further_network

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts have no network")]


@pytest.fixture
def further(lab_host: Host) -> Iterator[Further]:
    with further_network(lab_host) as further:
        yield further


def ensured(hypervisor: Hypervisor, wanted: dict[str, Any]) -> dict[str, Any]:
    """Have it be so; what was foretold is what is done, and doing it again does nothing."""
    foretold = ensure_network(hypervisor, wanted, check=True)
    done = ensure_network(hypervisor, wanted)
    again = ensure_network(hypervisor, wanted)
    for name in ("changed", "diff", "plan", "next_start"):
        assert done[name] == foretold[name]
    assert not again["changed"], again["diff"]
    assert not ensure_network(hypervisor, wanted, check=True)["changed"]
    return done


def xml_of(hypervisor: Hypervisor, name: str, inactive: bool = True) -> str:
    """The network as it is defined, or as it runs."""
    network = managed_network(hypervisor, name)
    assert network is not None
    return network.xml(inactive)


def resolved(server: str, name: str) -> str | None:
    """The IPv4 address that the DNS server answers for a name, None for no such name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(10)
        asking.sendto(question, (server, 53))
        answer = asking.recv(512)
    return socket.inet_ntoa(answer[-4:]) if struct.unpack(">H", answer[6:8])[0] else None


@contextmanager
def guest_on(hypervisor: Hypervisor, host: Host, source: str) -> Iterator[str]:
    """The name of a guest that runs, with a card whose ``<interface>`` begins with ``source``."""
    name = "on-network"
    domain = hypervisor.create_transient(
        f"<domain type='{host.virt_type}'><name>{name}</name><memory unit='MiB'>32</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os>"
        f"<devices>{source}<model type='virtio'/></interface></devices></domain>"
    )
    try:
        yield name
    finally:
        domain.destroy()


def test_a_network_is_made_changed_while_it_runs_and_removed(hypervisor: Hypervisor, further: Further) -> None:
    made = ensured(hypervisor, further.nat(state="active", autostart=True))["network"]
    assert (made["state"], made["autostart"], made["persistent"]) == ("active", True, True)
    assert made["bridge"] in (name for _, name in socket.if_nameindex())
    server, guest = f"{further.prefix}.1", f"{further.prefix}.10"
    assert resolved(server, "database.further.test") is None

    kept = {"mac": "52:54:00:57:00:10", "name": "db", "ip": guest}
    lists = {
        "name": further.name,
        "dhcp_hosts": [kept],
        "dhcp_ranges": [{"start": f"{further.prefix}.50", "end": f"{further.prefix}.60", "lease_seconds": 600}],
        "dhcp_ranges_exclusive": True,
        "dns_hosts": [{"ip": guest, "hostnames": ["database.further.test"]}],
        "dns_txt": [{"name": "owner.further.test", "value": "tests"}],
        "dns_srv": [{"service": "ldap", "protocol": "tcp", "target": "db.further.test", "port": 389}],
        "portgroups": [{"name": "web", "default": True}],
    }
    changed = ensured(hypervisor, lists)
    assert {step["applies"] for step in changed["plan"]} == {"now"}
    assert changed["next_start"] == []
    assert resolved(server, "database.further.test") == guest
    running = xml_of(hypervisor, further.name, inactive=False)
    for text in (kept["mac"], f"{further.prefix}.50", "owner.further.test", "ldap", "portgroup"):
        assert text in running
    assert f"{further.prefix}.100" not in running

    moved = ensured(hypervisor, {"name": further.name, "dhcp_hosts": [{**kept, "ip": f"{further.prefix}.11"}]})
    assert "Change a kept address" in moved["plan"][1]["title"]
    gone = ensured(hypervisor, {"name": further.name, "dns_hosts": [], "dns_hosts_exclusive": True})
    assert gone["network"]["dns_hosts"] == []
    assert resolved(server, "database.further.test") is None

    after = gone["network"]
    assert (after["uuid"], after["mac_address"]) == (made["uuid"], made["mac_address"])
    removed = ensured(hypervisor, {"name": further.name, "state": "absent"})
    assert removed["network"] is None
    assert further.bridge not in (name for _, name in socket.if_nameindex())


def test_what_can_not_reach_a_running_network_waits_for_its_next_start(
    hypervisor: Hypervisor, further: Further
) -> None:
    ensured(hypervisor, further.nat(state="active"))

    waits = ensured(hypervisor, {"name": further.name, "mtu": 1400, "domain": "other.test"})
    assert waits["next_start"] == ["domain", "mtu"]
    assert "mtu" not in xml_of(hypervisor, further.name, inactive=False)
    assert ensure_network(hypervisor, {"name": further.name, "mtu": 1400})["next_start"] == ["mtu"]

    restarted = ensured(hypervisor, {"name": further.name, "mtu": 1400, "restart": True})
    assert restarted["next_start"] == []
    running = xml_of(hypervisor, further.name, inactive=False)
    assert "<mtu size='1400'/>" in running
    assert "other.test" in running


@pytest.mark.parametrize("by", ["network", pytest.param("bridge", marks=pytest.mark.slow)])
def test_no_running_vm_is_cut_off_unless_that_is_forced(
    hypervisor: Hypervisor, lab_host: Host, further: Further, by: str
) -> None:
    ensured(hypervisor, further.nat(state="active"))
    source = f"<source {by}='{further.name if by == 'network' else further.bridge}'/>"

    with guest_on(hypervisor, lab_host, f"<interface type='{by}'>{source}") as guest:
        for wanted, field in (
            ({"state": "absent"}, "force"),
            ({"state": "inactive"}, "force"),
            ({"mtu": 1400, "restart": True}, "restart"),
        ):
            for check in (True, False):
                with pytest.raises(WrongState, match=f"VM '{guest}' has a card on it") as caught:
                    ensure_network(hypervisor, {"name": further.name, **wanted}, check=check)
                assert caught.value.field == field
        assert "mtu" not in xml_of(hypervisor, further.name)
        assert ensured(hypervisor, {"name": further.name, "state": "inactive", "force": True})["changed"]
        ensured(hypervisor, {"name": further.name, "state": "active"})
        # libvirt does not plug it in again, and its own account of the cards has forgotten it
        with pytest.raises(WrongState, match=f"VM '{guest}'"):
            ensure_network(hypervisor, {"name": further.name, "state": "absent"})


def test_a_new_network_that_does_not_start_leaves_nothing(
    hypervisor: Hypervisor, lab_host: Host, further: Further
) -> None:
    taken = lab_host.status()["network"]["subnet"].removesuffix(".0/24")
    wanted = {"name": further.name, "bridge": further.bridge, "state": "active", "addresses": [f"{taken}.1/24"]}

    with pytest.raises(OperationFailed, match="start network"):
        ensure_network(hypervisor, wanted)

    assert managed_network(hypervisor, further.name) is None


def test_a_network_that_does_not_start_again_is_as_it_was(
    hypervisor: Hypervisor, lab_host: Host, further: Further
) -> None:
    ensured(hypervisor, further.nat(state="active"))
    before = xml_of(hypervisor, further.name), xml_of(hypervisor, further.name, inactive=False)
    taken = lab_host.status()["network"]["subnet"].removesuffix(".0/24")

    with pytest.raises(OperationFailed):
        ensure_network(hypervisor, {"name": further.name, "addresses": [f"{taken}.1/24"], "restart": True})

    assert (xml_of(hypervisor, further.name), xml_of(hypervisor, further.name, inactive=False)) == before


def test_what_libvirt_refuses_now_is_taken_back_from_the_definition(hypervisor: Hypervisor, further: Further) -> None:
    ensured(hypervisor, further.nat(state="active"))
    network = managed_network(hypervisor, further.name)
    assert network is not None
    other = f"<host mac='52:54:00:57:00:99' name='other' ip='{further.prefix}.10'/>"
    network.update_live("dhcp_hosts", "add", 0, other)
    before = xml_of(hypervisor, further.name)
    wanted = {
        "name": further.name,
        "dns_txt": [{"name": "a.test", "value": "b"}],
        "dhcp_hosts": [{"mac": "52:54:00:57:00:10", "ip": f"{further.prefix}.10"}],
    }

    with pytest.raises(HostlerError):
        ensure_network(hypervisor, wanted)

    assert xml_of(hypervisor, further.name) == before
    assert "a.test" not in xml_of(hypervisor, further.name, inactive=False)


def test_what_nobody_models_and_a_transient_network_survive(hypervisor: Hypervisor, further: Further) -> None:
    hypervisor.handle.networkCreateXML(
        "<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>"
        f"<name>{further.name}</name><bridge name='{further.bridge}' stp='off' delay='3'/>"
        f"<ip address='{further.prefix}.1' prefix='24'><tftp root='/srv'/></ip>"
        "<dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options></network>"
    )

    done = ensured(hypervisor, {"name": further.name, "dns_txt": [{"name": "a.test", "value": "b"}]})

    assert done["network"]["persistent"]
    defined = xml_of(hypervisor, further.name)
    for text in ("root='/srv'", "no-ping", "stp='off'", "delay='3'", "a.test"):
        assert text in defined
    ensured(hypervisor, {"name": further.name, "state": "inactive"})


def test_a_network_of_xml_is_known_again(hypervisor: Hypervisor, further: Further) -> None:
    def text(domain: str) -> str:
        return (
            f"<network><name>{further.name}</name><bridge name='{further.bridge}'/><domain name='{domain}'/>"
            f"<ip address='{further.prefix}.1' prefix='24'/></network>"
        )

    def wanted(domain: str, **more: Any) -> dict[str, Any]:
        return {"name": further.name, "xml": text(domain), **more}

    made = ensured(hypervisor, wanted("a.test", state="active"))["network"]
    changed = ensured(hypervisor, wanted("b.test"))
    assert changed["next_start"] == ["xml"]
    assert (changed["network"]["uuid"], changed["network"]["mac_address"]) == (made["uuid"], made["mac_address"])
    ensured(hypervisor, wanted("b.test", restart=True))
    assert "b.test" in xml_of(hypervisor, further.name, inactive=False)

    ensured(hypervisor, {"name": further.name, "dns_txt": [{"name": "more.test", "value": "b"}]})
    back = ensured(hypervisor, wanted("b.test"))
    assert back["changed"]
    assert back["network"]["dns_txt"] == []


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("<network><name>further</name><teleport/></network>", "schema"),
        ("<network><name>other</name></network>", "has another <name>"),
    ],
)
def test_xml_that_libvirt_does_not_take_leaves_nothing(
    hypervisor: Hypervisor, further: Further, xml: str, reason: str
) -> None:
    with pytest.raises(HostlerError, match=reason) as caught:
        ensure_network(hypervisor, {"name": further.name, "xml": xml})

    assert caught.value.field == "xml"
    assert managed_network(hypervisor, further.name) is None


def test_guests_directly_on_the_host_s_interfaces(hypervisor: Hypervisor, further: Further) -> None:
    wanted = {"name": further.name, "forward": {"mode": "bridge"}, "interfaces": ["eth0"], "state": "active"}
    ensured(hypervisor, wanted)

    more = ensured(hypervisor, {"name": further.name, "interfaces": ["lo"]})

    assert more["network"]["interfaces"] == ["eth0", "lo"]
    assert read_network(xml_of(hypervisor, further.name, inactive=False))["interfaces"] == ["eth0", "lo"]


def test_bad_input_touches_nothing(hypervisor: Hypervisor, further: Further) -> None:
    with pytest.raises(InvalidSpec) as caught:
        ensure_network(hypervisor, further.nat(dhcp_hosts=[{"mac": "52:54:00:57:00:10", "ip": "203.0.113.9"}]))

    assert caught.value.field == "dhcp_hosts.0.ip"
    assert managed_network(hypervisor, further.name) is None
