# SPDX-License-Identifier: GPL-3.0-or-later
"""A ``<disk>`` in all that it can be told to be, and changes of it in place.

`definition.Disk` has what a VM's overview needs; a `Drive` has what is asked of one disk or CD-ROM drive.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Sequence, Tuple
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited, parse, serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import disk_of
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import disk_element

# what of a <disk> belongs to the medium that is in it
_OF_ITS_MEDIUM = ("source", "backingStore", "mirror", "encryption", "auth")


@dataclass(frozen=True)
class Limits:
    """I/O limits of a disk, each by libvirt's name for it and per second; 0 is none.

    A total goes with no limit of its kind for reading or writing alone.
    """

    total_bytes_sec: int = 0
    read_bytes_sec: int = 0
    write_bytes_sec: int = 0
    total_iops_sec: int = 0
    read_iops_sec: int = 0
    write_iops_sec: int = 0


@dataclass(frozen=True)
class Drive(Disk):
    """One ``<disk>``. ``place`` is its controller and unit there, on a bus that has such."""

    is_block: bool = False  # `path` is a block device
    serial: Optional[str] = None
    cache: Optional[str] = None  # None: as QEMU likes it
    io: Optional[str] = None
    limits: Limits = Limits()
    place: Optional[Tuple[int, int]] = None

    def has(self, path: str) -> bool:
        """Whether the file or device at ``path`` is its own, or in the chain of files that it is made of."""
        return path == self.path or path in self.backing_paths


def read_drives(xml: str) -> Tuple[Drive, ...]:
    """All of the domain's, in its order."""
    return tuple(_drive(element) for element in parse(xml).findall("devices/disk"))


def drive_element(drive: Drive, address: Optional[Element] = None) -> Element:
    """The ``<disk>`` of a new one, at ``address`` if that is given, else at its place, else where libvirt likes."""
    element = disk_element(drive)
    source = element.find("source")
    if drive.is_block and source is not None:
        element.set("type", "block")
        source.attrib = {"dev": source.attrib["file"]}
    for name in ("cache", "io", "serial", "limits"):
        _SETTERS[name](element, drive)
    if address is not None:
        element.append(address)
    elif drive.place is not None:
        controller, unit = drive.place
        where = {"controller": str(controller), "bus": "0", "target": "0", "unit": str(unit)}
        SubElement(element, "address", {"type": "drive", **where})
    return element


def with_drive(xml: str, drive: Drive, address: Optional[Element] = None, controller: Optional[int] = None) -> str:
    """``xml`` with one more drive, after those that it has; and with a SCSI controller of that index, if given."""

    def change(domain: Element) -> None:
        devices = domain.find("devices")
        if devices is None:
            devices = SubElement(domain, "devices")
        if controller is not None:
            SubElement(devices, "controller", {"type": "scsi", "index": str(controller), "model": "virtio-scsi"})
        disks = [index for index, child in enumerate(devices) if child.tag == "disk"]
        devices.insert(disks[-1] + 1 if disks else len(devices), drive_element(drive, address))

    return edited(xml, change)


def without_drive(xml: str, target: str) -> str:
    """``xml`` without the drive at ``target``."""

    def change(domain: Element) -> None:
        for devices in domain.findall("devices"):
            for element in _at(devices, target):
                devices.remove(element)

    return edited(xml, change)


def with_settings(xml: str, drive: Drive, names: Sequence[str]) -> str:
    """``xml`` whose drive at that target has the settings ``names`` of ``drive``; the rest of it stays as it is."""

    def change(domain: Element) -> None:
        for devices in domain.findall("devices"):
            for element in _at(devices, drive.target):
                for name in names:
                    _SETTERS[name](element, drive)

    return edited(xml, change)


def drive_xml(xml: str, target: str) -> Optional[str]:
    """The ``<disk>`` at ``target`` as the domain ``xml`` has it; None where it has none."""
    found: List[str] = []

    def change(domain: Element) -> None:
        for devices in domain.findall("devices"):
            found.extend(serialize(element) for element in _at(devices, target))

    edited(xml, change)
    return found[0] if found else None


