# SPDX-License-Identifier: GPL-3.0-or-later
"""A `DomainDefinition` as domain XML. Every value goes through the element tree, never through a template."""

from __future__ import annotations

from typing import Dict, Optional
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import (
    Controller,
    Disk,
    DomainDefinition,
    Graphics,
    Interface,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.device import device_element, share_memory
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import record_element

_BALLOON_SECONDS = 10  # how often a guest is asked what it uses of its memory; without it none ever says


def domain_xml(definition: DomainDefinition) -> str:
    """The XML that defines a new domain."""
    domain = Element("domain", {"type": definition.type})
    _text(domain, "name", definition.name)
    _text(domain, "uuid", definition.uuid)
    if definition.record is not None:
        SubElement(domain, "metadata").append(record_element(definition.record))
    if definition.max_memory_kib is not None:
        slots = str(definition.memory_slots)
        _text(domain, "maxMemory", str(definition.max_memory_kib), unit="KiB", slots=slots)
    _text(domain, "memory", str(definition.memory_kib), unit="KiB")
    _text(domain, "currentMemory", str(definition.memory_kib), unit="KiB")
    if any(device.type == "virtiofs" for device in definition.devices):
        share_memory(domain)
    current = {} if definition.max_vcpus is None else {"current": str(definition.vcpus)}
    _text(domain, "vcpu", str(definition.max_vcpus or definition.vcpus), placement="static", **current)
    _add_os(domain, definition)
    features = SubElement(domain, "features")
    SubElement(features, "acpi")
    SubElement(features, "apic")
    if definition.secure_boot:
        SubElement(features, "smm", {"state": "on"})  # what guards the firmware's variables from the guest's system
    _add_cpu(domain, definition)
    SubElement(domain, "clock", {"offset": definition.clock})
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "destroy")
    _add_devices(domain, definition)
    return serialize(domain)


def _add_cpu(domain: Element, definition: DomainDefinition) -> None:
    if definition.cpu_mode is None and definition.max_memory_kib is None:
        return
    cpu = SubElement(domain, "cpu", {} if definition.cpu_mode is None else {"mode": definition.cpu_mode})
    if definition.max_memory_kib is not None:
        # modules are plugged into a NUMA cell, so there is one, and it holds everything
        last = (definition.max_vcpus or definition.vcpus) - 1
        cell = {"id": "0", "cpus": f"0-{last}", "memory": str(definition.memory_kib), "unit": "KiB"}
        SubElement(SubElement(cpu, "numa"), "cell", cell)


def _add_os(domain: Element, definition: DomainDefinition) -> None:
    os = SubElement(domain, "os")
    if definition.firmware == "uefi":
        os.set("firmware", "efi")
    attributes = {"arch": definition.architecture}
    if definition.machine is not None:
        attributes["machine"] = definition.machine
    _text(os, "type", "hvm", **attributes)
    if definition.firmware == "uefi":
        # both ways said: else libvirt may choose a Secure Boot firmware, which starts nothing that is not signed, or
        # one that has no keys yet, and so starts anything
        enabled = "yes" if definition.secure_boot else "no"
        firmware = SubElement(os, "firmware")
        if definition.secure_boot:
            SubElement(firmware, "feature", {"enabled": enabled, "name": "enrolled-keys"})
        SubElement(firmware, "feature", {"enabled": enabled, "name": "secure-boot"})
    if definition.secure_boot:
        SubElement(os, "loader", {"secure": "yes"})
    SubElement(os, "boot", {"dev": "hd"})


