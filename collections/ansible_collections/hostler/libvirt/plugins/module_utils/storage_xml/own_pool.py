# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pool XML that a user brings: checked, and compared with what libvirt has.

libvirt writes a definition otherwise than it was given and fills in what was left out, and a pool has no metadata in
which one could note what it was made from. So two definitions are compared by what they say, statement by statement.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Iterator, List, Optional, Tuple
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited, parse
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.given import given_element
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec

# what a pool holds, which is no setting of it
_FIGURES = ("capacity", "allocation", "available")
# what libvirt adds of itself where it is left out
_FILLED_IN = (
    "source/format@type",
    "source/name",
    "source/host@port",
    "source/adapter@type",
    "target/path",
    "target/permissions/",
)
_PASSWORDS = ("passwd", "password")


@dataclass(frozen=True)
class OwnPool:
    """A ``<pool>`` that can be read; whether libvirt takes it is libvirt's to say."""

    xml: str = field(repr=False)
    name: str
    type: str
    uuid: Optional[str] = None

    def as_of(self, uuid: str) -> str:
        """The XML with that UUID, which is the pool's already."""

        def change(root: Element) -> None:
            element = root.find("uuid")
            if element is None:
                element = Element("uuid")
                root.insert(0, element)
            element.text = uuid

        return edited(self.xml, change)


def own_pool(text: str) -> OwnPool:
    """The pool that ``text`` describes; raises `InvalidSpec` for what describes none, or holds a password."""
    xml, name, uuid = given_element(text, "pool")
    root = parse(xml)
    if not root.get("type"):
        raise _refused("says no type of the pool")
    if any(attribute in element.attrib for element in root.iter() for attribute in _PASSWORDS):
        raise _refused("holds a password, which everybody could read: name a libvirt secret that has it")
    return OwnPool(xml, name, root.get("type", ""), uuid)


def differences(current: str, wanted: str) -> Tuple[List[str], List[str]]:
    """What only ``current``, libvirt's own, says, and what only ``wanted`` does, as ``path = value``.

    What libvirt fills in by itself, and what ``wanted`` leaves open, is no difference. Values that may be secret are
    not shown.
    """
    has, says = list(_statements(parse(current))), list(_statements(parse(wanted)))
    said = {path for path, _value in says}
    gone = [one for one in has if one not in says and (one[0] in said or not one[0].startswith(_FILLED_IN))]
    new = [one for one in says if one not in has]
    return [_shown(one) for one in gone], [_shown(one) for one in new]


def _statements(root: Element) -> Iterator[Tuple[str, str]]:
    for child in root:
        if child.tag not in (*_FIGURES, "uuid"):
            yield from _said_by(child, "")


def _said_by(element: Element, parent: str) -> Iterator[Tuple[str, str]]:
    path = f"{parent}{element.tag}"
    text = (element.text or "").strip()
    if text:
        yield path, posixpath.normpath(text) if path == "target/path" else text
    for name, value in sorted(element.attrib.items()):
        yield f"{path}@{name}", posixpath.normpath(value) if path == "source/dir" else value
    for child in element:
        yield from _said_by(child, f"{path}/")


def _shown(statement: Tuple[str, str]) -> str:
    path, value = statement
    # options of mounts and of Ceph are passed on as they are, and passwords are put into them
    return f"{path} = (not shown)" if path.startswith("{") else f"{path} = {value}"


def _refused(reason: str) -> InvalidSpec:
    return InvalidSpec([FieldError("xml", reason)])
