# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a network's XML in place: what is not named stays as its author wrote it."""

from __future__ import annotations

import ipaddress
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited, serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.network_entries import HOST_MODES
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.limits import write_bandwidth, write_vlan
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import entries, read_forward
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.sections import (
    INTERFACES,
    SECTIONS,
    Section,
    network_of,
)


class Edit(NamedTuple):
    """What is to be different: options by name, and the lists that are complete, so that other entries go."""

    options: Mapping[str, Any]
    exclusive: Sequence[str] = ()


class Misplaced(NamedTuple):
    """An entry that none of the network's addresses has room for."""

    option: str
    place: int


class Edited(NamedTuple):
    """The XML as it is to be, and what has no place in it."""

    xml: str
    misplaced: List[Misplaced]


def new_network(name: str) -> str:
    """The XML of a network of which nothing is known but its name."""
    root = Element("network")
    SubElement(root, "name").text = name
    return serialize(root)


def with_options(xml: str, edit: Edit) -> Edited:
    """``xml`` with what ``edit`` names."""
    misplaced: List[Misplaced] = []

    def change(root: Element) -> None:
        for option, value in edit.options.items():
            if option in _WRITERS:
                _WRITERS[option](root, value)
        misplaced.extend(_set_lists(root, edit, SECTIONS))
        _drop_empty(root)

    return Edited(edited(xml, change), misplaced)


def with_live_lists(xml: str, edit: Edit) -> Edited:
    """``xml`` of a network that runs, with those lists that libvirt can change now."""
    misplaced: List[Misplaced] = []

    def change(root: Element) -> None:
        misplaced.extend(_set_lists(root, edit, [section for section in SECTIONS if section.live]))

    return Edited(edited(xml, change), misplaced)


def _set_lists(root: Element, edit: Edit, sections: Iterable[Section]) -> List[Misplaced]:
    misplaced = []
    for section in sections:
        wanted = edit.options.get(section.option)
        if wanted is not None:
            lost = _set_list(root, section, wanted, section.option in edit.exclusive)
            misplaced += [Misplaced(section.option, index) for index in lost]
    return misplaced


def _set_list(root: Element, section: Section, wanted: Sequence[Any], exclusive: bool) -> List[int]:
    """Have the entries be there; answers the places in ``wanted`` of those that can't be."""
    present = {section.key(data): (parent, element) for parent, element, data in entries(root, section)}
    lost = []
    for index, data in enumerate(wanted):
        place = _place(root, section, data)
        parent, element = present.pop(section.key(data), (None, None))
        if place is None:
            lost.append(index)
            continue
        if element is None:
            element = SubElement(place, section.tag)
        elif parent is not place and parent is not None:
            parent.remove(element)
            place.append(element)
        section.write(element, data)
    if exclusive:
        for parent, element in present.values():
            parent.remove(element)
    if section is INTERFACES:
        for forward in root.findall("forward"):
            forward.attrib.pop("dev", None)  # the first of them once more
    return lost


def _place(root: Element, section: Section, data: Any) -> Optional[Element]:
    if not section.within:
        return root
    if section.within == "dhcp":
        subnet = subnet_of(root, data.get("start") or data["ip"])
        return None if subnet is None else _child(subnet, "dhcp")
    if section is INTERFACES:
        return root.find("forward") if read_forward(root)["mode"] in HOST_MODES else None
    return _child(root, section.within)


def subnet_of(root: Element, address: str) -> Optional[Element]:
    """The network's own ``<ip>`` in whose subnet ``address`` is."""
    wanted = ipaddress.ip_address(address)
    for element in root.findall("ip"):
        if wanted in ipaddress.ip_interface(network_of(element)).network:
            return element
    return None


def _child(parent: Element, tag: str) -> Element:
    found = parent.find(tag)
    return SubElement(parent, tag) if found is None else found


def _drop_empty(root: Element) -> None:
    """Take out what only held lists that are empty now."""
    for parent in (root, *root.findall("ip")):
        for tag in ("dns", "dhcp"):
            for element in parent.findall(tag):
                if len(element) == 0 and not element.attrib:
                    parent.remove(element)


def _set_forward(root: Element, wanted: Mapping[str, Any]) -> None:
    present = read_forward(root)
    mode = wanted.get("mode", present["mode"])
    forward = root.find("forward")
    if mode == "isolated":
        if forward is not None:
            root.remove(forward)
        return
    if forward is None:
        forward = SubElement(root, "forward")
    if mode != present["mode"]:
        # what belongs to the other mode
        forward.attrib.pop("dev", None)
        for element in list(forward):
            forward.remove(element)
    forward.set("mode", mode)
    if wanted.get("dev") is not None and wanted["dev"] != forward.get("dev"):
        forward.set("dev", wanted["dev"])
        for element in forward.findall("interface"):  # which says the same once more
            forward.remove(element)
    if wanted.get("physical_function") is not None:
        _child(forward, "pf").set("dev", wanted["physical_function"])
    if any(name.startswith("nat_") for name in wanted):
        _set_nat(_child(forward, "nat"), wanted)


def _set_nat(nat: Element, wanted: Mapping[str, Any]) -> None:
    if "nat_ipv6" in wanted:
        nat.set("ipv6", "yes" if wanted["nat_ipv6"] else "no")
    for tag, prefix in (("address", "nat_"), ("port", "nat_port_")):
        for end in ("start", "end"):
            if prefix + end in wanted:
                _child(nat, tag).set(end, str(wanted[prefix + end]))


def _set_bridge(root: Element, name: str) -> None:
    _child(root, "bridge").set("name", name)


def _set_domain(root: Element, name: str) -> None:
    if name:
        _child(root, "domain").set("name", name)
    else:
        for element in root.findall("domain"):
            root.remove(element)


def _set_domain_local(root: Element, local: bool) -> None:
    domain = _child(root, "domain") if local else root.find("domain")
    if domain is not None:
        domain.set("localOnly", "yes" if local else "no")


def _set_mtu(root: Element, size: int) -> None:
    if size:
        _child(root, "mtu").set("size", str(size))
    else:
        for element in root.findall("mtu"):
            root.remove(element)


def _set_dns_enabled(root: Element, enabled: bool) -> None:
    if not enabled:
        _child(root, "dns").set("enable", "no")
    for element in root.findall("dns") if enabled else ():
        element.attrib.pop("enable", None)


def _set_openvswitch(root: Element, wanted: bool) -> None:
    present = root.find("virtualport[@type='openvswitch']")
    if wanted and present is None:
        SubElement(root, "virtualport", {"type": "openvswitch"})
    elif not wanted and present is not None:
        root.remove(present)


_WRITERS: Dict[str, Callable[[Element, Any], None]] = {
    "forward": _set_forward,
    "bridge": _set_bridge,
    "domain": _set_domain,
    "domain_local": _set_domain_local,
    "mtu": _set_mtu,
    "dns_enabled": _set_dns_enabled,
    "vlan": write_vlan,
    "bandwidth": write_bandwidth,
    "openvswitch": _set_openvswitch,
}
"""What writes each option that is no list. Those before others they depend on come first in `NetworkWish`."""