def _add_devices(domain: Element, definition: DomainDefinition) -> None:
    devices = SubElement(domain, "devices")
    for controller in definition.controllers:
        devices.append(_controller_element(controller))
    for disk in definition.disks:
        devices.append(disk_element(disk))
    for interface in definition.interfaces:
        devices.append(interface_element(interface))
    if definition.serial_console:
        serial = SubElement(devices, "serial", {"type": "pty"})
        SubElement(serial, "target", {"port": "0"})
        console = SubElement(devices, "console", {"type": "pty"})
        SubElement(console, "target", {"type": "serial", "port": "0"})
    if definition.guest_agent:
        channel = SubElement(devices, "channel", {"type": "unix"})
        SubElement(channel, "target", {"type": "virtio", "name": "org.qemu.guest_agent.0"})
    if definition.tablet:
        SubElement(devices, "input", {"type": "tablet", "bus": "usb"})
    if definition.tpm:
        tpm = SubElement(devices, "tpm", {"model": "tpm-crb"})
        SubElement(tpm, "backend", {"type": "emulator", "version": "2.0"})
    for graphics in definition.graphics:
        devices.append(graphics_element(graphics))
    if definition.video is not None:
        SubElement(SubElement(devices, "video"), "model", {"type": definition.video})
    for device in definition.devices:
        devices.append(device_element(device))
    balloon = SubElement(devices, "memballoon", {"model": "virtio" if definition.memory_balloon else "none"})
    if definition.memory_balloon:
        SubElement(balloon, "stats", {"period": str(_BALLOON_SECONDS)})
    if definition.rng:
        rng = SubElement(devices, "rng", {"model": "virtio"})
        _text(rng, "backend", "/dev/urandom", model="random")


def disk_element(disk: Disk) -> Element:
    """The ``<disk>`` of a file on the host."""
    element = Element("disk", {"type": "file", "device": disk.device})
    driver: Dict[str, str] = {"name": "qemu"}
    if disk.format is not None:
        driver["type"] = disk.format  # always named: a guest that writes a header into a raw disk must not be believed
    if disk.discard is not None:
        driver["discard"] = disk.discard
    SubElement(element, "driver", driver)
    if disk.path is not None:
        SubElement(element, "source", {"file": disk.path})
    target = {"dev": disk.target}
    if disk.bus is not None:
        target["bus"] = disk.bus
    SubElement(element, "target", target)
    if disk.read_only:
        SubElement(element, "readonly")
    if disk.shareable:
        SubElement(element, "shareable")
    return element


def _controller_element(controller: Controller) -> Element:
    attributes = {"type": controller.type}
    if controller.model is not None:
        attributes["model"] = controller.model
    return Element("controller", attributes)


def interface_element(interface: Interface) -> Element:
    """The ``<interface>`` of a card."""
    element = Element("interface", {"type": interface.type})
    if interface.mac_address is not None:
        SubElement(element, "mac", {"address": interface.mac_address})
    if interface.source is not None:
        SubElement(element, "source", {interface.type: interface.source})
    if interface.model is not None:
        SubElement(element, "model", {"type": interface.model})
    return element


def graphics_element(graphics: Graphics) -> Element:
    """The ``<graphics>`` of a display, at any free port unless it has one."""
    element = Element("graphics", {"type": graphics.type})
    for name in GRAPHICS_SETTINGS:
        set_graphics(element, graphics, name)
    return element


GRAPHICS_SETTINGS = ("port", "listen", "websocket", "keymap", "password")


def set_graphics(element: Element, graphics: Graphics, name: str) -> None:
    """Have the ``<graphics>`` have the setting ``name`` of ``graphics``; the rest of it stays as it is."""
    if name == "port":
        element.set("port", "-1" if graphics.port is None else str(graphics.port))
        element.set("autoport", "yes" if graphics.port is None else "no")
    elif name == "listen":
        element.attrib.pop("listen", None)  # which would have to say the same
        for child in element.findall("listen"):
            element.remove(child)
        if graphics.listen is not None:
            element.insert(0, Element("listen", {"type": "address", "address": graphics.listen}))
    else:
        attribute = {"password": "passwd"}.get(name, name)
        value = ("-1" if graphics.websocket else None) if name == "websocket" else getattr(graphics, name)
        element.attrib.pop(attribute, None)
        if value is not None:
            element.set(attribute, value)


def _text(parent: Element, name: str, text: Optional[str], **attributes: str) -> None:
    if text is not None:
        SubElement(parent, name, attributes).text = text
