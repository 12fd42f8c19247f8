# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is made of and can give its guests, read from libvirt's XML.

Formats: https://libvirt.org/formatcaps.html, https://libvirt.org/formatdomaincaps.html.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.abilities import abilities_of
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import kib_of


def processor(capabilities: str) -> Dict[str, Any]:
    """The host's processor: ``arch``, ``model``, ``vendor``, and its topology; what is not known is None."""
    cpu = parse(capabilities).find("host/cpu")
    topology = None if cpu is None else cpu.find("topology")

    def count(name: str) -> Optional[int]:
        value = None if topology is None else topology.get(name)
        return None if value is None else int(value)

    return {
        "arch": None if cpu is None else cpu.findtext("arch"),
        "model": None if cpu is None else cpu.findtext("model"),
        "vendor": None if cpu is None else cpu.findtext("vendor"),
        "sockets": count("sockets"),
        "dies": count("dies"),
        "cores": count("cores"),
        "threads": count("threads"),
    }


def cells(capabilities: str) -> List[Dict[str, Any]]:
    """The host's NUMA cells: ``id``, ``memory_mb``, ``cpus`` (numbers), ``pages`` (how many of each size in KiB)."""
    return [_cell(cell) for cell in parse(capabilities).iterfind("host/topology/cells/cell")]


def _cell(cell: Element) -> Dict[str, Any]:
    memory = cell.find("memory")
    return {
        "id": int(cell.get("id", "0")),
        "memory_mb": None if memory is None else kib_of(memory) // 1024,
        "cpus": [int(cpu.get("id", "0")) for cpu in cell.iterfind("cpus/cpu")],
        "pages": {int(pages.get("size", "0")): int(pages.text or 0) for pages in cell.findall("pages")},
    }


def guests(capabilities: str) -> List[Dict[str, Any]]:
    """What architectures guests can have: ``arch``, ``virt_types``, ``emulator``, ``machines``, in libvirt's order.

    That kvm is among the types is no proof that it works.
    """
    return [
        {
            "arch": arch.get("name"),
            "virt_types": [domain.get("type") for domain in arch.findall("domain")],
            "emulator": arch.findtext("emulator"),
            "machines": list(dict.fromkeys(machine.text for machine in arch.iter("machine"))),
        }
        for arch in parse(capabilities).iterfind("guest/arch")
    ]


def has_iommu(capabilities: str) -> Optional[bool]:
    """Whether devices of the host can be given to guests; None where nobody says it."""
    iommu = parse(capabilities).find("host/iommu")
    return None if iommu is None else iommu.get("support") == "yes"


def guest_abilities(domain_capabilities: Optional[str]) -> Optional[Dict[str, Any]]:
    """What guests of one machine type can have; None of a driver that doesn't say."""
    if domain_capabilities is None:
        return None
    root = parse(domain_capabilities)
    known = abilities_of(domain_capabilities)
    host_model = root.find("cpu/mode[@name='host-model']")
    return {
        "machine": root.findtext("machine"),
        "virt_type": root.findtext("domain"),
        "max_vcpus": known.max_vcpus,
        "uefi": known.uefi,
        "secure_boot": known.secure_boot,
        "tpm": known.tpm,
        "spice": known.spice,
        "virtiofs": _values(root, "devices/filesystem", "driverType", "virtiofs"),
        "pci_passthrough": _values(root, "devices/hostdev", "pciBackend", "vfio"),
        "host_passthrough": root.find("cpu/mode[@name='host-passthrough'][@supported='yes']") is not None,
        "host_model": None if host_model is None else host_model.findtext("model"),
        "cpu_models": [
            model.text for model in root.iterfind("cpu/mode[@name='custom']/model") if model.get("usable") == "yes"
        ],
    }


def hugepages(sizes: Mapping[int, int], free: Mapping[int, int], ordinary_kib: int = 4) -> List[Dict[str, Any]]:
    """``size_kb``, ``total`` and ``free`` (None where nobody can tell) of each size but the ordinary one."""
    return [
        {"size_kb": size, "total": total, "free": free.get(size)}
        for size, total in sorted(sizes.items())
        if size > ordinary_kib
    ]


def _values(root: Element, path: str, name: str, value: str) -> bool:
    return value in [one.text for one in root.iterfind(f"{path}/enum[@name='{name}']/value")]
