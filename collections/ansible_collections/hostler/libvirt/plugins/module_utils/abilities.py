# SPDX-License-Identifier: GPL-3.0-or-later
"""What the QEMU of a host can give a guest, as libvirt's domain capabilities say it.

Format: https://libvirt.org/formatdomaincaps.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Set
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse

NO_SPICE = "This host's QEMU has no SPICE displays"


@dataclass(frozen=True)
class Abilities:
    """What a guest on that host can have. What the host can't tell counts as to be had; libvirt has the last word."""

    max_vcpus: Optional[int] = None
    uefi: bool = True
    secure_boot: bool = True
    tpm: bool = True
    spice: bool = True


def abilities_of(xml: Optional[str]) -> Abilities:
    """What ``xml``, a ``<domainCapabilities>`` for one machine type, says; None is of a driver that has no such."""
    if xml is None:
        return Abilities()
    root = parse(xml)
    vcpu = root.find("vcpu")
    most = None if vcpu is None else vcpu.get("max")
    return Abilities(
        max_vcpus=None if most is None else int(most),
        uefi=_has(root, "os", "firmware", "efi"),
        secure_boot=_has(root, "os", "firmware", "efi") and _has(root, "os/loader", "secure", "yes"),
        # libvirt offers the emulator where it finds swtpm; what is older than 8.0 says nothing of TPMs at all
        tpm=root.find("devices/tpm") is None
        or (_has(root, "devices/tpm", "model", "tpm-crb") and _has(root, "devices/tpm", "backendModel", "emulator")),
        spice=root.find("devices/graphics") is None or _has(root, "devices/graphics", "type", "spice"),
    )


def _has(root: Element, path: str, name: str, value: str) -> bool:
    values: Set[Optional[str]] = {found.text for found in root.iterfind(f"{path}/enum[@name='{name}']/value")}
    return value in values
