# SPDX-License-Identifier: GPL-3.0-or-later
"""The NAT network of a host: libvirt's ``default``, on a bridge and a subnet of its own."""

import json
import socket
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from uuid import UUID, uuid5

from lab import firewall, virsh
from lab.commands import run
from lab.errors import LabError
from lab.layout import HostLayout
from lab.machine import note_machine
from lab.subnets import free_subnet, subnets_of_addresses, taken_subnets

NAME = "default"

_DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"


@contextmanager
def addresses_held(timeout: float = 120) -> Iterator[None]:
    """Keep the machine's other labs from choosing a subnet, or taking firewall rules away, meanwhile.

    The lock is a name in the network namespace, the very thing that is shared; it leaves no file, and ends with the
    process. Raises LabError if another lab holds it for more than `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX) as lock:
        while True:
            try:
                lock.bind("\0hostler-lab-addresses")
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise LabError(
                        f"another lab holds the choice of addresses for {timeout:g} s; is it stuck?"
                    ) from None
                time.sleep(0.05)
        yield


class HostNetwork:
    """The network of one host. Only root's hosts have one."""

    def __init__(self, layout: HostLayout):
        self._layout = layout

    def start(self) -> None:
        """Make the network active. A new one, and one whose subnet has been taken meanwhile, gets a free subnet."""
        uri = self._layout.uri
        with addresses_held():
            if virsh.active(uri, "net", NAME):
                return
            # what a killed libvirtd left of it would look like somebody else's
            self.remove()
            subnet = free_subnet(taken_subnets())
            note_machine(self._layout.lab.runtime)
            self._subnet_note.write_text(str(subnet))
            definition = self._layout.runtime / "network.xml"
            definition.write_text(network_xml(self._layout.bridge, subnet, uuid5(self._layout.uuid, "network")))
            virsh.virsh(uri, "net-define", definition)
            virsh.virsh(uri, "net-autostart", NAME)
            virsh.virsh(uri, "net-start", NAME)

    def remove(self) -> None:
        """Remove the bridge and the firewall's rules, whether or not a libvirtd knows of them.

        Those of further networks go, too, if their bridges have names that are the host's.
        """
        bridge, further = self._layout.bridge, self._layout.further_bridge
        bridges = [name for _, name in socket.if_nameindex() if name == bridge or name.startswith(further)]
        names = {bridge, *bridges}
        if subnet := self.subnet:
            names.add(str(subnet))
        for name in bridges:
            links = json.loads(run("ip", "-json", "-4", "address", "show", "dev", name) or "[]")
            names.update(str(one) for one in subnets_of_addresses(links))
        firewall.remove_rules(names)
        for name in bridges:
            run("ip", "link", "delete", name)

    def hold_back(self) -> None:
        """Keep a libvirtd that is going to start from starting the network: its subnet may be taken by now."""
        (self._layout.folder / "etc/qemu/networks/autostart" / f"{NAME}.xml").unlink(missing_ok=True)

    @property
    def subnet(self) -> IPv4Network | None:
        """The network's subnet, None while it was never started since the machine booted."""
        return IPv4Network(self._subnet_note.read_text()) if self._subnet_note.exists() else None

    @property
    def _subnet_note(self) -> Path:
        # not kept over a reboot, as the bridge and the rules are not
        return self._layout.runtime / "subnet"


def network_xml(bridge: str, subnet: IPv4Network, uuid: UUID) -> str:
    """Answer the network's definition. All addresses but the bridge's are leased."""
    ElementTree.register_namespace("dnsmasq", _DNSMASQ)
    network = ElementTree.Element("network")
    ElementTree.SubElement(network, "name").text = NAME
    ElementTree.SubElement(network, "uuid").text = str(uuid)
    ElementTree.SubElement(network, "forward", mode="nat")
    # one bridge has no loops to look for, and its ports may forward at once
    ElementTree.SubElement(network, "bridge", name=bridge, stp="off", delay="0")
    ip = ElementTree.SubElement(network, "ip", address=str(subnet[1]), netmask=str(subnet.netmask))
    dhcp = ElementTree.SubElement(ip, "dhcp")
    ElementTree.SubElement(dhcp, "range", start=str(subnet[2]), end=str(subnet[-2]))
    # dnsmasq would ping an address for 3 s before it offers it
    options = ElementTree.SubElement(network, f"{{{_DNSMASQ}}}options")
    ElementTree.SubElement(options, f"{{{_DNSMASQ}}}option", value="no-ping")
    return ElementTree.tostring(network, encoding="unicode")
