# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings an existing VM to other sizes.

A VM that is off gets them in its definition. One that runs gets them only if it may grow live: what can be plugged in
is, and the definition says the same; what can't be waits there for the next boot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.size_edit import SizeEdit
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import (
    PlugMemory,
    PlugVcpus,
    ResizeDomain,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import GrowDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import Resources, disk_bytes, disk_gib

MUST_BE_STOPPED = "VM must be stopped before resizing"
TRANSIENT = "VM is transient: it has no definition that could be changed"

# a guest takes memory in blocks of that size; a module of another would be of no use to it in part
_MODULE_KIB = 128 * 1024


@dataclass(frozen=True)
class _Size:
    """One size that is to change: as it is, as it is wanted, and how far a running VM gets at once."""

    field: str
    present: int
    wanted: int
    defined: bool  # the definition says so already
    plugged: Optional[int] = None  # what the running VM is brought to; None: it stays as it is
    waits: bool = False  # for the next boot, in part or in whole


def plan_resize(observed: ObservedMachine, wanted: Resources, live: bool = False) -> Plan:
    """The steps from what ``observed`` has to what is ``wanted``; none where it has that already.

    Raises `InvalidSpec` for a disk that would shrink or that there is not, `WrongState` for a VM that is not off,
    unless it runs and may grow ``live``.
    """
    running = observed.running if live else None
    sizes = [size for size in (_vcpus(observed, wanted, running), _memory(observed, wanted, running)) if size]
    growth = _growth(observed, wanted.disk_gb, live=running is not None)
    if (sizes or growth) and running is None:
        _require_off(observed)
    steps = [*_definition_steps(observed, sizes, running is not None), *_plug_steps(observed, sizes)]
    before: Dict[str, Any] = {size.field: size.present for size in sizes}
    after: Dict[str, Any] = {size.field: size.wanted for size in sizes}
    if growth is not None:
        before["disk_gb"], after["disk_gb"] = observed.disk_gb, disk_gib(growth.capacity)
        applies = Applies.OFF if running is None else Applies.NOW
        title = f"Grow the root disk to {disk_gib(growth.capacity):g} GiB"
        steps.append(Step(title, growth, applies, ("disk_gb",)))
    return Plan(tuple(steps), before, after)


def _require_off(observed: ObservedMachine) -> None:
    if not observed.is_persistent:
        raise WrongState(TRANSIENT)
    if observed.status == "saved":
        raise WrongState(f"{MUST_BE_STOPPED}; it is saved: start it, then stop it")
    if not observed.is_off:
        raise WrongState(MUST_BE_STOPPED)


def _vcpus(observed: ObservedMachine, wanted: Resources, running: Optional[DomainDefinition]) -> Optional[_Size]:
    if wanted.cpu_cores is None:
        return None
    defined = wanted.cpu_cores == observed.cpu_cores
    if running is None:
        return None if defined else _Size("cpu_cores", observed.cpu_cores, wanted.cpu_cores, defined)
    reach = min(wanted.cpu_cores, running.max_vcpus or running.vcpus)
    plugged = reach if reach > running.vcpus else None
    if defined and plugged is None:
        return None
    present = running.vcpus if defined else observed.cpu_cores
    waits = wanted.cpu_cores != (plugged or running.vcpus)
    return _Size("cpu_cores", present, wanted.cpu_cores, defined, plugged, waits)


def _memory(observed: ObservedMachine, wanted: Resources, running: Optional[DomainDefinition]) -> Optional[_Size]:
    if wanted.memory_mb is None:
        return None
    present = observed.memory_kib // 1024
    defined = wanted.memory_mb == present  # the same as far as it is ever shown
    if running is None:
        return None if defined else _Size("memory_mb", present, wanted.memory_mb, defined)
    module = _module_kib(running, wanted.memory_mb * 1024)
    plugged = running.memory_kib + module if module else None
    if defined and plugged is None:
        return None
    waits = wanted.memory_mb != (plugged or running.memory_kib) // 1024
    return _Size(
        "memory_mb", running.memory_kib // 1024 if defined else present, wanted.memory_mb, defined, plugged, waits
    )


def _module_kib(running: DomainDefinition, wanted_kib: int) -> int:
    """The largest memory module that fits and is not more than what is missing; 0 where none can be plugged in."""
    if running.memory_modules >= running.memory_slots or running.further_numa_cells:
        return 0
    missing = min(wanted_kib, running.max_memory_kib or 0) - running.memory_kib
    return max(missing, 0) // _MODULE_KIB * _MODULE_KIB


def _definition_steps(observed: ObservedMachine, sizes: Sequence[_Size], live: bool) -> Iterator[Step]:
    at_once = Applies.NOW if live else Applies.OFF
    for waits, applies in ((False, at_once), (True, Applies.NEXT_BOOT)):
        changed = [size for size in sizes if size.waits is waits and not size.defined]
        if not changed:
            continue
        if not observed.is_persistent:
            if waits:
                raise WrongState(TRANSIENT)
            continue  # all that there is of it is plugged in
        wanted = {size.field: size.wanted for size in changed}
        memory = wanted.get("memory_mb")
        edit = SizeEdit(wanted.get("cpu_cores"), None if memory is None else memory * 1024)
        words = ", ".join(_words(wanted))
        title = f"Set {words} for the next boot" if waits else f"Set {words}"
        yield Step(title, ResizeDomain(observed.uuid, edit, live), applies, tuple(wanted))


def _words(wanted: Dict[str, int]) -> List[str]:
    words = []
    if "cpu_cores" in wanted:
        words.append(f"{wanted['cpu_cores']} vCPUs")
    if "memory_mb" in wanted:
        words.append(f"{wanted['memory_mb']} MiB of memory")
    return words


def _plug_steps(observed: ObservedMachine, sizes: Sequence[_Size]) -> Iterator[Step]:
    for size in sizes:
        if size.plugged is None:
            continue
        if size.field == "cpu_cores":
            vcpus = PlugVcpus(observed.uuid, size.plugged)
            yield Step(f"Plug in vCPUs, to {size.plugged}", vcpus, Applies.NOW, (size.field,))
        else:
            memory = PlugMemory(observed.uuid, size.plugged)
            yield Step(f"Plug in memory, to {size.plugged // 1024} MiB", memory, Applies.NOW, (size.field,))


def _growth(observed: ObservedMachine, disk_gb: Optional[float], live: bool) -> Optional[GrowDisk]:
    if disk_gb is None:
        return None
    root = observed.root_disk
    if root is None or root.size is None or root.path is None:
        raise InvalidSpec([FieldError("disk_gb", "this VM has no root disk whose size can be changed")])
    capacity = larger(root.size, disk_gb, "disk_gb")
    return None if capacity is None else GrowDisk(observed.uuid, root.path, capacity, live)


def larger(present: int, wanted_gb: float, field: str) -> Optional[int]:
    """How many bytes a disk of ``present`` bytes is to get; None where it has the size that ``field`` asks for.

    Raises `InvalidSpec` for a disk that would shrink.
    """
    if disk_gib(present) == disk_gib(disk_bytes(wanted_gb)) or disk_gib(present) == round(wanted_gb, 3):
        return None  # the same as far as it is ever shown
    if disk_bytes(wanted_gb) < present:
        raise InvalidSpec([FieldError(field, f"a disk can't shrink: it has {disk_gib(present):g} GiB")])
    return disk_bytes(wanted_gb)
