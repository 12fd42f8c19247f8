# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a domain has room for one more device."""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse

_PORTS = ("pcie-root-port", "pcie-switch-downstream-port")
# a SATA controller has six ports, a parallel SCSI bus seven units beside its controller
_SATA_PORTS = 6
_SCSI_UNITS = 7
_VIRTIO_SCSI_UNITS = 255  # of the 16,384 that there could be
_VIRTIO_SCSI = ("virtio-scsi", "virtio-transitional", "virtio-non-transitional")


class Place(NamedTuple):
    """Where on a bus a drive can be; ``is_new`` if there has to be another controller, of that index, for it."""

    controller: int
    unit: int
    is_new: bool = False


def free_ports(xml: str) -> Optional[int]:
    """How many PCIe devices can still be plugged into the running domain; None where that isn't for its ports to say.

    A machine with PCIe takes them by the ports that it booted with; one with PCI (i440fx) has slots on its board.
    """
    domain = parse(xml)
    controllers = domain.findall("devices/controller[@type='pci']")
    if not any(one.get("model") == "pcie-root" for one in controllers):
        return None
    return len(_free_buses(domain))


def free_port(xml: str) -> Optional[Element]:
    """The ``<address>`` of one of `free_ports`; None where there is none."""
    buses = _free_buses(parse(xml))
    return Element("address", {"type": "pci", "bus": hex(buses[0]), "slot": "0x00"}) if buses else None


def _free_buses(domain: Element) -> List[int]:
    used = {_number(address.get("bus")) for address in domain.iterfind(".//address[@type='pci']")}
    ports = (one for one in domain.findall("devices/controller[@type='pci']") if one.get("model") in _PORTS)
    return [index for index in map(_index, ports) if index not in used]


def free_place(xmls: Sequence[str], bus: str) -> Optional[Place]:
    """Where a drive on ``bus`` can be in all of ``xmls``, the same domain as it is and as it runs.

    None for a bus without such places (virtio).
    """
    if bus not in ("scsi", "sata"):
        return None
    domains = [parse(xml) for xml in xmls]
    used = {place for domain in domains for place in _used(domain, bus)}
    controllers = domains[0].findall(f"devices/controller[@type='{bus}']")
    for controller in sorted(controllers, key=_index):
        for unit in range(_units(controller, bus)):
            if (_index(controller), unit) not in used:
                return Place(_index(controller), unit)
    taken = [_index(one) for domain in domains for one in domain.findall(f"devices/controller[@type='{bus}']")]
    return Place(max(taken, default=-1) + 1, 0, is_new=True)


def has_controller(xml: str, bus: str, index: int) -> bool:
    """Whether the domain has a controller of that index for ``bus``."""
    return any(_index(one) == index for one in parse(xml).findall(f"devices/controller[@type='{bus}']"))


def free_target(xmls: Sequence[str], bus: str) -> str:
    """The first name of a drive on ``bus`` that none of ``xmls`` has."""
    taken = _taken(xmls)
    return next(name for name in _names_on(bus) if name not in taken)


def next_target(xmls: Sequence[str], bus: str) -> str:
    """As `free_target`, but after all names on ``bus`` that are taken: a domain's disks are sorted by them."""
    taken = _taken(xmls)
    names = list(_names_on(bus))
    last = max((index for index, name in enumerate(names) if name in taken), default=-1)
    return names[last + 1] if last + 1 < len(names) else free_target(xmls, bus)


def _taken(xmls: Sequence[str]) -> Set[Optional[str]]:
    return {target.get("dev") for xml in xmls for target in parse(xml).iterfind("devices/disk/target")}


def _names_on(bus: str) -> Iterator[str]:
    return _names("vd" if bus == "virtio" else "sd")


def is_free(xml: str, address: Element) -> bool:
    """Whether a device of the domain can have that ``<address>``: it has such a port, and nothing is in it."""
    domain = parse(xml)
    if any(one.attrib == address.attrib for one in domain.iterfind(".//address")):
        return False
    if address.get("type") != "pci":
        return True
    bus = _number(address.get("bus"))
    return any(_number(one.get("index")) == bus for one in domain.findall("devices/controller[@type='pci']"))


def _names(prefix: str) -> Iterator[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    yield from (prefix + last for last in letters)
    yield from (prefix + first + last for first in letters for last in letters)


def _used(domain: Element, bus: str) -> Iterator[Tuple[int, int]]:
    for element in (*domain.findall("devices/disk"), *domain.findall("devices/hostdev")):
        target, address = element.find("target"), element.find("address[@type='drive']")
        on = "scsi" if element.tag == "hostdev" else None if target is None else target.get("bus")
        if address is not None and on == bus:
            yield int(address.get("controller", "0")), int(address.get("unit", "0"))


def _units(controller: Element, bus: str) -> int:
    if bus == "sata":
        return _SATA_PORTS
    return _VIRTIO_SCSI_UNITS if controller.get("model") in _VIRTIO_SCSI else _SCSI_UNITS


def _index(controller: Element) -> int:
    return int(controller.get("index", "0"))


def _number(text: Optional[str]) -> int:
    return int(text or "0", 0)
