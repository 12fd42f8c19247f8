# SPDX-License-Identifier: GPL-3.0-or-later
"""The XML of a new volume. Format: https://libvirt.org/formatstorage.html."""

from __future__ import annotations

from typing import Optional
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import serialize


def volume_xml(
    name: str,
    capacity: int,
    kind: Optional[str],
    allocation: int,
    backing_path: Optional[str] = None,
    backing_format: Optional[str] = None,
) -> str:
    """That of a volume of ``capacity`` bytes, of which ``allocation`` are set aside at once.

    Without ``kind`` it is whatever its pool has: block devices have no format.
    """
    root = Element("volume")
    SubElement(root, "name").text = name
    SubElement(root, "capacity", {"unit": "bytes"}).text = str(capacity)
    SubElement(root, "allocation", {"unit": "bytes"}).text = str(allocation)
    if kind is not None:
        target = SubElement(root, "target")
        SubElement(target, "format", {"type": kind})
        if kind == "qcow2":
            # libvirt's default is the version of 2009, whose disks can't be resized once they have an internal snapshot
            SubElement(target, "compat").text = "1.1"
    if backing_path is not None:
        store = SubElement(root, "backingStore")
        SubElement(store, "path").text = backing_path
        # the format is named, or a guest could write a qcow2 header into a raw image and read the host's files
        # (and QEMU has no driver for what libvirt calls iso)
        form = "raw" if backing_format in (None, "iso") else str(backing_format)
        SubElement(store, "format", {"type": form})
    return serialize(root)
