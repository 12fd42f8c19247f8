# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a domain's XML in place: what is not named here stays as its author wrote it."""

from __future__ import annotations

from typing import List, Optional, Sequence
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Graphics, Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited, parse, serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import kib_of
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.size_edit import SizeEdit
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import (
    graphics_element,
    interface_element,
    set_graphics,
)

REMOTE_DISPLAYS = ("vnc", "spice")

# what of an <interface> says how it is plugged in, and would be refused, or mean something else, at another source
_OF_ITS_SOURCE = ("source", "virtualport", "vlan", "portForward", "ip", "route", "script", "downscript")


def resized(xml: str, sizes: SizeEdit) -> str:
    """``xml`` with other sizes.

    Room to grow stays until it is used up: a domain that may have more vCPUs than it boots with boots with another
    number of them, and a limit for memory modules goes only when there is as much memory without them. What depends on
    the number of vCPUs that it may have is set right with it, or libvirt would refuse the domain: a topology that no
    longer multiplies to it (its cores are scaled if that comes out even, else the element is dropped), and per-vCPU
    settings of vCPUs that are gone. A single NUMA cell has all vCPUs, and all memory that is in no module.
    """

    def change(domain: Element) -> None:
        if sizes.vcpus is not None:
            _set_vcpus(domain, sizes.vcpus)
        if sizes.memory_kib is not None:
            _set_memory(domain, sizes.memory_kib)

    return edited(xml, change)


def named(xml: str, name: str) -> str:
    """``xml`` with another name."""

    def change(domain: Element) -> None:
        for element in domain.findall("name"):
            element.text = name

    return edited(xml, change)


def with_vnc(xml: str, listen: str) -> str:
    """``xml`` with a VNC display that listens at the address ``listen``; one that has such a display keeps that."""

    def change(domain: Element) -> None:
        devices = _devices(domain)
        if devices.find("graphics[@type='vnc']") is None:
            devices.append(graphics_element(Graphics("vnc", listen=listen)))

    return edited(xml, change)


def without_vnc(xml: str) -> str:
    """``xml`` without its VNC displays; other displays and the graphics card stay."""

    def change(domain: Element) -> None:
        for devices in domain.findall("devices"):
            _remove(devices, "graphics[@type='vnc']")

    return edited(xml, change)


def with_graphics(xml: str, graphics: Graphics, names: Sequence[str]) -> str:
    """``xml`` whose display of that type has the settings ``names`` of ``graphics``.

    Where there is none of that type it is put in the place of the first other VNC or SPICE display, or added.
    """

    def change(domain: Element) -> None:
        devices = _devices(domain)
        present = devices.find(f"graphics[@type='{graphics.type}']")
        if present is not None:
            for name in names:
                set_graphics(present, graphics, name)
            return
        others = [one for one in devices.findall("graphics") if one.get("type") in REMOTE_DISPLAYS]
        place = list(devices).index(others[0]) if others else len(devices)
        for one in others:
            devices.remove(one)
        devices.insert(place, graphics_element(graphics))

    return edited(xml, change)


def without_graphics(xml: str) -> str:
    """``xml`` without its VNC and SPICE displays; the graphics card stays."""

    def change(domain: Element) -> None:
        for devices in domain.findall("devices"):
            for kind in REMOTE_DISPLAYS:
                _remove(devices, f"graphics[@type='{kind}']")

    return edited(xml, change)


def graphics_xml(xml: str, kind: str, password: Optional[str]) -> Optional[str]:
    """The domain's ``<graphics>`` of that type, with that password or none; None where it has no such display."""
    found: List[str] = []

    def change(domain: Element) -> None:
        for element in domain.findall(f"devices/graphics[@type='{kind}']")[:1]:
            set_graphics(element, Graphics(kind, password=password), "password")
            found.append(serialize(element))

    edited(xml, change)
    return found[0] if found else None


def needs_spice(xml: str) -> bool:
    """Whether the domain has devices that are nothing without a SPICE display."""
    devices = parse(xml).find("devices")
    return devices is not None and any(
        one.get("type") == "spicevmc" or (one.tag == "channel" and one.get("type") == "spiceport") for one in devices
    )


def connected(xml: str, card: Interface) -> str:
    """``xml`` with its first card plugged in as ``card`` says, or with that card where it has none.

    The card keeps all that has nothing to do with where it is plugged in, and its address if ``card`` has none.
    """

    def change(domain: Element) -> None:
        devices = _devices(domain)
        first = devices.find("interface")
        if first is None:
            devices.append(interface_element(card))
        else:
            plug_in(first, card)

    return edited(xml, change)


def disconnected(xml: str) -> str:
    """``xml`` without its first card."""

    def change(domain: Element) -> None:
        for devices in domain.findall("devices"):
            for first in devices.findall("interface")[:1]:
                devices.remove(first)

    return edited(xml, change)


def card_xml(xml: str, mac_address: Optional[str], card: Optional[Interface] = None) -> Optional[str]:
    """The ``<interface>`` of the card with that address, plugged in as ``card`` says, or as it is without one.

    None where the domain ``xml`` has no such card.
    """
    found: List[str] = []

    def change(domain: Element) -> None:
        for element in domain.findall("devices/interface"):
            mac = element.find("mac")
            if mac is not None and mac.get("address") == mac_address:
                if card is not None:
                    plug_in(element, card)
                found.append(serialize(element))

    edited(xml, change)
    return found[0] if found else None


