# SPDX-License-Identifier: GPL-3.0-or-later
"""What a domain says of a migration that has not ended: ``<metadata>`` in the namespace ``urn:hostler:move:1``.

It goes along with the definition, so that whoever finds the domain at its destination, after the task that brought it
was killed, can see what is left to do. A read-only connection can read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse, serialize

MOVE_NAMESPACE = "urn:hostler:move:1"
MOVE_PREFIX = "hostler-move"


@dataclass(frozen=True)
class Move:
    """One migration. ``source`` and ``destination`` are the UUIDs of the hosts."""

    source: str
    destination: str
    autostart: bool = False  # it started with its host; libvirt does not take that along
    copied: Tuple[str, ...] = ()  # paths of its files on both hosts, of which the source's are of no more use


def move_xml(move: Move) -> str:
    """``move`` as ``virDomainSetMetadata`` takes it: without its namespace, which libvirt puts on itself."""
    root = Element("move", {"source": move.source, "destination": move.destination})
    if move.autostart:
        root.set("autostart", "yes")
    for path in move.copied:
        SubElement(root, "copied").text = path
    return serialize(root)


def read_move(xml: str) -> Optional[Move]:
    """What the domain ``xml`` says of its migration; None if nothing."""
    root = parse(xml).find(f"metadata/{{{MOVE_NAMESPACE}}}move")
    if root is None:
        return None
    return Move(
        source=root.get("source", ""),
        destination=root.get("destination", ""),
        autostart=root.get("autostart") == "yes",
        copied=tuple(one.text for one in root.findall(f"{{{MOVE_NAMESPACE}}}copied") if one.text),
    )
