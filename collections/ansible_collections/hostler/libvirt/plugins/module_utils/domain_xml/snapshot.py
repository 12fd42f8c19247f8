# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshot XML, as a `Snapshot` and back.

A snapshot carries the definition of its VM, and a revert brings that back. So the VM's record of now is written into it
before; and there, in a namespace of its own, stands the series in which we took it. A VM that was reverted would give
that mark to every snapshot that is taken of it by hand, so the mark names the snapshot that it is about.
"""

from __future__ import annotations

from typing import Optional
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited, parse, serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.metadata import mark, prefixed
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import definition_of
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import NAMESPACE, PREFIX, Record, record_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, SnapshotDisk

SERIES_NAMESPACE = "urn:hostler:snapshot:1"
SERIES_PREFIX = "hostler-snapshot"

# of a VM that ran: how it ran, and how it would have started next
_DOMAINS = ("domain", "inactiveDomain")


def read_snapshot(xml: str, current: bool = False) -> Snapshot:
    """What ``xml``, libvirt's own answer, says of a snapshot."""
    root = parse(xml)
    name = root.findtext("name", "")
    memory = root.find("memory")
    found = [one for one in (root.find(tag) for tag in reversed(_DOMAINS)) if one is not None and len(one)]
    domain = found[0] if found else None
    return Snapshot(
        name=name,
        created=int(root.findtext("creationTime", "0")),
        libvirt_state=root.findtext("state", ""),
        parent=root.findtext("parent/name"),
        description=root.findtext("description"),
        memory="no" if memory is None else memory.get("snapshot", "no"),
        memory_file=None if memory is None else memory.get("file"),
        disks=tuple(_disk(element) for element in root.findall("disks/disk")),
        domain=None if domain is None else definition_of(domain),
        series=None if domain is None else _series(domain, name),
        current=current,
    )


def snapshot_xml(snapshot: Snapshot) -> str:
    """What libvirt is to take: the name, what is kept, and where; the rest it knows."""
    root = Element("domainsnapshot")
    SubElement(root, "name").text = snapshot.name
    if snapshot.description is not None:
        SubElement(root, "description").text = snapshot.description
    memory = SubElement(root, "memory", {"snapshot": snapshot.memory})
    if snapshot.memory_file is not None:
        memory.set("file", snapshot.memory_file)
    disks = SubElement(root, "disks")
    for disk in snapshot.disks:
        element = SubElement(disks, "disk", {"name": disk.target, "snapshot": disk.kind})
        if disk.overlay is not None:
            element.set("type", "file")
            SubElement(element, "driver", {"type": "qcow2"})
            SubElement(element, "source", {"file": disk.overlay})
    return serialize(root)


def with_record(xml: str, record: Optional[Record]) -> str:
    """``xml`` of a snapshot, with ``record`` as what its VM says of itself, or without one."""
    wanted = None if record is None else prefixed(record_xml(record), PREFIX, NAMESPACE)
    return _marked(xml, NAMESPACE, wanted)


def with_series(xml: str, name: str, series: str) -> str:
    """``xml`` of the snapshot ``name``, with the series in which we took it."""
    mark = Element("series", {"snapshot": name})
    mark.text = series
    return _marked(xml, SERIES_NAMESPACE, prefixed(serialize(mark), SERIES_PREFIX, SERIES_NAMESPACE))


def _disk(element: Element) -> SnapshotDisk:
    source = element.find("source")
    kind = element.get("snapshot", "no")
    overlay = None
    if kind == "external" and source is not None:
        overlay = source.get("file") or source.get("dev")
    return SnapshotDisk(element.get("name", ""), "no" if kind == "none" else kind, overlay)


def _series(domain: Element, name: str) -> Optional[str]:
    mark = domain.find(f"metadata/{{{SERIES_NAMESPACE}}}series")
    return mark.text if mark is not None and mark.get("snapshot") == name else None


def _marked(xml: str, namespace: str, wanted: Optional[Element]) -> str:
    """``xml`` with ``wanted`` as all that the metadata of its domains have of that namespace."""

    def change(root: Element) -> None:
        for domain in (one for tag in _DOMAINS for one in root.findall(tag)):
            mark(domain, namespace, wanted, (root,))

    return edited(xml, change)
