# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings an existing VM to other sizes."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import SizeEdit
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import (
    Applies,
    GrowDisk,
    Plan,
    ResizeDomain,
    Step,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import Resources, disk_bytes, disk_gib

MUST_BE_STOPPED = "VM must be stopped before resizing"


def plan_resize(observed: ObservedMachine, wanted: Resources) -> Plan:
    """The steps from what ``observed`` has to what is ``wanted``; none where it has that already.

    Raises `InvalidSpec` for a disk that would shrink or that there is not, `WrongState` for a VM that is not off.
    """
    steps: List[Step] = []
    before: Dict[str, Any] = {}
    after: Dict[str, Any] = {}
    sizes = SizeEdit(
        vcpus=_differing(wanted.cpu_cores, observed.cpu_cores),
        memory_kib=_differing_memory(wanted.memory_mb, observed.memory_kib),
    )
    if sizes != SizeEdit():
        if sizes.vcpus is not None:
            before["cpu_cores"], after["cpu_cores"] = observed.cpu_cores, sizes.vcpus
        if sizes.memory_kib is not None:
            before["memory_mb"], after["memory_mb"] = observed.memory_kib // 1024, sizes.memory_kib // 1024
        words = ", ".join(_size_words(after))
        steps.append(Step(f"Set {words}", ResizeDomain(observed.uuid, sizes), Applies.OFF))
    growth = _growth(observed, wanted.disk_gb)
    if growth is not None:
        before["disk_gb"], after["disk_gb"] = observed.disk_gb, disk_gib(growth.capacity)
        steps.append(Step(f"Grow the root disk to {disk_gib(growth.capacity):g} GiB", growth, Applies.OFF))
    if steps and not observed.is_off:
        raise WrongState(MUST_BE_STOPPED)
    return Plan(tuple(steps), before, after)


def _differing(wanted: Optional[int], present: int) -> Optional[int]:
    return None if wanted == present else wanted


def _differing_memory(wanted_mb: Optional[int], present_kib: int) -> Optional[int]:
    if wanted_mb is None or wanted_mb == present_kib // 1024:
        return None  # the same as far as it is ever shown
    return wanted_mb * 1024


def _size_words(after: Dict[str, Any]) -> List[str]:
    words = []
    if "cpu_cores" in after:
        words.append(f"{after['cpu_cores']} vCPUs")
    if "memory_mb" in after:
        words.append(f"{after['memory_mb']} MiB of memory")
    return words


def _growth(observed: ObservedMachine, disk_gb: Optional[float]) -> Optional[GrowDisk]:
    if disk_gb is None:
        return None
    root = observed.root_disk
    if root is None or root.size is None or root.path is None:
        raise InvalidSpec([FieldError("disk_gb", "this VM has no root disk whose size can be changed")])
    if disk_gib(root.size) == disk_gib(disk_bytes(disk_gb)) or disk_gib(root.size) == round(disk_gb, 3):
        return None  # the same as far as it is ever shown
    if disk_bytes(disk_gb) < root.size:
        raise InvalidSpec([FieldError("disk_gb", f"a disk can't shrink: it has {disk_gib(root.size):g} GiB")])
    return GrowDisk(observed.uuid, root.path, disk_bytes(disk_gb))
