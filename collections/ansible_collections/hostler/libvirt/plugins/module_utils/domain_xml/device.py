# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of a domain that are neither disk nor card nor display, read, written, and changed in place."""

from __future__ import annotations

from typing import Iterator, Optional, Tuple
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.device import MODELS, DeviceConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited, parse


def read_devices(xml: str) -> Tuple[DeviceConfig, ...]:
    """Those of the domain that a `DeviceConfig` can be; others are left out."""
    return tuple(one for _element, one in _found(parse(xml)))


def device_element(device: DeviceConfig) -> Element:
    """The element of a new one."""
    if device.type == "pci":
        domain, bus, slot = (device.key[len("pci ") :]).split(":")
        element = Element("hostdev", {"mode": "subsystem", "type": "pci", "managed": "yes"})
        slot, function = slot.split(".")
        place = {"domain": domain, "bus": bus, "slot": slot, "function": function}
        attributes = {name: f"0x{value}" for name, value in place.items()}
        SubElement(SubElement(element, "source"), "address", attributes)
    elif device.type == "usb":
        element = Element("hostdev", {"mode": "subsystem", "type": "usb", "managed": "yes"})
        source = SubElement(element, "source")
        if device.vendor is not None:
            SubElement(source, "vendor", {"id": device.vendor.lower()})
            SubElement(source, "product", {"id": (device.product or "").lower()})
        else:
            SubElement(source, "address", {"bus": str(device.bus), "device": str(device.device)})
    elif device.type == "virtiofs":
        element = Element("filesystem", {"type": "mount", "accessmode": "passthrough"})
        SubElement(element, "driver", {"type": "virtiofs"})
        SubElement(element, "source", {"dir": device.source or ""})
        SubElement(element, "target", {"dir": device.tag or ""})
    else:
        element = Element(device.type, {"model": device.model or MODELS[device.type][0]})
        if device.type == "watchdog":
            element.set("action", device.action or "reset")
    return element


def with_device(xml: str, device: DeviceConfig) -> str:
    """``xml`` with that device: one that it has of the same key is made so, else it gets one more."""

    def change(domain: Element) -> None:
        devices = domain.find("devices")
        if devices is None:
            devices = SubElement(domain, "devices")
        present = next((element for element, one in _found(domain) if one.key == device.key), None)
        if present is None:
            devices.append(device_element(device))
        elif device.type == "virtiofs":
            for source in present.findall("source"):
                source.set("dir", device.source or "")
        elif device.type == "watchdog":
            if device.model not in (None, present.get("model")):  # a device of its own, at a place of its own
                devices.remove(present)
                devices.append(device_element(device))
            elif device.action is not None:
                present.set("action", device.action)
        if device.type == "virtiofs":
            share_memory(domain)

    return edited(xml, change)


def without_device(xml: str, key: str) -> str:
    """``xml`` without the device of that key; that its memory is shared stays, as others may need it."""

    def change(domain: Element) -> None:
        for devices in domain.findall("devices"):
            for element, one in list(_found(domain)):
                if one.key == key:
                    devices.remove(element)

    return edited(xml, change)


def share_memory(domain: Element) -> None:
    """Have other processes of the host (virtiofsd) see the guest's memory; what is said of its backing stays."""
    backing = domain.find("memoryBacking")
    if backing is None:
        backing = Element("memoryBacking")
        before = [index for index, child in enumerate(domain) if child.tag in ("currentMemory", "memory", "maxMemory")]
        domain.insert(before[-1] + 1 if before else 0, backing)
    if backing.find("source") is None and backing.find("hugepages") is None:
        SubElement(backing, "source", {"type": "memfd"})
    access = backing.find("access")
    if access is None:
        access = SubElement(backing, "access")
    access.set("mode", "shared")


def _found(domain: Element) -> Iterator[Tuple[Element, DeviceConfig]]:
    for devices in domain.findall("devices"):
        for element in devices:
            one = _device(element)
            if one is not None:
                yield element, one


def _device(element: Element) -> Optional[DeviceConfig]:
    if element.tag == "hostdev" and element.get("mode") == "subsystem":
        return _hostdev(element)
    if element.tag == "filesystem":
        driver, source, target = (element.find(name) for name in ("driver", "source", "target"))
        if driver is None or driver.get("type") != "virtiofs" or source is None or target is None:
            return None
        return DeviceConfig("virtiofs", source=source.get("dir"), tag=target.get("dir"))
    model = element.get("model")
    if element.tag in MODELS and model in MODELS[str(element.tag)]:  # others belong to the machine, or to its maker
        return DeviceConfig(str(element.tag), model=model, action=element.get("action"))
    return None


def _hostdev(element: Element) -> Optional[DeviceConfig]:
    address = element.find("source/address")
    vendor, product = element.find("source/vendor"), element.find("source/product")
    if element.get("type") == "pci" and address is not None:
        parts = [int(address.get(name, "0"), 0) for name in ("domain", "bus", "slot", "function")]
        return DeviceConfig("pci", address="{:04x}:{:02x}:{:02x}.{:x}".format(*parts))
    if element.get("type") == "usb" and vendor is not None and product is not None:
        return DeviceConfig("usb", vendor=vendor.get("id"), product=product.get("id"))
    if element.get("type") == "usb" and address is not None:
        return DeviceConfig("usb", bus=int(address.get("bus", "0"), 0), device=int(address.get("device", "0"), 0))
    return None
