# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a network of a host, and what is there of it."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.card import BRIDGE_PATTERN
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    LIBVIRT_NAME_SAYS,
    check_types,
    facts,
    field_errors,
    object_from,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.network_entries import (
    INTERFACE_SAYS,
    Bandwidth,
    DhcpHost,
    DhcpRange,
    DnsForwarder,
    DnsHost,
    DnsService,
    DnsText,
    Forward,
    Portgroup,
    Route,
    Vlan,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.edit import Edit
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.sections import PCI_PATTERN, SECTIONS

STATES = ("present", "active", "inactive", "absent")
LISTS = tuple(section.option for section in SECTIONS)
_MOST = 4096
_LEAST_LEASE = 120  # dnsmasq's


@dataclass(frozen=True)
class NetworkWish:
    """What is wanted of one network. None leaves it open; of an empty text or 0, see each."""

    name: str = field(
        metadata=facts(
            "The network's name.",
            pattern=LIBVIRT_NAME_PATTERN,
            pattern_says=LIBVIRT_NAME_SAYS,
        )
    )
    state: str = field(default="present", metadata=facts("What is wanted of it.", choices=STATES))
    forward: Optional[Forward] = field(default=None, metadata=facts("Where traffic goes."))
    bridge: Optional[str] = field(
        default=None, metadata=facts("The bridge.", pattern=BRIDGE_PATTERN, pattern_says=INTERFACE_SAYS)
    )
    domain: Optional[str] = field(
        default=None,
        metadata=facts(
            "The DNS domain.", max_length=253, pattern=r"^[^\x00-\x20\x7f]*\Z", pattern_says="a name without spaces"
        ),
    )
    domain_local: Optional[bool] = None
    mtu: Optional[int] = field(default=None, metadata=facts("Bytes in a packet.", minimum=0, maximum=65535))
    addresses: Optional[Tuple[str, ...]] = field(default=None, metadata=facts("Its own addresses.", max_length=64))
    dhcp_ranges: Optional[Tuple[DhcpRange, ...]] = field(default=None, metadata=facts("Leased.", max_length=_MOST))
    dhcp_hosts: Optional[Tuple[DhcpHost, ...]] = field(default=None, metadata=facts("Kept.", max_length=_MOST))
    dns_enabled: Optional[bool] = None
    dns_hosts: Optional[Tuple[DnsHost, ...]] = field(default=None, metadata=facts("Known names.", max_length=_MOST))
    dns_forwarders: Optional[Tuple[DnsForwarder, ...]] = field(default=None, metadata=facts("Asked.", max_length=64))
    dns_srv: Optional[Tuple[DnsService, ...]] = field(default=None, metadata=facts("SRV.", max_length=_MOST))
    dns_txt: Optional[Tuple[DnsText, ...]] = field(default=None, metadata=facts("TXT.", max_length=_MOST))
    vlan: Optional[Vlan] = field(default=None, metadata=facts("The VLANs."))
    openvswitch: Optional[bool] = None
    portgroups: Optional[Tuple[Portgroup, ...]] = field(default=None, metadata=facts("Kinds.", max_length=_MOST))
    routes: Optional[Tuple[Route, ...]] = field(default=None, metadata=facts("Routes.", max_length=_MOST))
    interfaces: Optional[Tuple[str, ...]] = field(default=None, metadata=facts("The host's.", max_length=_MOST))
    bandwidth: Optional[Bandwidth] = field(default=None, metadata=facts("Limits."))
    autostart: Optional[bool] = None
    xml: Optional[str] = field(default=None, repr=False)
    addresses_exclusive: bool = False
    dhcp_ranges_exclusive: bool = False
    dhcp_hosts_exclusive: bool = False
    dns_hosts_exclusive: bool = False
    dns_forwarders_exclusive: bool = False
    dns_srv_exclusive: bool = False
    dns_txt_exclusive: bool = False
    portgroups_exclusive: bool = False
    routes_exclusive: bool = False
    interfaces_exclusive: bool = False
    restart: bool = False
    force: bool = False

    @property
    def edit(self) -> Edit:
        """What it says of the network's XML, as that says it."""
        given = ((one.name, getattr(self, one.name)) for one in dataclasses.fields(self) if one.name in _OF_XML)
        named = {name: _plain(name, value) for name, value in given if value is not None}
        return Edit(named, tuple(name for name in LISTS if getattr(self, f"{name}_exclusive")))


_OF_XML = (
    *("forward", "bridge", "domain", "domain_local", "mtu", "dns_enabled", "vlan", "openvswitch", "bandwidth"),
    *LISTS,
)


@dataclass(frozen=True)
class ObservedNetwork:
    """A network as it is. ``xml`` is how it is defined, of a transient one how it runs; ``running`` None if it doesn't.

    ``users`` are the names of VMs that run and have a card on it, as far as anybody wants to know.
    """

    name: str
    uuid: str
    persistent: bool
    autostart: bool
    xml: str = field(repr=False)
    running: Optional[str] = field(default=None, repr=False)
    users: Tuple[str, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether guests can be connected to it now."""
        return self.running is not None


def network_wish_from(values: Mapping[str, Any]) -> NetworkWish:
    """The wish that plain data describe. Raises `InvalidSpec` for what can be of no network."""
    wish: NetworkWish = object_from(NetworkWish, values, "a network")
    check_types(wish)
    errors = [*field_errors(wish), *_errors(wish)]
    if errors:
        raise InvalidSpec(errors)
    return wish


def _errors(wish: NetworkWish) -> Iterator[FieldError]:
    if wish.xml is not None:
        for name in (*_OF_XML, *(f"{name}_exclusive" for name in LISTS)):
            if getattr(wish, name):
                yield FieldError(name, "does not go with xml, which says it")
    for name in LISTS:
        if getattr(wish, f"{name}_exclusive") and getattr(wish, name) is None:
            yield FieldError(f"{name}_exclusive", f"goes with {name} only")
    if wish.force and wish.state not in ("inactive", "absent"):
        yield FieldError("force", "goes with state inactive or absent only")
    if wish.restart and wish.state not in ("present", "active"):
        yield FieldError("restart", "goes with state present or active only")
    if wish.mtu is not None and 0 < wish.mtu < 68:
        yield FieldError("mtu", "must be at least 68, or 0 for the usual one")
    yield from _entry_errors(wish)
    yield from _double_errors(wish)


def _entry_errors(wish: NetworkWish) -> Iterator[FieldError]:
    for index, address in enumerate(wish.addresses or ()):
        yield from _interface_errors(f"addresses.{index}", address)
    for index, text in enumerate(wish.interfaces or ()):
        if not re.fullmatch(PCI_PATTERN, text) and not re.fullmatch(BRIDGE_PATTERN, text):
            yield FieldError(f"interfaces.{index}", f"must be {INTERFACE_SAYS}, or a PCI address like 0000:03:10.1")
    for index, leased in enumerate(wish.dhcp_ranges or ()):
        path = f"dhcp_ranges.{index}"
        found = [*_ip_errors(f"{path}.start", leased.start), *_ip_errors(f"{path}.end", leased.end)]
        yield from found or _range_errors(path, leased.start, leased.end)
        yield from _lease_errors(path, leased.lease_seconds)
    for index, host in enumerate(wish.dhcp_hosts or ()):
        path = f"dhcp_hosts.{index}"
        yield from _ip_errors(f"{path}.ip", host.ip)
        yield from _lease_errors(path, host.lease_seconds)
        if host.mac is None and host.id is None and host.name is None:
            yield FieldError(f"{path}.mac", "is required, or id or name")
    for index, known in enumerate(wish.dns_hosts or ()):
        yield from _ip_errors(f"dns_hosts.{index}.ip", known.ip)
        if not known.hostnames:
            yield FieldError(f"dns_hosts.{index}.hostnames", "must have a name")
        for at, name in enumerate(known.hostnames):
            if not re.fullmatch(r"[^\x00-\x20\x7f#]+", name):  # libvirt writes it into a file of lines as it is
                yield FieldError(f"dns_hosts.{index}.hostnames.{at}", "must be a name, without spaces and #")
    for index, asked in enumerate(wish.dns_forwarders or ()):
        if asked.address is not None:
            yield from _ip_errors(f"dns_forwarders.{index}.address", asked.address)
        elif asked.domain is None:
            yield FieldError(f"dns_forwarders.{index}.address", "is required, or domain")
    for index, route in enumerate(wish.routes or ()):
        yield from _interface_errors(f"routes.{index}.address", route.address)
        yield from _ip_errors(f"routes.{index}.gateway", route.gateway)
    for path, vlan in (("vlan", wish.vlan), *((f"portgroups.{at}.vlan", one.vlan) for at, one in _kinds(wish))):
        yield from () if vlan is None else _vlan_errors(path, vlan)
    if wish.forward is not None:
        for name in ("nat_start", "nat_end"):
            value = getattr(wish.forward, name)
            yield from () if value is None else _ip_errors(f"forward.{name}", value)


def _kinds(wish: NetworkWish) -> List[Tuple[int, Portgroup]]:
    return list(enumerate(wish.portgroups or ()))


def _double_errors(wish: NetworkWish) -> Iterator[FieldError]:
    """An entry that is in its list twice would not be the same after each run."""
    if any(True for _error in _entry_errors(wish)):
        return
    for section in SECTIONS:
        seen = set()
        for index, data in enumerate(wish.edit.options.get(section.option, ())):
            if section.key(data) in seen:
                yield FieldError(f"{section.option}.{index}", "is in the list twice")
            seen.add(section.key(data))


def _ip_errors(path: str, text: str) -> Iterator[FieldError]:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        yield FieldError(path, "must be an IP address")


def _interface_errors(path: str, text: str) -> Iterator[FieldError]:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        text = ""
    if "/" not in text:
        yield FieldError(path, "must be an IP address with the length of its prefix, like 192.168.5.1/24")


def _range_errors(path: str, start: str, end: str) -> Iterator[FieldError]:
    first, last = ipaddress.ip_address(start), ipaddress.ip_address(end)
    if first.version != last.version or int(first) > int(last):
        yield FieldError(f"{path}.end", "must not be before start")


def _lease_errors(path: str, seconds: Optional[int]) -> Iterator[FieldError]:
    if seconds is not None and 0 < seconds < _LEAST_LEASE:
        yield FieldError(f"{path}.lease_seconds", f"must be at least {_LEAST_LEASE} s, or 0 for ever")


def _vlan_errors(path: str, vlan: Vlan) -> Iterator[FieldError]:
    for index, tag in enumerate(vlan.tags):
        if not 0 <= tag <= 4095:
            yield FieldError(f"{path}.tags.{index}", "must be from 0 to 4095")
    if vlan.native is not None and vlan.native not in vlan.tags:
        yield FieldError(f"{path}.native", "must be one of the tags")
    if vlan.trunk is False and len(vlan.tags) > 1:
        yield FieldError(f"{path}.trunk", "can't be false with more than one tag")


def _plain(name: str, value: Any) -> Any:
    """``value`` of an option as the XML's data are: what is left out is missing, addresses are in short."""
    if dataclasses.is_dataclass(value):
        fields = ((one.name, getattr(value, one.name)) for one in dataclasses.fields(value))
        data: Dict[str, Any] = {key: _plain(key, one) for key, one in fields if one is not None}
        return data
    if isinstance(value, tuple):
        return [_plain(name, one) for one in value]
    if name == "mac":
        return value.lower()
    if name in ("ip", "start", "end", "gateway", "nat_start", "nat_end", "address", "addresses"):
        return _short(value)
    return value


def _short(text: str) -> str:
    return str(ipaddress.ip_interface(text)) if "/" in text else str(ipaddress.ip_address(text))
