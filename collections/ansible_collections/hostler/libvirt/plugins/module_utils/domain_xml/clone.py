# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain's XML as that of another domain which is to be the same: what tells the two apart is new, the rest stays."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Mapping, Optional, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.metadata import mark, prefixed
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import MOVE_NAMESPACE
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.snapshot import SERIES_NAMESPACE
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import NAMESPACE, PREFIX, Record, record_xml

# a file or socket of the host that a second QEMU would take from the first; libvirt makes those that it names itself
_OF_ONE_PROCESS = ("serial", "console", "parallel", "channel", "redirdev", "smartcard", "rng/backend")
_ITS_FILES = (("source", "path"), ("log", "file"))


@dataclass(frozen=True)
class Medium:
    """What is in a drive of the new domain: a file of the host's, and its format."""

    path: str
    format: str


@dataclass(frozen=True)
class Twin:
    """What the new domain has of its own.

    ``media`` is by the drive's target; a drive that is not among them has what its twin has. ``mac_addresses`` are
    those of its first cards; libvirt chooses the others'.
    """

    name: str
    uuid: str
    record: Record
    media: Mapping[str, Medium] = field(default_factory=dict)
    mac_addresses: Sequence[str] = ()


def cloned(xml: str, twin: Twin) -> str:
    """``xml``, a definition with its secrets, as that of ``twin``.

    New are name, UUID, generation id, addresses of cards, ports of displays and a vsock CID that were fixed, sockets
    and files of character devices that bear the old name, the record, and the UUID where firmware tables repeat it.
    """

    def change(domain: Element) -> None:
        name = domain.findtext("name", "")
        _set_identity(domain, twin)
        for element in domain.findall("devices/disk"):
            target = element.find("target")
            medium = None if target is None else twin.media.get(target.get("dev", ""))
            if medium is not None:
                _put_in(element, medium)
        for index, card in enumerate(domain.findall("devices/interface")):
            _set_address(card, twin.mac_addresses[index] if index < len(twin.mac_addresses) else None)
        for display in domain.findall("devices/graphics"):
            _free_ports(display)
        for kind in _OF_ONE_PROCESS:
            for tag, attribute in _ITS_FILES:
                for element in domain.iterfind(f"devices/{kind}/{tag}"):
                    _rename(element, attribute, name, twin.name)
        for cid in domain.findall("devices/vsock/cid[@address]"):
            del cid.attrib["address"]
            cid.set("auto", "yes")

    return edited(xml, change)


def _set_identity(domain: Element, twin: Twin) -> None:
    old_uuid = domain.findtext("uuid")
    for name, text in (("name", twin.name), ("uuid", twin.uuid)):
        for element in domain.findall(name):
            element.text = text
    for element in domain.findall("genid"):
        element.text = None  # libvirt makes a new one
    for entry in domain.iterfind("sysinfo/system/entry"):
        if entry.get("name") == "uuid" or (entry.text or "").strip() == old_uuid:
            entry.text = twin.uuid  # as the uuid libvirt takes no other, and as the serial number it is the machine's
    for variables in domain.findall("os/nvram"):
        variables.text = None  # libvirt makes new ones of the firmware's template
        variables.attrib.pop("type", None)
        for source in variables.findall("source"):
            variables.remove(source)
    record = prefixed(record_xml(twin.record), PREFIX, NAMESPACE)
    mark(domain, NAMESPACE, record)
    mark(domain, SERIES_NAMESPACE, None)
    mark(domain, MOVE_NAMESPACE, None)  # it names disks to be deleted, and they are the other's


def _put_in(element: Element, medium: Medium) -> None:
    for name in ("source", "backingStore", "mirror"):
        for child in element.findall(name):
            element.remove(child)
    element.set("type", "file")
    element.attrib.pop("snapshot", None)
    driver = element.find("driver")
    if driver is None:
        driver = Element("driver", {"name": "qemu"})
        element.insert(0, driver)
    driver.set("type", medium.format)
    element.insert(1, Element("source", {"file": medium.path}))


def _set_address(card: Element, address: Optional[str]) -> None:
    for child in card.findall("mac"):
        card.remove(child)
    if address is not None:
        card.insert(0, Element("mac", {"address": address.lower()}))
    for target in card.findall("target"):
        target.attrib.pop("dev", None)  # the name of the host's end
        if not target.attrib:
            card.remove(target)
    for parameters in card.findall("virtualport/parameters"):
        parameters.attrib.pop("interfaceid", None)
        if not parameters.attrib:
            for port in card.findall("virtualport"):
                port.remove(parameters)


def _free_ports(display: Element) -> None:
    if any(display.get(name, "-1") != "-1" for name in ("port", "tlsPort")):
        for name in ("port", "tlsPort"):
            display.attrib.pop(name, None)
        display.set("autoport", "yes")
    if display.get("websocket", "-1") != "-1":
        display.set("websocket", "-1")
    display.attrib.pop("socket", None)
    for listen in display.findall("listen[@type='socket']"):
        listen.attrib.pop("socket", None)


def _rename(element: Element, attribute: str, old: str, new: str) -> None:
    path = element.get(attribute)
    if path is not None and old:
        folder, slash, file = path.rpartition("/")
        # as a word of its own: a VM may be called "a"
        renamed = re.sub(rf"(?<![A-Za-z0-9]){re.escape(old)}(?![A-Za-z0-9])", lambda _match: new, file)
        element.set(attribute, f"{folder}{slash}{renamed}")
