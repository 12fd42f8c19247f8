# SPDX-License-Identifier: GPL-3.0-or-later
"""The record that a domain carries of itself, as ``<metadata>`` in the namespace ``urn:hostler:vm:1``.

The hypervisors are the truth: with this record the service's database can be made again from the hosts. A read-only
connection can read it, so it holds no secret and no user data. A record whose UUID is not its domain's was copied along
with someone's XML: such a domain is a foreign one.

What a newer version has added is left out by an older one that reads a record, and lost when that writes it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Optional, Tuple
from xml.etree import ElementTree

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse, serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.metadata import Entries, entries_of

NAMESPACE = "urn:hostler:vm:1"
PREFIX = "hostler"
VERSION = 1

ElementTree.register_namespace(PREFIX, NAMESPACE)

_ROOT = f"{{{NAMESPACE}}}vm"
_NUMBER = re.compile("[0-9]{1,18}")  # as large as a database's integer may be


@dataclass(frozen=True)
class Record:
    """What a VM of ours says of itself. ``created`` is UTC in ISO 8601, ending in Z."""

    uuid: str
    created: str
    id: Optional[int] = None  # the service's; None for a VM that no service has taken in yet
    owner: Optional[str] = None
    os_type: Optional[str] = None
    os_version: Optional[str] = None
    description: Optional[str] = None
    tags: Tuple[str, ...] = ()
    metadata: Entries = ()
    xml_given: Optional[str] = None  # the fingerprint of the XML that it was last defined from, if it was
    xml_defined: Optional[str] = None  # that of what libvirt made of it
    protected: bool = False
    template: bool = False  # others are built upon its disks: it never runs
    revision: int = 1
    incomplete: bool = False  # its create has not ended: its disks may be missing
    cloned_from: Optional[str] = None  # the UUID of the VM that it is a clone of
    kept: Tuple[str, ...] = ()  # paths of disks that were there before the VM had them: they outlive it


def time_of_record() -> str:
    """Now, as ``created`` has it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def record_element(record: Record) -> ElementTree.Element:
    """The ``<hostler:vm>`` element of ``record``, for a ``<metadata>``."""
    return _in_namespace(_element(record))


def record_xml(record: Record) -> str:
    """The record as ``virDomainSetMetadata`` takes it: without its namespace, which libvirt puts on itself."""
    return serialize(_element(record))


def _element(record: Record) -> ElementTree.Element:
    root = ElementTree.Element("vm", {"version": str(VERSION)})
    if record.incomplete:
        root.set("incomplete", "yes")
    _add(root, "id", None if record.id is None else str(record.id))
    _add(root, "uuid", record.uuid)
    _add(root, "created", record.created)
    _add(root, "owner", record.owner)
    _add(root, "osType", record.os_type)
    _add(root, "osVersion", record.os_version)
    _add(root, "description", record.description)
    for tag in record.tags:
        _add(root, "tag", tag)
    for key, value in record.metadata:
        ElementTree.SubElement(root, "entry", {"key": key}).text = value
    _add(root, "xmlGiven", record.xml_given)
    _add(root, "xmlDefined", record.xml_defined)
    _add(root, "protected", "yes" if record.protected else None)
    _add(root, "template", "yes" if record.template else None)
    _add(root, "revision", str(record.revision))
    _add(root, "clonedFrom", record.cloned_from)
    for path in record.kept:
        _add(root, "kept", path)
    return root


def record_of(element: Optional[ElementTree.Element], domain_uuid: str) -> Optional[Record]:
    """The record that ``<hostler:vm>`` holds; None if there is none, it can't be read, or it is another domain's."""
    if element is None or not re.fullmatch("[0-9]+", element.get("version") or ""):
        return None
    uuid = _text(element, "uuid")
    if uuid is None or uuid.lower() != domain_uuid.lower():
        return None
    return Record(
        uuid=domain_uuid.lower(),
        created=_text(element, "created") or "",
        id=_number(element, "id"),
        owner=_text(element, "owner"),
        os_type=_text(element, "osType"),
        os_version=_text(element, "osVersion"),
        description=_text(element, "description"),
        tags=tuple(child.text or "" for child in element.findall(f"{{{NAMESPACE}}}tag")),
        metadata=entries_of({child.get("key", ""): child.text for child in element.findall(f"{{{NAMESPACE}}}entry")}),
        xml_given=_text(element, "xmlGiven"),
        xml_defined=_text(element, "xmlDefined"),
        protected=_text(element, "protected") == "yes",
        template=_text(element, "template") == "yes",
        revision=_number(element, "revision") or 1,
        incomplete=element.get("incomplete") == "yes",
        cloned_from=_text(element, "clonedFrom"),
        kept=tuple(child.text or "" for child in element.findall(f"{{{NAMESPACE}}}kept")),
    )


def read_record(xml: str, domain_uuid: str) -> Optional[Record]:
    """As `record_of`, of what ``virDomainGetMetadata`` answers, from which libvirt has taken the namespace."""
    return record_of(_in_namespace(parse(xml)), domain_uuid)


def find_record(domain: ElementTree.Element) -> Optional[ElementTree.Element]:
    """The ``<hostler:vm>`` element within a ``<domain>``, if it has one."""
    return domain.find(f"metadata/{_ROOT}")


def _in_namespace(element: ElementTree.Element) -> ElementTree.Element:
    for part in element.iter():
        part.tag = f"{{{NAMESPACE}}}{part.tag}"
    return element


def _add(parent: ElementTree.Element, name: str, text: Optional[str]) -> None:
    if text is not None:
        ElementTree.SubElement(parent, name).text = text


def _text(element: ElementTree.Element, name: str) -> Optional[str]:
    return element.findtext(f"{{{NAMESPACE}}}{name}")


def _number(element: ElementTree.Element, name: str) -> Optional[int]:
    text = _text(element, name)
    return int(text) if text and _NUMBER.fullmatch(text) else None
