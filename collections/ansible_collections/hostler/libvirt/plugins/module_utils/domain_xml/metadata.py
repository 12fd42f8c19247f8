# SPDX-License-Identifier: GPL-3.0-or-later
"""What others and we say of a domain in its ``<metadata>``, changed in place."""

from __future__ import annotations

from typing import Optional, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement


def prefixed(xml: str, prefix: str, namespace: str) -> Element:
    """The element that ``xml``, our own and without a namespace, is in that one: with names as they are written."""
    root = ElementTree.fromstring(xml)  # noqa: S314  ours
    for part in root.iter():
        part.tag = f"{prefix}:{part.tag}"
    root.set(f"xmlns:{prefix}", namespace)
    return root


def mark(domain: Element, namespace: str, wanted: Optional[Element], ancestors: Sequence[Element] = ()) -> None:
    """Have ``wanted`` be all that the metadata of ``domain`` has of that namespace; with None it has nothing of it.

    Names are as they are written, so ``ancestors``, which may declare a prefix, are those of ``domain``.
    """
    metadata = domain.find("metadata")
    if metadata is None and wanted is not None:
        metadata = SubElement(domain, "metadata")
    if metadata is None:
        return
    for child in list(metadata):
        if _namespace(child, (metadata, domain, *ancestors)) == namespace:
            metadata.remove(child)
    if wanted is not None:
        metadata.append(wanted)


def _namespace(element: Element, ancestors: Sequence[Element]) -> Optional[str]:
    if not isinstance(element.tag, str):
        return None  # a comment
    prefix = element.tag.rpartition(":")[0]
    declaration = f"xmlns:{prefix}" if prefix else "xmlns"
    return next((one.get(declaration) for one in (element, *ancestors) if declaration in one.attrib), None)
