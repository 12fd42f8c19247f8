# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a domain's XML in place: what is not named here stays as its author wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import kib_of


@dataclass(frozen=True)
class SizeEdit:
    """New sizes of a domain; None leaves one as it is. Memory in KiB."""

    vcpus: Optional[int] = None
    memory_kib: Optional[int] = None


def resized(xml: str, sizes: SizeEdit) -> str:
    """``xml`` with other sizes.

    What depends on the number of vCPUs is set right with it, or libvirt would refuse the domain: a topology that no
    longer multiplies to it (its cores are scaled if that comes out even, else the element is dropped), and per-vCPU
    settings of vCPUs that are gone.
    """

    def change(domain: Element) -> None:
        if sizes.vcpus is not None:
            _set_vcpus(domain, sizes.vcpus)
        if sizes.memory_kib is not None:
            _set_memory(domain, sizes.memory_kib)

    return edited(xml, change)


def _set_vcpus(domain: Element, count: int) -> None:
    vcpu = domain.find("vcpu")
    if vcpu is None:
        vcpu = SubElement(domain, "vcpu")
    vcpu.text = str(count)
    vcpu.attrib.pop("current", None)
    vcpus = domain.find("vcpus")
    if vcpus is not None:
        domain.remove(vcpus)
    _fit_topology(domain, count)
    tuning = domain.find("cputune")
    if tuning is not None:
        for pin in tuning.findall("vcpupin"):
            if int(pin.get("vcpu", "0")) >= count:
                tuning.remove(pin)
        for schedule in tuning.findall("vcpusched"):
            left = _below(count, schedule.get("vcpus", ""))
            if left:
                schedule.set("vcpus", left)
            else:
                tuning.remove(schedule)


def _below(count: int, vcpus: str) -> str:
    """Of a list of vCPUs as libvirt writes it (``0-3,6``), those whose number is less than ``count``."""
    left = []
    for part in vcpus.split(","):
        first, last = int(part.partition("-")[0]), min(int(part.rpartition("-")[2]), count - 1)
        if first <= last:
            left.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(left)


def _fit_topology(domain: Element, count: int) -> None:
    cpu = domain.find("cpu")
    topology = None if cpu is None else cpu.find("topology")
    if cpu is None or topology is None:
        return
    others = 1
    for name in ("sockets", "dies", "clusters", "threads"):
        others *= int(topology.get(name, "1"))
    if count % others == 0:
        topology.set("cores", str(count // others))
    else:
        cpu.remove(topology)


def _set_memory(domain: Element, kib: int) -> None:
    for name in ("memory", "currentMemory"):
        element = domain.find(name)
        if element is not None:
            element.text = str(kib)
            element.set("unit", "KiB")
    maximum = domain.find("maxMemory")
    if maximum is not None and kib_of(maximum) < kib:
        maximum.text = str(kib)
        maximum.set("unit", "KiB")
