# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings one disk of a VM, there or not, to what is wanted.

What can be undone comes first. A running VM and its definition are kept in step: what can't be done while it runs is
written into the definition and waits there for the next boot.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive, Limits
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.sockets import (
    Place,
    free_place,
    free_ports,
    free_target,
    has_controller,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    Protected,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import (
    Chassis,
    require_changeable,
    require_definition,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import (
    DefineDrive,
    LimitDrive,
    PlugDrive,
    SetDrive,
    UndefineDrive,
    UnplugDrive,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.found_disk import Found
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.kept_disk import keep, let_go
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import require_awake
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.sizes import larger
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import (
    AddVolume,
    CreateVolume,
    DeleteVolume,
    GrowDisk,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import (
    SHARED_FORMAT,
    WantedDisk,
    bus_of_target,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib

# what of a disk libvirt can't change while it runs
SETTINGS = ("cache", "io", "discard", "read_only", "shareable", "serial")

_PLUGGABLE = ("virtio", "scsi")  # an AHCI takes no disk while it runs
_UNCACHED = ("none", "directsync")


@dataclass(frozen=True)
class Source:
    """What a disk is made of: a file or block device on the host, and what that holds; ``size`` in bytes."""

    path: str
    format: str
    is_block: bool = False
    size: Optional[int] = None
    new: Optional[CreateVolume] = None  # how it is made, where it is not there yet
    title: str = ""


def plan_present(
    wanted: WantedDisk,
    chassis: Chassis,
    found: Found,
    source: Optional[Source],
    size: Optional[int],
    now: str = "",
) -> Plan:
    """The steps that attach the disk, made of ``source``, or change the one that was ``found``, of ``size`` bytes.

    ``now`` as `keep` has it, for a source that is there already.
    """
    drive = found.drive
    if drive is None:
        if source is None:
            raise InvalidSpec([FieldError("size_gb", "is required for a new disk")])
        plan = _attach(wanted, chassis, source)
        if source.new is None:
            # before anything is attached: whatever is cut off, the file is never taken for the VM's own
            plan = Plan(tuple(keep(chassis, source.path, now))).then(plan)
        size = source.size
        live = any(isinstance(step.operation, PlugDrive) for step in plan.steps)
        path: Optional[str] = source.path
    else:
        plan = _change(wanted, chassis, found, drive)
        live = found.running is not None or any(isinstance(step.operation, PlugDrive) for step in plan.steps)
        path = (found.running or drive).path
    if source is None or source.new is None:
        plan = plan.then(_grow(wanted, chassis, path, size, live))
    if plan.changed:
        require_changeable(chassis, wanted.live)
    return plan


def plan_absent(
    wanted: WantedDisk, chassis: Chassis, found: Found, owned: Sequence[str], held_by: Optional[str] = None
) -> Plan:
    """The steps that detach the disk that was ``found`` and then delete those of its files that are ``owned``.

    ``held_by`` names the external snapshot that has it, which libvirt could never remove without it.
    """
    drive = found.drive
    if drive is None:
        return Plan()
    require_changeable(chassis, wanted.live)
    if held_by is not None:
        raise WrongState(f"Disk {drive.target} is part of the external snapshot '{held_by}': remove that first")
    if drive.target == chassis.root_target and not wanted.detach_root:
        raise Protected(
            f"Disk {drive.target} is the root disk of VM '{chassis.name}': detach_root says that it is meant",
            "detach_root",
        )
    if owned and chassis.record is not None and chassis.record.protected:
        raise Protected(f"VM '{chassis.name}' is protected: take that off before deleting a disk of it", "delete")
    if owned and found.running is not None and found.running.bus not in _PLUGGABLE:
        raise WrongState(
            f"VM must be stopped before disk {drive.target} is deleted: on {drive.bus} it can't be unplugged live"
        )
    steps = detach_steps(chassis, found, drive, wanted.timeout)
    if steps and drive.path is not None:
        steps += let_go(chassis, drive.path)
    steps += [Step(f"Delete disk {path}", DeleteVolume(path)) for path in owned]
    shown = {name: value for name, value in drive_as_data(drive).items() if name in ("target", "path")}
    return Plan(tuple(steps), {"state": "present", **shown}, {"state": "absent"}) if steps else Plan()


def detach_steps(chassis: Chassis, found: Found, drive: Drive, timeout: float) -> List[Step]:
    """The steps that unplug a drive and take it out of the definition; what can't be unplugged stays till it is off."""
    steps: List[Step] = []
    stays = found.running is not None and found.running.bus not in _PLUGGABLE
    if stays:
        require_definition(chassis)
    elif found.running is not None:
        require_awake(chassis.status, f"let go of {drive.device} {drive.target}")
        unplug = UnplugDrive(chassis.uuid, drive.target, timeout)
        steps.append(Step(f"Unplug {drive.device} {drive.target}", unplug, Applies.NOW))
    if found.defined is not None:
        title = f"Take {drive.device} {drive.target} out of the definition"
        applies = Applies.NEXT_BOOT if stays else Applies.NOW
        steps.append(Step(title, UndefineDrive(chassis.uuid, drive.target), applies, ("state",)))
    return steps


def drive_as_data(drive: Drive) -> Dict[str, Any]:
    """Plain data of a disk, for an answer."""
    limits = {name: value for name, value in dataclasses.asdict(drive.limits).items() if value}
    names = ("target", "bus", "path", "format", "serial", "cache", "io", "discard", "read_only", "shareable")
    return {**{name: getattr(drive, name) for name in names}, "limits": limits}


def why_not_live(drive: Drive, running_xml: str, place: Optional[Place] = None) -> Optional[str]:
    """Why the drive can't be plugged into the VM that runs so; None where it can."""
    if drive.bus not in _PLUGGABLE:
        return f"nothing can be plugged into {drive.bus} live"
    if drive.bus == "virtio":
        return "no PCIe port is free" if free_ports(running_xml) == 0 else None
    where = place.controller if place is not None else drive.place[0] if drive.place is not None else -1
    return None if has_controller(running_xml, "scsi", where) else "the running VM has no SCSI controller for it"


def _attach(wanted: WantedDisk, chassis: Chassis, source: Source) -> Plan:
    drive, place = _new_drive(wanted, chassis, source)
    steps: List[Step] = []
    if source.new is not None:
        steps.append(Step(source.title, AddVolume(source.new), Applies.NOW))
    reason = None
    if chassis.running_xml is not None:
        reason = taken_by(drive, chassis) or why_not_live(drive, chassis.running_xml, place)
        if reason is None:
            steps.append(Step(f"Plug in disk {drive.target}", PlugDrive(chassis.uuid, drive), Applies.NOW))
        elif chassis.defined_xml is None:
            raise WrongState(f"Disk {drive.target} can't be plugged in: {reason}, and the VM is transient")
    if chassis.defined_xml is not None:
        waits = f", for the next boot: {reason}" if reason else ""
        controller = place.controller if place is not None and place.is_new and drive.bus == "scsi" else None
        steps.append(
            Step(
                f"Write disk {drive.target} into the definition{waits}",
                DefineDrive(chassis.uuid, drive, controller),
                Applies.NEXT_BOOT if reason else Applies.NOW,
                ("state",),
            )
        )
    shown = {name: value for name, value in drive_as_data(drive).items() if value not in (None, False, {})}
    if source.size is not None:
        shown["size_gb"] = disk_gib(source.size)
    return Plan(tuple(steps), {"state": "absent"}, {"state": "present", **shown})


def _new_drive(wanted: WantedDisk, chassis: Chassis, source: Source) -> Tuple[Drive, Optional[Place]]:
    if wanted.target is not None and wanted.target[:2] not in ("vd", "sd"):
        raise InvalidSpec([FieldError("target", "of a new disk begins with vd (virtio) or sd (scsi, sata)")])
    bus = wanted.bus or ("virtio" if wanted.target is None else bus_of_target(wanted.target) or "scsi")
    place = free_place(chassis.xmls, bus)
    blank = Drive(
        "disk",
        wanted.target or free_target(chassis.xmls, bus),
        bus=bus,
        path=source.path,
        format=source.format,
        # of a file of our own a guest may give back what it no longer needs
        discard="unmap" if source.new is not None else None,
        is_block=source.is_block,
        place=None if place is None else (place.controller, place.unit),
    )
    return _with(wanted, blank), place


def _with(wanted: WantedDisk, drive: Drive) -> Drive:
    """``drive`` with the settings that are wanted; raises `InvalidSpec` for those that don't go together."""
    given = {name: getattr(wanted, name) for name in SETTINGS if getattr(wanted, name) is not None}
    plain: Dict[str, Any] = {name: None if value == "default" else value for name, value in given.items()}
    limits = {
        one.name: getattr(wanted.limits, one.name)
        for one in dataclasses.fields(Limits)
        if getattr(wanted.limits, one.name, None) is not None
    }
    made = dataclasses.replace(drive, **plain, limits=dataclasses.replace(drive.limits, **limits))
    errors = list(_setting_errors(wanted, made))
    if errors:
        raise InvalidSpec(errors)
    return made


def _setting_errors(wanted: WantedDisk, drive: Drive) -> Iterator[FieldError]:
    if drive.io == "native" and drive.cache not in _UNCACHED and (wanted.io or wanted.cache):
        yield FieldError("io", "native goes with cache none or directsync only")
    asked = wanted.shareable or wanted.read_only is False
    if asked and drive.shareable and not drive.read_only and drive.format != "raw":
        yield FieldError("shareable", SHARED_FORMAT)
    for kind in ("bytes", "iops") if wanted.limits is not None else ():
        total, reads, writes = (getattr(drive.limits, f"{what}_{kind}_sec") for what in ("total", "read", "write"))
        if total and (reads or writes):
            others = f"read_{kind}_sec and write_{kind}_sec"
            yield FieldError(f"limits.total_{kind}_sec", f"goes with no limit of {others}: set those to 0")


def _change(wanted: WantedDisk, chassis: Chassis, found: Found, present: Drive) -> Plan:
    defined, running = found
    drive = _with(wanted, present)
    before: Dict[str, Any] = {}
    after: Dict[str, Any] = {}
    steps: List[Step] = []
    if chassis.running_xml is not None and running is None:
        plugged = taken_by(drive, chassis) or why_not_live(drive, chassis.running_xml)
        if plugged is None:
            steps.append(Step(f"Plug in disk {drive.target}", PlugDrive(chassis.uuid, drive), Applies.NOW))
            before["running"], after["running"] = False, True
    if defined is None and chassis.defined_xml is not None:
        title = f"Write disk {drive.target} into the definition"
        steps.append(Step(title, DefineDrive(chassis.uuid, drive), Applies.NOW))
        before["defined"], after["defined"] = False, True
    names = [name for name in (*SETTINGS, "limits") if defined and getattr(defined, name) != getattr(drive, name)]
    for waits, applies in ((False, Applies.NOW), (True, Applies.NEXT_BOOT)):
        changed = tuple(name for name in names if _waits(name, drive, running) is waits)
        if changed:
            later = " for the next boot" if waits else ""
            title = f"Set {', '.join(changed)} of disk {drive.target}{later}"
            steps.append(Step(title, SetDrive(chassis.uuid, drive, changed), applies, changed))
    if chassis.defined_xml is None and any(getattr(present, name) != getattr(drive, name) for name in SETTINGS):
        require_definition(chassis)
    if running is not None and running.limits != drive.limits and wanted.limits is not None:
        title = f"Limit disk {drive.target} of the running VM"
        steps.append(Step(title, LimitDrive(chassis.uuid, drive.target, drive.limits), Applies.NOW, ("limits",)))
        names = [*dict.fromkeys([*names, "limits"])]
        present = running if defined is None or defined.limits == drive.limits else defined
    shown, made = drive_as_data(present), drive_as_data(drive)
    for name in names:
        before[name], after[name] = shown[name], made[name]
    return Plan(tuple(steps), before, after)


def _waits(name: str, drive: Drive, running: Optional[Drive]) -> bool:
    """Whether the running VM gets that setting at its next boot only."""
    return name != "limits" and running is not None and getattr(running, name) != getattr(drive, name)


def taken_by(drive: Drive, chassis: Chassis) -> Optional[str]:
    """Why the running VM has no room for the drive where it is to be; None where it has."""
    return next(
        (
            f"the running VM has another disk at {other.target}"
            for other in chassis.running_drives
            if other.target == drive.target or (drive.place and (other.bus, other.place) == (drive.bus, drive.place))
        ),
        None,
    )


def _grow(wanted: WantedDisk, chassis: Chassis, path: Optional[str], size: Optional[int], live: bool) -> Plan:
    if wanted.size_gb is None:
        return Plan()
    if size is None or path is None:
        raise InvalidSpec([FieldError("size_gb", "the size of this disk is not known to the host")])
    capacity = larger(size, wanted.size_gb, "size_gb")
    if capacity is None:
        return Plan()
    if chassis.is_active and not live:
        raise WrongState("VM must be stopped before this disk grows: it gets the disk at its next boot only")
    operation = GrowDisk(chassis.uuid, path, capacity, live, "size_gb")
    step = Step(f"Grow the disk to {disk_gib(capacity):g} GiB", operation, Applies.NOW, ("size_gb",))
    return Plan((step,), {"size_gb": disk_gib(size)}, {"size_gb": disk_gib(capacity)})