def with_medium(disk_xml: str, path: Optional[str], is_block: bool = False, kind: Optional[str] = None) -> str:
    """The ``<disk>`` of a removable medium with another in it, whose format is ``kind``, or with none."""

    def change(element: Element) -> None:
        _put_in(element, path, is_block, kind)

    return edited(disk_xml, change)


def with_medium_at(
    xml: str, target: str, path: Optional[str], is_block: bool = False, kind: Optional[str] = None
) -> str:
    """As `with_medium`, of the drive at ``target`` of the domain ``xml``."""

    def change(domain: Element) -> None:
        for devices in domain.findall("devices"):
            for element in _at(devices, target):
                _put_in(element, path, is_block, kind)

    return edited(xml, change)


def drive_address(xml: str, target: str) -> Optional[Element]:
    """The ``<address>`` of the drive at ``target``."""
    for element in parse(xml).findall("devices/disk"):
        if _target(element) == target:
            return element.find("address")
    return None


def _drive(element: Element) -> Drive:
    disk = disk_of(element)
    driver, address, tune = element.find("driver"), element.find("address"), element.find("iotune")
    at_drive = address is not None and address.get("type") == "drive"
    return Drive(
        **{one.name: getattr(disk, one.name) for one in dataclasses.fields(Disk)},
        is_block=element.get("type") == "block",
        serial=(element.findtext("serial") or "").strip() or None,
        cache=_unless_default(driver, "cache"),
        io=_unless_default(driver, "io"),
        limits=Limits()
        if tune is None
        else Limits(**{one.name: int(tune.findtext(one.name) or "0") for one in dataclasses.fields(Limits)}),
        place=(int(address.get("controller", "0")), int(address.get("unit", "0")))
        if address is not None and at_drive
        else None,
    )


def _unless_default(driver: Optional[Element], name: str) -> Optional[str]:
    value = None if driver is None else driver.get(name)
    return None if value == "default" else value


def _at(devices: Element, target: str) -> List[Element]:
    return [element for element in devices.findall("disk") if _target(element) == target]


def _target(element: Element) -> Optional[str]:
    target = element.find("target")
    return None if target is None else target.get("dev")


def _driver(element: Element) -> Element:
    driver = element.find("driver")
    if driver is None:
        driver = Element("driver", {"name": "qemu"})
        element.insert(0, driver)
    return driver


def _set_attribute(name: str) -> Callable[[Element, Drive], None]:
    def change(element: Element, drive: Drive) -> None:
        value = getattr(drive, name)
        if value is not None:
            _driver(element).set(name, value)
        elif element.find("driver") is not None:
            _driver(element).attrib.pop(name, None)

    return change


def _set_flag(name: str, tag: str) -> Callable[[Element, Drive], None]:
    def change(element: Element, drive: Drive) -> None:
        if not getattr(drive, name):
            _remove(element, tag)
        elif element.find(tag) is None:
            SubElement(element, tag)

    return change


def _set_serial(element: Element, drive: Drive) -> None:
    _remove(element, "serial")
    if drive.serial is not None:
        SubElement(element, "serial").text = drive.serial


def _set_limits(element: Element, drive: Drive) -> None:
    tune = element.find("iotune")
    if tune is None and drive.limits == Limits():
        return
    if tune is None:
        tune = SubElement(element, "iotune")
    for name, value in dataclasses.asdict(drive.limits).items():
        _remove(tune, name)
        if value:
            SubElement(tune, name).text = str(value)
    if len(tune) == 0:
        element.remove(tune)


def _put_in(element: Element, path: Optional[str], is_block: bool, kind: Optional[str]) -> None:
    for name in _OF_ITS_MEDIUM:
        _remove(element, name)
    element.set("type", "block" if is_block else "file")
    if path is None:
        return
    element.insert(0, Element("source", {"dev" if is_block else "file": path}))
    if kind is not None:
        _driver(element).set("type", kind)


def _remove(element: Element, path: str) -> None:
    for child in element.findall(path):
        element.remove(child)


_SETTERS: Dict[str, Callable[[Element, Drive], None]] = {
    "cache": _set_attribute("cache"),
    "io": _set_attribute("io"),
    "discard": _set_attribute("discard"),
    "read_only": _set_flag("read_only", "readonly"),
    "shareable": _set_flag("shareable", "shareable"),
    "serial": _set_serial,
    "limits": _set_limits,
}
