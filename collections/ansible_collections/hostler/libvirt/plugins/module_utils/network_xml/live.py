# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network that runs is to be told so that it has other lists."""

from __future__ import annotations

from typing import Any, Dict, Hashable, Iterator, List, NamedTuple, Optional, Tuple
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse, serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import entries
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.sections import SECTIONS, Section


class LiveChange(NamedTuple):
    """One entry that is added, deleted or modified; ``subnet`` counts the network's addresses, for DHCP."""

    option: str
    command: str
    xml: str
    before: Optional[str] = None  # of one that is modified
    subnet: int = -1


class _Entry(NamedTuple):
    subnet: int
    data: Any
    xml: str


def live_changes(before: str, after: str) -> List[LiveChange]:
    """What makes ``after`` of ``before``, both with the same addresses; what goes is taken away first."""
    old, new = parse(before), parse(after)
    deleted: List[LiveChange] = []
    others: List[LiveChange] = []
    for section in SECTIONS:
        if section.live:
            for change in _changes(section, _entries(old, section), _entries(new, section)):
                (deleted if change.command == "delete" else others).append(change)
    return deleted + others


def _entries(root: Element, section: Section) -> Dict[Hashable, _Entry]:
    subnets = root.findall("ip")
    found: Dict[Hashable, _Entry] = {}
    for parent, element, data in entries(root, section):
        subnet = next((index for index, ip in enumerate(subnets) if parent in list(ip)), -1)
        element.tail = None
        for one in element.iter():
            one.attrib.pop("connections", None)  # which libvirt counts in what runs
        found[section.key(data)] = _Entry(subnet, data, serialize(element))
    return found


def _changes(section: Section, old: Dict[Hashable, _Entry], new: Dict[Hashable, _Entry]) -> Iterator[LiveChange]:
    for was, now in _pairs(old, new):
        if was is not None and now is not None:
            if (was.subnet, was.data) == (now.subnet, now.data):
                continue
            if was.subnet == now.subnet and section.modify(now.data):
                yield LiveChange(section.option, "modify", now.xml, was.xml, now.subnet)
                continue
        if was is not None:
            yield LiveChange(section.option, "delete", was.xml, None, was.subnet)
        if now is not None:
            yield LiveChange(section.option, "add", now.xml, None, now.subnet)


def _pairs(
    old: Dict[Hashable, _Entry], new: Dict[Hashable, _Entry]
) -> Iterator[Tuple[Optional[_Entry], Optional[_Entry]]]:
    for key in dict.fromkeys([*old, *new]):
        yield old.get(key), new.get(key)
