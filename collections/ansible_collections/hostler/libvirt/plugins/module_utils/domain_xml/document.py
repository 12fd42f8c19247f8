# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain XML as an element tree, whole: comments, foreign namespaces and their prefixes survive."""

from __future__ import annotations

import io
import re
from typing import Dict
from xml.etree import ElementTree

_RESERVED_PREFIX = re.compile(r"ns\d+")  # ElementTree keeps these for itself


def parse(xml: str) -> ElementTree.Element:
    """The root element of ``xml``, comments included."""
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))  # noqa: S314  libvirtd made it
    for prefix, uri in _prefixes(xml).items():
        if prefix and not _RESERVED_PREFIX.fullmatch(prefix):
            ElementTree.register_namespace(prefix, uri)
    return ElementTree.fromstring(xml, parser)  # noqa: S314  libvirtd made it


def serialize(root: ElementTree.Element) -> str:
    """``root`` as text, without an XML declaration."""
    return ElementTree.tostring(root, encoding="unicode")


def _prefixes(xml: str) -> Dict[str, str]:
    events = ElementTree.iterparse(io.StringIO(xml), events=("start-ns",))  # noqa: S314  libvirtd made it
    return {pair[0]: pair[1] for dummy, pair in events}
