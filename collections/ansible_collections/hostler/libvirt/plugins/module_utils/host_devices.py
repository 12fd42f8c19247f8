# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of a host that concern guests, read from libvirt's XML (https://libvirt.org/formatnode.html)."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Tuple
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse

_DISPLAY = "0x03"  # of a PCI class: display controllers
_KINDS = ("pci", "usb", "mediated", "interfaces")


def devices(xmls: Iterable[str]) -> Dict[str, List[Dict[str, Any]]]:
    """The devices by kind: ``pci``, ``usb``, ``mediated`` (what can be made of one, and what is) and ``interfaces``.

    Each list is in the order of its addresses or names.
    """
    found: Dict[str, List[Dict[str, Any]]] = {kind: [] for kind in _KINDS}
    for xml in xmls:
        device = parse(xml)
        for capability in device.findall("capability"):
            read = _READERS.get(capability.get("type", ""))
            if read is not None:
                kind, data = read(device, capability)
                found[kind].append(data)
            found["mediated"] += _mediated_types(device, capability)
    return {kind: sorted(entries, key=lambda entry: str(next(iter(entry.values())))) for kind, entries in found.items()}


def _pci(device: Element, capability: Element) -> Tuple[str, Dict[str, Any]]:
    group = capability.find("iommuGroup")
    numa = capability.find("numa")
    kind = capability.findtext("class")
    functions = capability.find("capability[@type='virt_functions']")
    return "pci", {
        "address": _pci_address(capability),
        "class": kind,
        **_maker(capability),
        "driver": device.findtext("driver/name"),
        "iommu_group": None if group is None else int(group.get("number", "0")),
        "numa_cell": None if numa is None else int(numa.get("node", "0")),
        "gpu": kind is not None and kind.startswith(_DISPLAY),
        "virtual_functions": None if functions is None else int(functions.get("maxCount", "0")),
        "physical_function": _parent_function(capability),
    }


def _pci_address(capability: Element) -> str:
    domain, bus, slot, function = (
        int(capability.findtext(name, "0")) for name in ("domain", "bus", "slot", "function")
    )
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _parent_function(capability: Element) -> Optional[str]:
    address = capability.find("capability[@type='phys_function']/address")
    if address is None:
        return None
    domain, bus, slot, function = (int(address.get(name, "0"), 0) for name in ("domain", "bus", "slot", "function"))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _maker(capability: Element) -> Dict[str, Optional[str]]:
    product, vendor = capability.find("product"), capability.find("vendor")
    return {
        "vendor_id": None if vendor is None else vendor.get("id"),
        "vendor": None if vendor is None else (vendor.text or "").strip() or None,
        "product_id": None if product is None else product.get("id"),
        "product": None if product is None else (product.text or "").strip() or None,
    }


def _usb(_device: Element, capability: Element) -> Tuple[str, Dict[str, Any]]:
    bus, number = (int(capability.findtext(name, "0")) for name in ("bus", "device"))
    return "usb", {"address": f"{bus:03d}:{number:03d}", "bus": bus, "device": number, **_maker(capability)}


def _interface(device: Element, capability: Element) -> Tuple[str, Dict[str, Any]]:
    link = capability.find("link")
    speed = None if link is None else link.get("speed")
    parent = device.findtext("parent", "")
    return "interfaces", {
        "name": capability.findtext("interface"),
        "mac_address": capability.findtext("address"),
        "link": None if link is None else link.get("state"),
        # -1 in 32 bits is of one whose driver knows none
        "speed_mbit": None if speed is None or int(speed) >= 2**31 else int(speed),
        "device": _address_in(parent) if parent.startswith("pci_") else None,
    }


def _address_in(name: str) -> str:
    """``pci_0000_00_03_0`` as the address of that device."""
    domain, bus, slot, function = name.split("_")[1:5]
    return f"{domain}:{bus}:{slot}.{function}"


def _mediated(device: Element, capability: Element) -> Tuple[str, Dict[str, Any]]:
    kind, group = capability.find("type"), capability.find("iommuGroup")
    parent = device.findtext("parent", "")
    return "mediated", {
        "uuid": capability.findtext("uuid"),
        "type": None if kind is None else kind.get("id"),
        "name": None,
        "available": None,
        "parent": _address_in(parent) if parent.startswith("pci_") else parent or None,
        "iommu_group": None if group is None else int(group.get("number", "0")),
    }


def _mediated_types(device: Element, capability: Element) -> List[Dict[str, Any]]:
    name = device.findtext("name", "")
    parent = _address_in(name) if name.startswith("pci_") else name
    return [
        {
            "uuid": None,
            "type": kind.get("id"),
            "name": kind.findtext("name"),
            "available": int(kind.findtext("availableInstances", "0")),
            "parent": parent,
            "iommu_group": None,
        }
        for kind in capability.iterfind("capability[@type='mdev_types']/type")
    ]


_READERS = {"pci": _pci, "usb_device": _usb, "net": _interface, "mdev": _mediated}
