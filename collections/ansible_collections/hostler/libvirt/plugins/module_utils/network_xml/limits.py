# SPDX-License-Identifier: GPL-3.0-or-later
"""``<vlan>`` and ``<bandwidth>``, which a network and each of its portgroups may have."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional
from xml.etree.ElementTree import Element, SubElement

_RATES = ("average", "peak", "burst")


def read_vlan(parent: Element) -> Optional[Dict[str, Any]]:
    """The tags, whether it is a trunk, and which tag is the native one, if any is."""
    vlan = parent.find("vlan")
    if vlan is None:
        return None
    tags = vlan.findall("tag")
    data: Dict[str, Any] = {
        "tags": [int(tag.get("id", "0")) for tag in tags],
        "trunk": vlan.get("trunk") == "yes" or len(tags) > 1,
    }
    native = [int(tag.get("id", "0")) for tag in tags if tag.get("nativeMode") is not None]
    return {**data, "native": native[0]} if native else data


def write_vlan(parent: Element, data: Mapping[str, Any]) -> None:
    """Have ``parent`` have those tags; none of them is no ``<vlan>``."""
    vlan = parent.find("vlan")
    if not data["tags"]:
        if vlan is not None:
            parent.remove(vlan)
        return
    if vlan is None:
        vlan = SubElement(parent, "vlan")
    present = read_vlan(parent) or {}
    wanted = {**present, **data}
    trunk = len(wanted["tags"]) > 1 or wanted.get("trunk", False)
    if {**wanted, "trunk": trunk} == present:
        return
    for tag in vlan.findall("tag"):
        vlan.remove(tag)
    vlan.attrib.pop("trunk", None)
    if trunk:
        vlan.set("trunk", "yes")
    for number in wanted["tags"]:
        tag = SubElement(vlan, "tag", {"id": str(number)})
        if number == wanted.get("native"):
            tag.set("nativeMode", "untagged")


def read_bandwidth(parent: Element) -> Optional[Dict[str, Any]]:
    """The limits by direction, in KiB/s and KiB."""
    bandwidth = parent.find("bandwidth")
    if bandwidth is None:
        return None
    found: Dict[str, Any] = {}
    for direction in ("inbound", "outbound"):
        element = bandwidth.find(direction)
        if element is not None:
            found[direction] = {name: int(element.get(name, "0")) for name in _RATES if element.get(name) is not None}
    return found or None


def write_bandwidth(parent: Element, data: Mapping[str, Any]) -> None:
    """Have ``parent`` have those limits; a direction with an average of 0 has none."""
    bandwidth = parent.find("bandwidth")
    if bandwidth is None:
        bandwidth = SubElement(parent, "bandwidth")
    for direction, rate in data.items():
        element = bandwidth.find(direction)
        if not rate["average"]:
            if element is not None:
                bandwidth.remove(element)
            continue
        if element is None:
            element = SubElement(bandwidth, direction)
        for name, value in rate.items():
            element.set(name, str(value))
    if len(bandwidth) == 0:
        parent.remove(bandwidth)
