# SPDX-License-Identifier: GPL-3.0-or-later
"""The further disks and cards of a VM that is there, as lists say them: after the root disk, after the first card.

An entry that the VM lacks is made, one that it has is brought to what the entry says, and what can't be is refused.
What the VM has beyond a list stays, unless the list is to be complete.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar

from ansible_collections.hostler.libvirt.plugins.module_utils.card import NetworkConfig, cards_errors, no_card_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Graphics
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import Nic
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import check_types, field_errors, value_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.disk import Source
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import GrowDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import DiskConfig, MachineSpec, facts_of

Wanted = TypeVar("Wanted")
Present = TypeVar("Present")

_DISKS = ("disk", "lun")


@dataclass(frozen=True)
class Further:
    """The lists, None for what is left alone; ``*_exclusive`` ones are complete.

    With ``delete_disks`` the files of disks that go are deleted, if they are the VM's own. With ``all_nics`` there is
    no first card apart from the list; ``first_nic`` is whether one is described. A guest has ``timeout`` seconds to
    let go of a device.
    """

    disks: Optional[Tuple[DiskConfig, ...]] = None
    nics: Optional[Tuple[NetworkConfig, ...]] = None
    disks_exclusive: bool = False
    nics_exclusive: bool = False
    delete_disks: bool = False
    all_nics: bool = False
    first_nic: bool = False
    timeout: float = 60


@dataclass(frozen=True)
class Stock:
    """What the plan of what is plugged into a VM has to know of it and of its host."""

    chassis: Chassis
    sources: Mapping[int, Source] = field(default_factory=dict)  # of the entries that the VM lacks
    sizes: Mapping[str, Optional[int]] = field(default_factory=dict)  # in bytes, by target
    images: Mapping[int, str] = field(default_factory=dict)  # where the image of an entry that is an overlay is
    chains: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)  # below the disks of such entries, by target
    owned: Mapping[str, Sequence[str]] = field(default_factory=dict)  # files that go with a disk, by target
    held: Mapping[str, str] = field(default_factory=dict)  # the external snapshot of a disk, by target
    displays: Tuple[Graphics, ...] = ()  # as they are defined, with their passwords
    running_displays: Tuple[Graphics, ...] = ()


def validate_further(further: Further) -> Further:
    """``further`` if all entries can be; raises `InvalidSpec` with every field that can't."""
    check_types(further)
    errors: List[FieldError] = []
    for name in ("disks", "nics"):
        entries = getattr(further, name)
        errors += [] if entries is None else value_errors(name, entries, facts_of(MachineSpec, name))
        for index, entry in enumerate(entries or ()):
            errors += field_errors(entry, f"{name}.{index}.")
    errors += cards_errors([(f"nics.{index}", card) for index, card in enumerate(further.nics or ())])
    errors += no_card_errors(further.nics or ())
    if errors:
        raise InvalidSpec(errors)
    return further


def paired_disks(further: Further, chassis: Chassis) -> Tuple[List[Optional[Drive]], List[Drive]]:
    """For each entry the disk that it means, None where the VM lacks it; and the disks that no entry means.

    An entry means the next disk on its bus, since libvirt keeps a domain's disks by bus; else the next of those left.
    """
    defined = chassis.running_drives if chassis.defined_xml is None else chassis.defined_drives
    drives = [drive for drive in defined if drive.device in _DISKS and drive.target != chassis.root_target]
    return _paired(further.disks or (), drives, lambda entry, drive: entry.bus == drive.bus)


def paired_nics(further: Further, chassis: Chassis) -> Tuple[List[Optional[Nic]], List[Nic]]:
    """As `paired_disks`: an entry means the card of its address; else the next of those left."""
    cards = list(chassis.running_nics if chassis.defined_xml is None else chassis.defined_nics)
    if further.nics and not cards and not further.all_nics and not further.first_nic:
        reason = "come after the first card, and the VM has none: say by network_config what that is, or type none"
        raise InvalidSpec([FieldError("nics", reason)])
    return _paired(
        further.nics or (),
        cards if further.all_nics else cards[1:],
        lambda entry, card: entry.mac_address is not None and entry.mac_address.lower() == card.mac_address,
    )


def as_entry(plan: Plan, option: str, index: Optional[int] = None) -> Tuple[Step, ...]:
    """The steps of a device's ``plan`` as those of a list's entry: what they set is called by the list's name."""
    return tuple(_as_entry(step, option, index) for step in plan.steps)


def _as_entry(step: Step, option: str, index: Optional[int]) -> Step:
    operation = step.operation
    if isinstance(operation, GrowDisk):
        operation = dataclasses.replace(operation, field=f"{option}.{index}.{operation.field}")
    return dataclasses.replace(step, operation=operation, fields=(option,))


def gathered(option: str, steps: Sequence[Step], changes: Mapping[str, Plan]) -> Plan:
    """The plan of a list: its ``steps``, and of each device by its name what changes."""
    if not steps:
        return Plan()
    before: Dict[str, Any] = {name: dict(plan.before) for name, plan in changes.items() if plan.changed}
    after: Dict[str, Any] = {name: dict(plan.after) for name, plan in changes.items() if plan.changed}
    return Plan(tuple(steps), {option: before}, {option: after})


def _paired(
    wanted: Sequence[Wanted], present: Sequence[Present], is_meant: Callable[[Wanted, Present], bool]
) -> Tuple[List[Optional[Present]], List[Present]]:
    left = list(present)
    found: List[Optional[Present]] = []
    for entry in wanted:
        match = next((one for one in left if is_meant(entry, one)), None)
        if match is not None:
            left.remove(match)
        found.append(match)
    return [left.pop(0) if one is None and left else one for one in found], left
