# SPDX-License-Identifier: GPL-3.0-or-later
"""One libvirt network."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Optional, Tuple
from xml.etree import ElementTree

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Address
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt


class Network:
    """One network of a host."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.name: str = handle.name()

    def is_active(self) -> bool:
        """Whether guests can be connected to it now."""
        with translated("read the network's state"):
            return bool(self._handle.isActive())

    def lease_of(self, mac_address: str) -> str:
        """The newest address leased to the card that has not expired, IPv4 before IPv6; "" if it has none.

        A lease does not prove that the guest is up: it outlives the guest's power.
        """
        best = next(iter(self._valid(mac_address)), None)
        return str(best["ipaddr"]) if best else ""

    def leases(self) -> Dict[str, List[Address]]:
        """The newest address of each family that is leased to each card and has not expired, by one call."""
        found: Dict[str, Dict[str, Address]] = {}
        for lease in self._valid(None):
            mac_address = (lease.get("mac") or "").lower()
            family = "ipv4" if lease["type"] == libvirt.VIR_IP_ADDR_TYPE_IPV4 else "ipv6"
            address = Address(mac_address, str(lease["ipaddr"]), family, "lease")
            found.setdefault(mac_address, {}).setdefault(family, address)
        return {mac_address: list(by_family.values()) for mac_address, by_family in found.items()}

    def declared(self) -> Dict[str, List[Address]]:
        """The addresses that its definition sets aside for cards, by the cards: whoever asks by DHCP gets them."""
        try:
            with translated("read the network's definition"):
                root = ElementTree.fromstring(self._handle.XMLDesc(0))  # noqa: S314  libvirtd made it
        except HostUnreachable:
            raise
        except HostlerError:
            return {}  # it has gone meanwhile
        found: Dict[str, List[Address]] = {}
        for subnet in root.iterfind("ip"):
            family = "ipv6" if subnet.get("family") == "ipv6" else "ipv4"
            for host in subnet.iterfind("dhcp/host"):
                mac_address, address = (host.get("mac") or "").lower(), host.get("ip")
                if mac_address and address:
                    found.setdefault(mac_address, []).append(Address(mac_address, address, family, "declared"))
        return found

    def _valid(self, mac_address: Optional[str]) -> List[Dict[str, Any]]:
        """Leases that have not expired, IPv4 before IPv6, the newest first; those of one card if it is given."""
        try:
            with translated("read the network's leases"):
                leases: List[Dict[str, Any]] = self._handle.DHCPLeases(mac_address)
        except HostUnreachable:
            raise
        except HostlerError:
            return []  # an inactive network, or one whose DHCP is not libvirt's, has none
        valid = [lease for lease in leases if lease["expirytime"] == 0 or lease["expirytime"] > time.time()]
        return sorted(valid, key=_rank, reverse=True)


def _rank(lease: Dict[str, Any]) -> Tuple[bool, float]:
    return lease["type"] == libvirt.VIR_IP_ADDR_TYPE_IPV4, lease["expirytime"] or float("inf")
