# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain XML that others wrote, and what differs between two documents, by another parser than the core's."""

import difflib
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.dom import Node, minidom
from xml.etree import ElementTree

FOREIGN = {file.stem: file.read_text() for file in sorted((Path(__file__).parent / "foreign").glob("*.xml"))}

_TEXTS = (Node.TEXT_NODE, Node.CDATA_SECTION_NODE)

# the lab has no SEV, no S390, and cache allocation is KVM's alone; and libvirt knows no attributes of others
_NOT_OF_THE_LAB = (
    r"<launchSecurity.*?</launchSecurity>", r"<keywrap>.*?</keywrap>",
    r"<cachetune.*?</cachetune>", r"<memorytune.*?</memorytune>", r" xsi:note='kept'",
)  # fmt: skip


def for_the_lab(xml: str) -> str:
    """The document as a host without KVM and without special hardware can define it."""
    for pattern in _NOT_OF_THE_LAB:
        xml = re.sub(pattern, "", xml, flags=re.DOTALL)
    return re.sub(r"(type *= *)'(kvm|test)'", r"\1'qemu'", xml, count=1)


def difference(before: str, after: str) -> list[str]:
    """What is in one document and not in the other: lines of the path, name, attributes or text, with - and +.

    Everything counts: comments, processing instructions, prefixes, namespace declarations, the order of elements. The
    space between elements, what stands outside of the root, and how a character is escaped do not.
    """
    lines = difflib.unified_diff(lines_of(before), lines_of(after), n=0, lineterm="")
    return [f"{line[0]} {line[1:]}" for line in lines if line[0] in "+-" and line[1] == "/"]


def uncounted(xml: str) -> str:
    """The document as it is but for the number of changes that our record of the VM counts."""
    return re.sub(r"(?<=<hostler:revision>)[0-9]+", "1", xml)


def element(xml: str) -> ElementTree.Element:
    """The root element."""
    return ElementTree.fromstring(xml)  # noqa: S314  the tests' own, or libvirtd's


@lru_cache(maxsize=64)
def lines_of(xml: str) -> tuple[str, ...]:
    """All that the document says, as `difference` compares it."""
    return tuple(_node_lines(minidom.parseString(xml).documentElement, ""))  # noqa: S318  as above


def _node_lines(node: Any, path: str) -> Iterator[str]:
    if node.nodeType == Node.ELEMENT_NODE:
        path = f"{path}/{node.tagName}"
        attributes = " ".join(f"{name}={value!r}" for name, value in sorted(node.attributes.items()))
        yield f"{path} {attributes}".rstrip()
        for is_text, group in groupby(node.childNodes, lambda child: child.nodeType in _TEXTS):
            children = list(group)
            said = "".join(child.data for child in children) if is_text else ""
            if said.strip():
                yield f"{path} says {said!r}"
            for child in [] if is_text else children:
                yield from _node_lines(child, path)
    else:
        yield f"{path} {node.nodeName} {node.data!r}"
