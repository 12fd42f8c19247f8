# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of a host, to be listed, defined, changed, started and stopped."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional
from xml.etree import ElementTree

from ansible_collections.hostler.libvirt.plugins.module_utils import errors
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network import Network

# by the option's name
_SECTIONS = {
    "dhcp_hosts": "VIR_NETWORK_SECTION_IP_DHCP_HOST",
    "dhcp_ranges": "VIR_NETWORK_SECTION_IP_DHCP_RANGE",
    "dns_hosts": "VIR_NETWORK_SECTION_DNS_HOST",
    "dns_srv": "VIR_NETWORK_SECTION_DNS_SRV",
    "dns_txt": "VIR_NETWORK_SECTION_DNS_TXT",
    "interfaces": "VIR_NETWORK_SECTION_FORWARD_INTERFACE",
    "portgroups": "VIR_NETWORK_SECTION_PORTGROUP",
}
_COMMANDS = {
    "add": "VIR_NETWORK_UPDATE_COMMAND_ADD_LAST",
    "delete": "VIR_NETWORK_UPDATE_COMMAND_DELETE",
    "modify": "VIR_NETWORK_UPDATE_COMMAND_MODIFY",
}


class Port(NamedTuple):
    """A card of a guest that runs, as the network knows it."""

    domain: Optional[str]
    domain_uuid: Optional[str]
    mac_address: Optional[str]
    portgroup: Optional[str]


class NetworkRow(NamedTuple):
    """One network, and what a list of all says of it."""

    network: ManagedNetwork
    active: bool
    persistent: bool
    autostart: bool


class ManagedNetwork(Network):
    """One network of a host, by its UUID. Its handle is dead after a reconnect."""

    def __init__(self, handle: Any) -> None:
        super().__init__(handle)
        self.uuid: str = handle.UUIDString()

    def is_persistent(self) -> bool:
        """Whether it is still there after it is stopped."""
        with translated("read the network's state"):
            return bool(self._handle.isPersistent())

    def autostart(self) -> bool:
        """Whether it starts with its host."""
        with translated("read the network's state"):
            return bool(self._handle.autostart())

    def xml(self, inactive: bool = False) -> str:
        """How it runs; with ``inactive``, or where it doesn't, how it is defined."""
        with translated("read the network's definition"):
            if inactive:
                try:
                    return str(self._handle.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE))
                except libvirt.libvirtError as error:
                    if error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG:
                        raise  # else it is the test driver, which has one definition of each
            return str(self._handle.XMLDesc())

    def start(self) -> None:
        """Make it active."""
        with translated(f"start network '{self.name}'"):
            self._handle.create()

    def stop(self) -> None:
        """Make it inactive; cards of guests that are on it are cut off, and stay so when it starts again."""
        with translated(f"stop network '{self.name}'"):
            self._handle.destroy()

    def undefine(self) -> None:
        """Remove its definition."""
        with translated(f"remove network '{self.name}'"):
            self._handle.undefine()

    def set_autostart(self, autostart: bool) -> None:
        """Whether it starts with its host."""
        with translated("set the network's autostart"):
            self._handle.setAutostart(int(autostart))

    def update_live(self, option: str, command: str, subnet: int, xml: str) -> None:
        """Change one entry of a list (`network_xml.live.LiveChange`) in the network that runs."""
        with translated(f"change the running network '{self.name}'"):
            self._handle.update(
                getattr(libvirt, _COMMANDS[command]),
                getattr(libvirt, _SECTIONS[option]),
                subnet,
                xml,
                libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE,
            )

    def ports(self) -> List[Port]:
        """The cards that are plugged into it; none where the driver keeps no account of them."""
        try:
            with translated("list the network's ports"):
                texts = [port.XMLDesc() for port in self._handle.listAllPorts()]
        except (errors.Unsupported, AttributeError):  # libvirt-python before 5.5 has no ports
            return []
        return [_port(ElementTree.fromstring(text)) for text in texts]  # noqa: S314  libvirtd made it

    def lease_details(self) -> List[Dict[str, Any]]:
        """All leases that have not expired, IPv4 first; ``expires`` in seconds since 1970, None for never."""
        return [
            {
                "ip": lease["ipaddr"],
                "prefix": lease["prefix"],
                "mac": (lease.get("mac") or "").lower() or None,
                "hostname": lease.get("hostname"),
                "client_id": lease.get("clientid"),
                "expires": lease["expirytime"] or None,
            }
            for lease in self._valid(None)
        ]


def network_rows(hypervisor: Hypervisor) -> List[NetworkRow]:
    """All networks in the order of their names, by four calls; none where this libvirtd has no networks at all."""
    connection = hypervisor.handle
    try:
        with translated("list the networks"):
            handles = connection.listAllNetworks()
            sets = [
                {one.UUIDString() for one in connection.listAllNetworks(flag)}
                for flag in (
                    libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE,
                    libvirt.VIR_CONNECT_LIST_NETWORKS_PERSISTENT,
                    libvirt.VIR_CONNECT_LIST_NETWORKS_AUTOSTART,
                )
            ]
    except errors.Unsupported:
        return []
    networks = sorted((ManagedNetwork(handle) for handle in handles), key=lambda one: one.name)
    return [NetworkRow(one, *(one.uuid in found for found in sets)) for one in networks]


def managed_network(hypervisor: Hypervisor, name: str) -> Optional[ManagedNetwork]:
    """The network of that name, None where there is none. Raises `Unsupported` where libvirtd has no networks."""
    try:
        with translated("find the network"):
            return ManagedNetwork(hypervisor.handle.networkLookupByName(name))
    except errors.NetworkNotFound:
        return None


def define_network(hypervisor: Hypervisor, xml: str, validate: bool = False) -> ManagedNetwork:
    """Define a network, or replace the definition of the one with its UUID; ``validate`` by libvirt's schema."""
    connection = hypervisor.handle
    with translated("define the network"):
        if validate and hasattr(connection, "networkDefineXMLFlags"):  # libvirt-python before 7.7 has no such
            return ManagedNetwork(connection.networkDefineXMLFlags(xml, libvirt.VIR_NETWORK_DEFINE_VALIDATE))
        return ManagedNetwork(connection.networkDefineXML(xml))


def _port(root: ElementTree.Element) -> Port:
    mac = root.find("mac")
    return Port(
        root.findtext("owner/name"),
        root.findtext("owner/uuid"),
        None if mac is None else mac.get("address"),
        root.findtext("group"),
    )
