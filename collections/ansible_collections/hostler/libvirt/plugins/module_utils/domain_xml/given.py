# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain XML that a user brings: checked, made a certain VM's, and known again.

libvirt writes a definition otherwise than it was given, and fills in what was left out. Whether a VM is still what some
XML made it is therefore told by two fingerprints: of the XML, and of what libvirt made of it. They stand in the VM's
record, which everybody can read, so neither is made of a password, which might be guessed from it.
"""

from __future__ import annotations

import hashlib
import re
import uuid as uuids
from dataclasses import dataclass, field
from typing import Any, Optional, Sequence, Tuple
from xml.etree.ElementTree import Element
from xml.parsers import expat

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited, parse
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.metadata import mark, prefixed
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import MOVE_NAMESPACE
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import NAMESPACE, PREFIX, Record, record_xml

MOST_CHARACTERS = 1024 * 1024
_OURS = (NAMESPACE, MOVE_NAMESPACE)  # what we say of a VM: nobody else's to write
_DEEPEST = 100  # elements in one another; libvirt knows a dozen, and Python can't write a thousand


@dataclass(frozen=True)
class GivenXml:
    """A ``<domain>`` that can be read; whether libvirt takes it is libvirt's to say."""

    xml: str = field(repr=False)
    name: str = ""
    uuid: Optional[str] = None

    @property
    def fingerprint(self) -> str:
        """Of all but the passwords of its displays."""
        return _digest(edited(self.xml, _without_passwords))

    @property
    def passwords(self) -> Tuple[Optional[str], ...]:
        """Those of its displays, as libvirt's own XML has them, in which a line break is none."""
        found = (element.get("passwd") for element in parse(self.xml).findall("devices/graphics"))
        return tuple(None if one is None else re.sub(r"[\t\n\r]", " ", one) for one in found)


def given_xml(text: str) -> GivenXml:
    """The domain that ``text`` describes; raises `InvalidSpec` for what describes none."""
    return GivenXml(*given_element(text, "domain"))


def given_element(text: str, tag: str) -> Tuple[str, str, Optional[str]]:
    """The XML, name and UUID of what ``text`` describes, which has to be a ``<tag>`` of libvirt's.

    Raises `InvalidSpec` for what describes none.
    """
    if len(text) > MOST_CHARACTERS:
        raise _refused(f"is longer than {MOST_CHARACTERS} characters")
    _require_xml(text)
    xml = edited(text.encode(), lambda _root: None)
    root = parse(xml)
    if root.tag != tag:
        raise _refused(f"describes no {tag}: its root is <{root.tag}>")
    name = (root.findtext("name") or "").strip()
    if not name:
        raise _refused("has no <name>")
    uuid = (root.findtext("uuid") or "").strip()
    try:
        return xml, name, str(uuids.UUID(uuid)) if uuid else None
    except ValueError:
        raise _refused("has a <uuid> that is none") from None


def adopted(given: GivenXml, uuid: str, record: Optional[Record], addresses: Sequence[Optional[str]] = ()) -> str:
    """The XML as that VM's own: with its UUID, its record, and of ``addresses`` those that its cards leave open."""

    def change(domain: Element) -> None:
        element = domain.find("uuid")
        if element is None:
            element = Element("uuid")
            names = [index for index, child in enumerate(domain) if child.tag == "name"]
            domain.insert(names[0] + 1, element)
        element.text = uuid
        _keep_addresses(domain, addresses)
        _remove_record(domain)
        if record is not None:
            mark(domain, NAMESPACE, prefixed(record_xml(record), PREFIX, NAMESPACE))

    return edited(given.xml, change)


def without_record(xml: str) -> str:
    """``xml`` without what we say of it, our record above all, and without a ``<metadata>`` that has nothing else."""
    return edited(xml, _remove_record)


def definition_fingerprint(xml: str) -> str:
    """That of a definition as libvirt writes it: the same as long as the definition is, whatever its record says."""
    return _digest(without_record(xml))


def _require_xml(text: str) -> None:
    """Raise `InvalidSpec` (field ``xml``) for what is no XML, or more than may be taken from others."""
    parser = expat.ParserCreate("utf-8")  # whatever it says of itself: it is text already

    def refuse(*_declaration: Any) -> None:
        raise _refused("must have no document type declaration: entities are not looked up")

    parser.StartDoctypeDeclHandler = refuse
    open_elements = 0

    def enter(*_element: Any) -> None:
        nonlocal open_elements
        open_elements += 1
        if open_elements > _DEEPEST:
            raise _refused(f"has more than {_DEEPEST} elements in one another")

    def leave(_name: str) -> None:
        nonlocal open_elements
        open_elements -= 1

    parser.StartElementHandler, parser.EndElementHandler = enter, leave
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        reason = expat.errors.messages[error.code]
        raise _refused(f"can't be read: {reason} in line {error.lineno}, column {error.offset + 1}") from None
    except UnicodeEncodeError:
        raise _refused("holds an unpaired surrogate") from None


def _refused(reason: str) -> InvalidSpec:
    return InvalidSpec([FieldError("xml", reason)])


def _digest(xml: str) -> str:
    return hashlib.sha256(edited(xml, without_space).encode()).hexdigest()


def without_space(root: Element) -> None:
    """Take out what stands between elements, which libvirt does as it likes, too, when it writes a record."""
    for element in root.iter():
        if not (element.text or "").strip():
            element.text = None
        if not (element.tail or "").strip():
            element.tail = None


def _without_passwords(domain: Element) -> None:
    for element in domain.findall("devices/graphics"):
        element.attrib.pop("passwd", None)


def _keep_addresses(domain: Element, addresses: Sequence[Optional[str]]) -> None:
    cards = domain.findall("devices/interface")
    named = {mac.get("address", "").lower() for mac in domain.iterfind("devices/interface/mac")}
    left = [address for address in addresses if address and address.lower() not in named]
    for card in cards:
        if card.find("mac") is None and left:
            card.insert(0, Element("mac", {"address": left.pop(0)}))


def _remove_record(domain: Element) -> None:
    for namespace in _OURS:
        mark(domain, namespace, None)
    for metadata in domain.findall("metadata"):
        if len(metadata) == 0 and not (metadata.text or "").strip():
            domain.remove(metadata)
