# SPDX-License-Identifier: GPL-3.0-or-later
"""Network XML as plain data, named as the options of the module that changes networks."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Tuple
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse
from ansible_collections.hostler.libvirt.plugins.module_utils.network_entries import HOST_MODES
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.limits import read_bandwidth, read_vlan
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.sections import (
    INTERFACES,
    SECTIONS,
    Section,
    plain_ip,
    read_pci_address,
)


def read_network(xml: str) -> Dict[str, Any]:
    """What ``xml`` says: every option; a list that is not there is empty, and a value that is not there None."""
    return read_root(parse(xml))


def read_root(root: Element) -> Dict[str, Any]:
    """As `read_network`, of XML that is parsed already."""
    bridge, domain, mtu, dns = (root.find(tag) for tag in ("bridge", "domain", "mtu", "dns"))
    data: Dict[str, Any] = {
        "forward": read_forward(root),
        "bridge": None if bridge is None else bridge.get("name"),
        "domain": None if domain is None else domain.get("name"),
        "domain_local": domain is not None and domain.get("localOnly") == "yes",
        "mtu": None if mtu is None else int(mtu.get("size", "0")),
        "dns_enabled": dns is None or dns.get("enable") != "no",
        "vlan": read_vlan(root),
        "bandwidth": read_bandwidth(root),
        "openvswitch": root.find("virtualport[@type='openvswitch']") is not None,
    }
    for section in SECTIONS:
        data[section.option] = [data for _parent, _element, data in entries(root, section)]
    return data


def identity_of(xml: str) -> Dict[str, Optional[str]]:
    """The name, the UUID and the bridge's address."""
    root = parse(xml)
    mac = root.find("mac")
    return {
        "name": root.findtext("name"),
        "uuid": root.findtext("uuid"),
        "mac_address": None if mac is None else mac.get("address"),
    }


def read_forward(root: Element) -> Dict[str, Any]:
    """Where traffic goes; ``mode`` is isolated where nothing is forwarded."""
    forward = root.find("forward")
    if forward is None:
        return {"mode": "isolated"}
    found: Dict[str, Any] = {"mode": forward.get("mode", "nat")}
    dev, function = forward.get("dev"), forward.find("pf")
    if dev is not None and found["mode"] not in HOST_MODES:  # of which it is the first of the interfaces once more
        found["dev"] = dev
    if function is not None:
        found["physical_function"] = function.get("dev")
    nat = forward.find("nat")
    if nat is not None:
        if nat.get("ipv6") is not None:
            found["nat_ipv6"] = nat.get("ipv6") == "yes"
        for tag, prefix, kind in (("address", "nat_", plain_ip), ("port", "nat_port_", int)):
            element = nat.find(tag)
            for end in ("start", "end"):
                if element is not None and element.get(end):
                    found[prefix + end] = kind(element.get(end, ""))
    return found


def entries(root: Element, section: Section) -> Iterator[Tuple[Element, Element, Any]]:
    """The list's entries: the element each is in, its own, and what it says."""
    if section is INTERFACES and read_forward(root)["mode"] not in HOST_MODES:
        return  # the only one there can be is the ``dev`` of what does the forwarding, once more
    for parent in _containers(root, section):
        for element in parent.findall(section.tag):
            yield parent, element, section.read(element)
        if section is INTERFACES:
            for element in parent.findall("address[@type='pci']"):
                yield parent, element, read_pci_address(element)


def _containers(root: Element, section: Section) -> List[Element]:
    if section.within == "dhcp":
        return root.findall("ip/dhcp")
    return root.findall(section.within) if section.within else [root]
