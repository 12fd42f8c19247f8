# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists in a network's XML: what an entry says as plain data, what tells it from others, and how it is written.

An entry's data are named as the fields of `network_entries`; what an entry doesn't say is left out of its data.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Callable, Dict, Hashable, Mapping, NamedTuple, Optional
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.limits import (
    read_bandwidth,
    read_vlan,
    write_bandwidth,
    write_vlan,
)

_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600}
PCI_PATTERN = r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$"


class Section(NamedTuple):
    """One list. ``within`` is the element that holds it: of the network itself, or ``dhcp``, which is in an ``<ip>``.

    ``live`` says that libvirt can change it in a network that runs; ``modify`` that it does so without taking the entry
    away first.
    """

    option: str
    tag: str
    within: str
    read: Callable[[Element], Any]
    key: Callable[[Any], Hashable]
    write: Callable[[Element, Any], None]
    live: bool = False
    modify: Callable[[Any], bool] = lambda _data: False


def plain_ip(text: str) -> str:
    """``text`` as addresses are written in short; itself where it is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def network_of(element: Element) -> str:
    """The address of an ``<ip>`` or ``<route>`` with the length of its prefix: ``10.0.0.1/24``."""
    address = plain_ip(element.get("address", ""))
    prefix: Optional[str] = element.get("prefix") or element.get("netmask")
    if prefix is None:
        return str(ipaddress.ip_interface(address)) if element.get("family") == "ipv6" else _classful(address)
    return str(ipaddress.ip_interface(f"{address}/{prefix}"))


def _classful(address: str) -> str:
    """What libvirt takes an IPv4 address without netmask and prefix for."""
    first = int(address.partition(".")[0])
    return f"{address}/{8 if first < 128 else 16 if first < 192 else 24}"


def _write_network(element: Element, text: str) -> None:
    wanted = ipaddress.ip_interface(text)
    element.set("address", str(wanted.ip))
    element.set("family", f"ipv{wanted.version}")
    element.set("prefix", str(wanted.network.prefixlen))
    element.attrib.pop("netmask", None)


def _said(**data: Any) -> Dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def _number(text: Optional[str]) -> Optional[int]:
    return None if text is None else int(text)


def _set(element: Element, data: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if name in data:
            element.set(name, str(data[name]))


def _lease(element: Element) -> Optional[int]:
    lease = element.find("lease")
    if lease is None:
        return None
    return int(lease.get("expiry", "0")) * _UNITS.get(lease.get("unit", "minutes"), 60)


def _write_lease(element: Element, data: Mapping[str, Any]) -> None:
    if "lease_seconds" not in data or _lease(element) == data["lease_seconds"]:
        return
    lease = element.find("lease")
    if lease is None:
        lease = SubElement(element, "lease")
    lease.set("expiry", str(data["lease_seconds"]))
    lease.set("unit", "seconds")


def _read_range(element: Element) -> Dict[str, Any]:
    start, end = plain_ip(element.get("start", "")), plain_ip(element.get("end", ""))
    return _said(start=start, end=end, lease_seconds=_lease(element))


def _write_range(element: Element, data: Mapping[str, Any]) -> None:
    _set(element, data, "start", "end")
    _write_lease(element, data)


def _read_dhcp_host(element: Element) -> Dict[str, Any]:
    mac = element.get("mac")
    return _said(
        ip=plain_ip(element.get("ip", "")),
        mac=None if mac is None else mac.lower(),
        id=element.get("id"),
        name=element.get("name"),
        lease_seconds=_lease(element),
    )


def _write_dhcp_host(element: Element, data: Mapping[str, Any]) -> None:
    _set(element, data, "mac", "id", "name", "ip")
    _write_lease(element, data)


def _dhcp_host_key(data: Mapping[str, Any]) -> Hashable:
    for name in ("mac", "id", "name"):
        if name in data:
            # a card may have an address of each family
            return name, data[name], ":" in data["ip"]
    return "ip", data["ip"]


def _read_dns_host(element: Element) -> Dict[str, Any]:
    names = [(name.text or "").strip() for name in element.findall("hostname")]
    return {"ip": plain_ip(element.get("ip", "")), "hostnames": names}


def _write_dns_host(element: Element, data: Mapping[str, Any]) -> None:
    _set(element, data, "ip")
    for name in element.findall("hostname"):
        element.remove(name)
    for text in data["hostnames"]:
        SubElement(element, "hostname").text = text


def _read_forwarder(element: Element) -> Dict[str, Any]:
    address = element.get("addr")
    return _said(address=None if address is None else plain_ip(address), domain=element.get("domain"))


def _write_forwarder(element: Element, data: Mapping[str, Any]) -> None:
    _set(element, data, "domain")
    if "address" in data:
        element.set("addr", data["address"])


def _read_service(element: Element) -> Dict[str, Any]:
    texts = {name: element.get(name) for name in ("service", "protocol", "domain", "target")}
    numbers = {name: _number(element.get(name)) for name in ("port", "priority", "weight")}
    return _said(**texts, **numbers)


def _write_service(element: Element, data: Mapping[str, Any]) -> None:
    _set(element, data, "service", "protocol", "domain", "target", "port", "priority", "weight")


def _read_text(element: Element) -> Dict[str, Any]:
    return {"name": element.get("name", ""), "value": element.get("value", "")}


def _read_portgroup(element: Element) -> Dict[str, Any]:
    return _said(
        name=element.get("name", ""),
        default=element.get("default") == "yes",
        vlan=read_vlan(element),
        bandwidth=read_bandwidth(element),
    )


def _write_portgroup(element: Element, data: Mapping[str, Any]) -> None:
    _set(element, data, "name")
    if data.get("default"):
        element.set("default", "yes")
    elif "default" in data:
        element.attrib.pop("default", None)
    if "vlan" in data:
        write_vlan(element, data["vlan"])
    if "bandwidth" in data:
        write_bandwidth(element, data["bandwidth"])


def _read_route(element: Element) -> Dict[str, Any]:
    gateway = plain_ip(element.get("gateway", ""))
    return _said(address=network_of(element), gateway=gateway, metric=_number(element.get("metric")))


def _write_route(element: Element, data: Mapping[str, Any]) -> None:
    _write_network(element, data["address"])
    _set(element, data, "gateway", "metric")


def read_pci_address(element: Element) -> str:
    """Where an ``<address type='pci'>`` is, as lspci has it."""
    domain, bus, slot, function = (int(element.get(name, "0"), 0) for name in ("domain", "bus", "slot", "function"))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _read_interface(element: Element) -> str:
    return element.get("dev", "") if element.tag == "interface" else read_pci_address(element)


def write_interface(element: Element, data: str) -> None:
    """Have ``element`` be that interface, which is one by name or a PCI device."""
    if re.fullmatch(PCI_PATTERN, data):
        element.tag = "address"
        element.set("type", "pci")
        for name, text in zip(("domain", "bus", "slot", "function"), re.split("[:.]", data)):
            element.set(name, f"0x{text}")
    else:
        element.set("dev", data)


ADDRESSES = Section(
    "addresses", "ip", "", network_of, lambda data: ipaddress.ip_interface(data).ip, _write_network
)  # fmt: skip
DHCP_RANGES = Section(
    "dhcp_ranges", "range", "dhcp", _read_range, lambda data: (data["start"], data["end"]), _write_range, live=True
)
DHCP_HOSTS = Section(
    "dhcp_hosts",
    "host",
    "dhcp",
    _read_dhcp_host,
    _dhcp_host_key,
    _write_dhcp_host,
    live=True,
    modify=lambda data: "mac" in data,
)
DNS_HOSTS = Section(
    "dns_hosts", "host", "dns", _read_dns_host, lambda data: data["ip"], _write_dns_host, live=True
)  # fmt: skip
DNS_FORWARDERS = Section(
    "dns_forwarders",
    "forwarder",
    "dns",
    _read_forwarder,
    lambda data: (data.get("domain"), data.get("address")),
    _write_forwarder,
)
DNS_SRV = Section(
    "dns_srv",
    "srv",
    "dns",
    _read_service,
    lambda data: tuple(data.get(name) for name in ("service", "protocol", "domain", "target", "port")),
    _write_service,
    live=True,
)
DNS_TXT = Section(
    "dns_txt",
    "txt",
    "dns",
    _read_text,
    lambda data: data["name"],
    lambda element, data: _set(element, data, "name", "value"),
    live=True,
)
PORTGROUPS = Section(
    "portgroups",
    "portgroup",
    "",
    _read_portgroup,
    lambda data: data["name"],
    _write_portgroup,
    live=True,
    modify=lambda _data: True,
)
ROUTES = Section("routes", "route", "", _read_route, lambda data: data["address"], _write_route)
INTERFACES = Section(
    "interfaces", "interface", "forward", _read_interface, lambda data: data, write_interface, live=True
)

SECTIONS = (
    ADDRESSES,
    DHCP_RANGES,
    DHCP_HOSTS,
    DNS_HOSTS,
    DNS_FORWARDERS,
    DNS_SRV,
    DNS_TXT,
    PORTGROUPS,
    ROUTES,
    INTERFACES,
)
"""All lists, those that others stand in first."""
