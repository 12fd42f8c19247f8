# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings a CD-ROM drive of a VM, and what is in it, to what is wanted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.sockets import (
    Place,
    free_place,
    free_target,
    has_controller,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    LIBVIRT_NAME_SAYS,
    check_types,
    facts,
    field_errors,
    path_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis, require_changeable
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import (
    ChangeMedium,
    DefineDrive,
    DefineMedium,
    PlugDrive,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.disk import (
    Source,
    detach_steps,
    taken_by,
    why_not_live,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.found_disk import Found
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volumes import volume_name

STATES = ("present", "ejected", "absent")
BUSES = ("scsi", "sata")

_CDROM = "cdrom"
_NAME = {"pattern": LIBVIRT_NAME_PATTERN, "pattern_says": LIBVIRT_NAME_SAYS}


@dataclass(frozen=True)
class WantedCdrom:
    """What a CD-ROM drive should be, and hold: what is at ``path``, or ``volume`` of ``pool``; None leaves that.

    The drive is that at ``target``, else the VM's only one but that of its cloud-init seed.
    """

    state: str = field(default="present", metadata=facts("What the drive is to be.", choices=STATES))
    target: Optional[str] = field(
        default=None,
        metadata=facts(
            "The drive's name in the VM's definition.",
            pattern=r"^(vd|sd|hd|xvd)[a-z]{1,2}$",
            pattern_says="such as sda or hdc",
        ),
    )
    path: Optional[str] = field(default=None, metadata=facts("The medium on the host.", max_length=4095))
    volume: Optional[str] = field(default=None, metadata=facts("The medium in the pool.", **_NAME))
    pool: str = field(default="default", metadata=facts("The storage pool of the medium.", **_NAME))
    bus: Optional[str] = field(default=None, metadata=facts("How a new drive is attached.", choices=BUSES))
    force: bool = field(default=False, metadata=facts("Whether a locked tray is opened all the same."))
    live: bool = field(default=False, metadata=facts("Whether that of a VM that runs may be changed."))
    timeout: float = field(default=60, metadata=facts("How long the guest has to let go.", unit="s", minimum=0))


def validate_cdrom(wanted: WantedCdrom) -> WantedCdrom:
    """``wanted`` if it can be; raises `InvalidSpec` with all that can't."""
    check_types(wanted)
    errors = list(field_errors(wanted))
    if wanted.path is not None:
        errors += path_errors("path", wanted.path)
        if wanted.volume is not None:
            errors.append(FieldError("volume", "does not go with path"))
    for name in ("path", "volume"):
        if getattr(wanted, name) is not None and wanted.state != "present":
            errors.append(FieldError(name, "goes with state present only"))
    if wanted.target is not None and wanted.bus is not None and not wanted.target.startswith("sd"):
        errors.append(FieldError("target", f"is no name of a drive on {wanted.bus}: sda is"))
    if errors:
        raise InvalidSpec(errors)
    return wanted


def find_cdrom(wanted: WantedCdrom, chassis: Chassis) -> Found:
    """The drive that is meant; raises `InvalidSpec` if it is none, or may be one of several."""
    targets = dict.fromkeys(drive.target for drive in _candidates(wanted, chassis))
    if len(targets) > 1:
        raise InvalidSpec(
            [FieldError("target", f"is required: the VM has several CD-ROM drives ({', '.join(targets)})")]
        )
    target = next(iter(targets), wanted.target)
    sides = [
        next((drive for drive in drives if drive.target == target), None)
        for drives in (chassis.defined_drives, chassis.running_drives)
    ]
    for drive in sides:
        if drive is not None and drive.device != _CDROM:
            raise InvalidSpec([FieldError("target", f"is a {drive.device}, and no CD-ROM drive")])
        if drive is not None and wanted.bus not in (None, drive.bus) and wanted.state == "present":
            raise InvalidSpec([FieldError("bus", f"of drive {drive.target} is {drive.bus}: make it absent first")])
    return Found(*sides)


def plan_cdrom(wanted: WantedCdrom, chassis: Chassis, found: Found, medium: Optional[Source]) -> Plan:
    """The steps that bring the drive that was ``found``, or a new one, to what is wanted; ``medium`` is put into it."""
    if found.drive is None:
        plan = _new(wanted, chassis, medium) if wanted.state == "present" else Plan()
    elif wanted.state == "absent":
        plan = _absent(wanted, chassis, found, found.drive)
    else:
        plan = _change(wanted, chassis, found, found.drive, medium)
    if plan.changed:
        require_changeable(chassis, wanted.live)
    return plan


def cdrom_as_data(found: Found) -> Optional[Dict[str, Any]]:
    """Plain data of a drive, for an answer: ``medium`` is what the guest sees now, or when it starts."""
    drive = found.running or found.defined
    if drive is None:
        return None
    sides = {"defined": found.defined is not None, "running": found.running is not None}
    return {"target": drive.target, "bus": drive.bus, "medium": drive.path, **sides}


def _candidates(wanted: WantedCdrom, chassis: Chassis) -> List[Drive]:
    drives = [*chassis.defined_drives, *chassis.running_drives]
    if wanted.target is not None:
        return [drive for drive in drives if drive.target == wanted.target]
    return [drive for drive in drives if drive.device == _CDROM and not _is_seed(drive, chassis)]


def _is_seed(drive: Drive, chassis: Chassis) -> bool:
    """Whether it holds the seed that we made for this VM; its name begins as only this VM's volumes do."""
    name = (drive.path or "").rpartition("/")[2]
    return chassis.record is not None and volume_name("", chassis.uuid, "seed-") in name and name.endswith(".iso")


def _new(wanted: WantedCdrom, chassis: Chassis, medium: Optional[Source]) -> Plan:
    bus = wanted.bus or _bus(chassis)
    if wanted.target is not None and not wanted.target.startswith("sd"):
        raise InvalidSpec([FieldError("target", "of a new drive begins with sd")])
    place = free_place(chassis.xmls, bus)
    drive = Drive(
        _CDROM,
        wanted.target or free_target(chassis.xmls, bus),
        bus=bus,
        path=None if medium is None else medium.path,
        is_block=medium is not None and medium.is_block,
        format="raw",
        read_only=True,
        place=None if place is None else (place.controller, place.unit),
    )
    steps: List[Step] = []
    reason = _why_not_live(drive, chassis, place)
    if chassis.is_active and reason is None:
        steps.append(Step(f"Plug in CD-ROM drive {drive.target}", PlugDrive(chassis.uuid, drive), Applies.NOW))
    elif chassis.defined_xml is None:
        raise WrongState(f"Drive {drive.target} can't be plugged in: {reason}, and the VM is transient")
    if chassis.defined_xml is not None:
        waits = f", for the next boot: {reason}" if reason else ""
        controller = place.controller if place is not None and place.is_new and bus == "scsi" else None
        steps.append(
            Step(
                f"Write CD-ROM drive {drive.target} into the definition{waits}",
                DefineDrive(chassis.uuid, drive, controller),
                Applies.NEXT_BOOT if reason else Applies.NOW,
                ("state",),
            )
        )
    shown = {"target": drive.target, "bus": bus, "medium": drive.path}
    return Plan(tuple(steps), {"state": "absent"}, {"state": "present", **shown})


def _bus(chassis: Chassis) -> str:
    """The bus that suits the VM: SCSI, as kernels for clouds have no AHCI, but for a VM that has SATA and no SCSI."""
    controllers = [has_controller(xml, "scsi", index) for xml in chassis.xmls for index in range(4)]
    has_sata = any(drive.bus == "sata" for drive in (*chassis.defined_drives, *chassis.running_drives))
    return "sata" if has_sata and not any(controllers) else "scsi"


def _change(wanted: WantedCdrom, chassis: Chassis, found: Found, present: Drive, medium: Optional[Source]) -> Plan:
    path = None if medium is None else medium.path
    is_block = medium is not None and medium.is_block
    is_changed = wanted.state == "ejected" or medium is not None
    steps: List[Step] = []
    words = "Take the medium out of" if path is None else f"Put {path} into"
    defined, running = found
    plugged = False
    if chassis.is_active and running is None and defined is not None:
        filled = dataclasses.replace(defined, path=path, is_block=is_block) if is_changed else defined
        plugged = _why_not_live(filled, chassis, None) is None
        if plugged:
            title = f"Plug in CD-ROM drive {filled.target}"
            steps.append(Step(title, PlugDrive(chassis.uuid, filled), Applies.NOW))
    if is_changed and running is not None and running.path != path:
        operation = ChangeMedium(chassis.uuid, present.target, path, is_block, wanted.force)
        steps.append(Step(f"{words} drive {present.target}", operation, Applies.NOW))
    if is_changed and defined is not None and defined.path != path:
        waits = chassis.is_active and running is None and not plugged
        applies = Applies.NEXT_BOOT if waits else Applies.NOW
        fields = ("state",) if path is None else ("volume",) if wanted.volume else ("path",)
        title = f"{words} drive {present.target} of the definition"
        steps.append(Step(title, DefineMedium(chassis.uuid, present.target, path, is_block), applies, fields))
    if not steps:
        return Plan()
    before: Dict[str, Any] = {"running": False} if plugged else {}
    after: Dict[str, Any] = {"running": True} if plugged else {}
    old = running if running is not None and running.path != path else present
    if is_changed and old.path != path:
        before["medium"], after["medium"] = old.path, path
    return Plan(tuple(steps), before, after)


def _absent(wanted: WantedCdrom, chassis: Chassis, found: Found, drive: Drive) -> Plan:
    steps = detach_steps(chassis, found, drive, wanted.timeout)
    before = {"state": "present", "target": drive.target, "medium": drive.path}
    return Plan(tuple(steps), before, {"state": "absent"}) if steps else Plan()


def _why_not_live(drive: Drive, chassis: Chassis, place: Optional[Place]) -> Optional[str]:
    if chassis.running_xml is None:
        return None
    if drive.path is None:
        return "an empty drive can't be plugged in live"
    return taken_by(drive, chassis) or why_not_live(drive, chassis.running_xml, place)
