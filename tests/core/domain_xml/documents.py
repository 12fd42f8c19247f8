# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain XML that others wrote, and what differs between two documents, by another parser than the core's."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.dom import Node, minidom
from xml.etree import ElementTree

FOREIGN = {file.stem: file.read_text() for file in sorted((Path(__file__).parent / "foreign").glob("*.xml"))}


def difference(before: str, after: str) -> list[str]:
    """What is in one document and not in the other: lines of the path, name, attributes or text, with - and +.

    Everything counts: comments, processing instructions, prefixes, namespace declarations, the order of elements. The
    space between elements, what stands outside of the root, and how a character is escaped do not.
    """
    lines = difflib.unified_diff(list(_lines(before)), list(_lines(after)), n=0, lineterm="")
    return [f"{line[0]} {line[1:]}" for line in lines if line[0] in "+-" and line[1] == "/"]


def element(xml: str) -> ElementTree.Element:
    """The root element."""
    return ElementTree.fromstring(xml)  # noqa: S314  the tests' own, or libvirtd's


def _lines(xml: str) -> Iterator[str]:
    yield from _node_lines(minidom.parseString(xml).documentElement, "")  # noqa: S318  as above


def _node_lines(node: Any, path: str) -> Iterator[str]:
    if node.nodeType == Node.ELEMENT_NODE:
        path = f"{path}/{node.tagName}"
        attributes = " ".join(f"{name}={value!r}" for name, value in sorted(node.attributes.items()))
        yield f"{path} {attributes}".rstrip()
        node.normalize()
        for child in node.childNodes:
            yield from _node_lines(child, path)
    elif node.nodeType in (Node.TEXT_NODE, Node.CDATA_SECTION_NODE):
        if node.data.strip():
            yield f"{path} says {node.data!r}"
    else:
        yield f"{path} {node.nodeName} {node.data!r}"