def with_nvram(xml: str, path: str) -> str:
    """``xml`` with ``path`` as the place of its UEFI variables; one that names a place keeps that."""

    def change(domain: Element) -> None:
        os = domain.find("os")
        if os is None:
            return
        nvram = os.find("nvram")
        if nvram is None:
            nvram = SubElement(os, "nvram")
        if not (nvram.text or "").strip():
            nvram.text = path

    return edited(xml, change)


def memory_module(kib: int) -> str:
    """The ``<memory>`` of a module of that size, for the first NUMA cell."""
    module = Element("memory", {"model": "dimm"})
    target = SubElement(module, "target")
    SubElement(target, "size", {"unit": "KiB"}).text = str(kib)
    SubElement(target, "node").text = "0"
    return serialize(module)


def _devices(domain: Element) -> Element:
    devices = domain.find("devices")
    return SubElement(domain, "devices") if devices is None else devices


def plug_in(element: Element, card: Interface) -> None:
    """Have the ``<interface>`` be plugged in as ``card`` says; all that has nothing to do with that stays."""
    wanted = interface_element(card)
    source = wanted.find("source")
    present = element.find("source")
    same = None if source is None or present is None else present.get(card.type) == source.get(card.type)
    if element.get("type") != card.type or same is False:
        if element.get("type") == "user":
            _remove(element, "backend")  # whose program is QEMU's own NAT
        element.set("type", card.type)
        for name in _OF_ITS_SOURCE:
            _remove(element, name)
        if source is not None:
            element.insert(0, source)
    for name in ("mac", "model"):
        given, kept = wanted.find(name), element.find(name)
        if given is not None and kept is not None:
            kept.attrib.update(given.attrib)
        elif given is not None:
            element.append(given)


def _remove(element: Element, path: str) -> None:
    for child in element.findall(path):
        element.remove(child)


def _set_vcpus(domain: Element, count: int) -> None:
    vcpu = domain.find("vcpu")
    if vcpu is None:
        vcpu = SubElement(domain, "vcpu")
    _remove(domain, "vcpus")  # which of them it boots with is libvirt's to choose again
    had_room = vcpu.attrib.pop("current", None) is not None
    most = int(vcpu.text or "1")
    if had_room and count <= most:
        if count < most:
            vcpu.set("current", str(count))
        return
    vcpu.text = str(count)
    cells = domain.findall("cpu/numa/cell")
    if len(cells) == 1:
        cells[0].set("cpus", "0" if count == 1 else f"0-{count - 1}")
    _fit_topology(domain, count)
    _fit_tuning(domain, count)


def _fit_tuning(domain: Element, count: int) -> None:
    tuning = domain.find("cputune")
    if tuning is None:
        return
    for pin in tuning.findall("vcpupin"):
        if int(pin.get("vcpu", "0")) >= count:
            tuning.remove(pin)
    for schedule in tuning.findall("vcpusched"):
        left = _below(count, schedule.get("vcpus", ""))
        if left:
            schedule.set("vcpus", left)
        else:
            tuning.remove(schedule)


def _below(count: int, vcpus: str) -> str:
    """Of a list of vCPUs as libvirt writes it (``0-3,6``), those whose number is less than ``count``."""
    left = []
    for part in vcpus.split(","):
        first, last = int(part.partition("-")[0]), min(int(part.rpartition("-")[2]), count - 1)
        if first <= last:
            left.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(left)


def _fit_topology(domain: Element, count: int) -> None:
    cpu = domain.find("cpu")
    topology = None if cpu is None else cpu.find("topology")
    if cpu is None or topology is None:
        return
    others = 1
    for name in ("sockets", "dies", "clusters", "threads"):
        others *= int(topology.get(name, "1"))
    if count % others == 0:
        topology.set("cores", str(count // others))
    else:
        cpu.remove(topology)


def _set_memory(domain: Element, kib: int) -> None:
    for name in ("memory", "currentMemory"):
        element = domain.find(name)
        if element is not None:
            _set_kib(element, kib)
    cells = domain.findall("cpu/numa/cell")
    if len(cells) == 1:
        cells[0].set("memory", str(kib - _fit_modules(domain, kib, _cell_kib(cells[0]))))
        cells[0].set("unit", "KiB")
    maximum = domain.find("maxMemory")
    if maximum is not None and kib_of(maximum) <= kib:
        if domain.find("devices/memory") is None:
            domain.remove(maximum)  # QEMU takes no limit that is reached without a module
        else:
            _set_kib(maximum, kib)


def _fit_modules(domain: Element, kib: int, in_cell: int) -> int:
    """What the memory modules of a domain that gets ``kib`` in all hold; those that are too much go, the last first."""
    devices = domain.find("devices")
    modules = [] if devices is None else devices.findall("memory")
    plain = [one for one in modules if one.get("model") == "dimm" and one.find("source") is None]
    held = sum(kib_of(one.find("target/size")) for one in modules)
    while devices is not None and plain and kib - held < in_cell:
        gone = plain.pop()
        held -= kib_of(gone.find("target/size"))
        devices.remove(gone)
    return held


def _cell_kib(cell: Element) -> int:
    size = Element("memory", {"unit": cell.get("unit", "KiB")})
    size.text = cell.get("memory")
    return kib_of(size)


def _set_kib(element: Element, kib: int) -> None:
    element.text = str(kib)
    element.set("unit", "KiB")
