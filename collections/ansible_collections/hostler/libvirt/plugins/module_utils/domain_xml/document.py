# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain XML as an element tree: to read it by namespace, or to change it and keep the rest as it is written."""

from __future__ import annotations

from typing import Callable, Union
from xml.etree import ElementTree
from xml.parsers import expat


def parse(xml: str) -> ElementTree.Element:
    """The root element of ``xml``, to be read: names are ``{namespace}name``, comments are left out."""
    return ElementTree.fromstring(xml)  # noqa: S314  libvirtd made it


def edited(xml: Union[str, bytes], change: Callable[[ElementTree.Element], None]) -> str:
    """``xml``, of which bytes are UTF-8 whatever they say, after ``change`` of its root element.

    Here names are as they are written, prefix included, and namespace declarations are attributes. As nothing is
    resolved, comments, processing instructions and foreign elements with their prefixes come out as they went in.
    """
    builder = ElementTree.TreeBuilder(insert_comments=True, insert_pis=True)
    parser = expat.ParserCreate("utf-8" if isinstance(xml, bytes) else None)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.CommentHandler = builder.comment
    parser.ProcessingInstructionHandler = builder.pi
    parser.Parse(xml, True)
    root = builder.close()
    change(root)
    return serialize(root)


def serialize(root: ElementTree.Element) -> str:
    """``root`` as text, without an XML declaration."""
    # a carriage return that stands as it is would be a line feed to whoever reads it (XML 1.0, 2.11)
    return ElementTree.tostring(root, encoding="unicode").replace("\r", "&#13;")
