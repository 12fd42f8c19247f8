# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of what is wanted of a VM's snapshots. What libvirt would refuse half-way is refused here before."""

from __future__ import annotations

import re
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    SnapshotNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_content import content_of
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_removal import removals
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_revert import plan_revert
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import TakeSnapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import (
    NEW_NAME,
    NEW_NAME_SAYS,
    SnapshotSurroundings,
    SnapshotWish,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.template import require_no_template
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, utc, with_descendants


def plan_snapshot(
    observed: ObservedMachine, present: Sequence[Snapshot], wish: SnapshotWish, around: SnapshotSurroundings
) -> Plan:
    """The steps from the snapshots that are ``present``, in their order, to what is wanted.

    Raises `InvalidSpec`, `WrongState`, `Unsupported`, `AgentUnavailable`, `SnapshotNotFound`.
    """
    if observed.record is not None and observed.record.incomplete:
        raise WrongState(f"VM '{observed.name}' is being created, or its creation was cut off")
    plan = _PLANS[wish.state](observed, present, wish, around)
    if plan.changed:
        require_no_template(observed.record, observed.name, "get or lose snapshots, or go back to one")
    return plan


def _present(
    observed: ObservedMachine, present: Sequence[Snapshot], wish: SnapshotWish, around: SnapshotSurroundings
) -> Plan:
    there = next((one for one in present if one.name == wish.snapshot), None)
    if there is not None:
        _require_same(there, wish)
        return _retained(observed, present, there, wish, around)
    name = wish.snapshot or _generated(wish, present, around.now)
    if not re.fullmatch(NEW_NAME, name):
        raise InvalidSpec([FieldError("snapshot", f"must be {NEW_NAME_SAYS}")])
    snapshot = content_of(observed, name, wish, around)
    step = Step(f"Take snapshot '{name}' of VM '{observed.name}'", TakeSnapshot(
        observed.uuid, snapshot, wish.quiesce, wish.timeout
    ))  # fmt: skip
    taken = {
        "name": name,
        "memory": snapshot.has_memory,
        "external": snapshot.is_external,
        "quiesce": wish.quiesce,
        "description": snapshot.description,
        "disks": [disk.target for disk in snapshot.disks if disk.kind != "no"],
    }
    plan = Plan((step,), {"snapshots": _names(present)}, {"snapshots": [*_names(present), name], "taken": taken})
    return plan.then(_retained(observed, [*present, snapshot], snapshot, wish, around))


def _retained(
    observed: ObservedMachine,
    present: Sequence[Snapshot],
    asked: Snapshot,
    wish: SnapshotWish,
    around: SnapshotSurroundings,
) -> Plan:
    """What goes so that no more than is to be kept stay; never the one that is asked for, nor one of another series."""
    if wish.keep is None:
        return Plan()
    members = [one for one in present if one.series == wish.series]
    surplus = [one for one in members[: -wish.keep] if one.name != asked.name]
    return _removal(observed, present, surplus, wish, around)


def _absent(
    observed: ObservedMachine, present: Sequence[Snapshot], wish: SnapshotWish, around: SnapshotSurroundings
) -> Plan:
    if wish.children:
        going = with_descendants(present, wish.snapshot or "")
    else:
        going = [one for one in present if one.name == wish.snapshot]
    return _removal(observed, present, going, wish, around)


def _reverted(
    observed: ObservedMachine, present: Sequence[Snapshot], wish: SnapshotWish, around: SnapshotSurroundings
) -> Plan:
    there = next((one for one in present if one.name == wish.snapshot), None)
    if there is None:
        raise SnapshotNotFound(f"VM '{observed.name}' has no snapshot '{wish.snapshot}'", "snapshot")
    current = next((one.name for one in present if one.current), None)
    return plan_revert(observed, there, current, wish, around)


_PLANS: Dict[str, Callable[[ObservedMachine, Sequence[Snapshot], SnapshotWish, SnapshotSurroundings], Plan]] = {
    "present": _present,
    "reverted": _reverted,
    "absent": _absent,
}


def _removal(
    observed: ObservedMachine,
    present: Sequence[Snapshot],
    going: Sequence[Snapshot],
    wish: SnapshotWish,
    around: SnapshotSurroundings,
) -> Plan:
    if not going:
        return Plan()
    gone = {one.name for one in going}
    left = [name for name in _names(present) if name not in gone]
    steps = tuple(removals(observed, present, going, around, wish.timeout))
    return Plan(steps, {"snapshots": _names(present)}, {"snapshots": left})


def _require_same(there: Snapshot, wish: SnapshotWish) -> None:
    """Raise `InvalidSpec` if the one that has the name is of another kind than is asked for."""
    errors: List[FieldError] = []
    present: Tuple[Tuple[str, Optional[bool], bool, str], ...] = (
        ("memory", wish.memory, there.has_memory, "memory"),
        ("external", wish.external, there.is_external, "files of its own"),
    )
    for name, wanted, has, what in present:
        if wanted is not None and wanted != has:
            says = f"is there already, with{'' if has else 'out'} {what}"
            errors.append(FieldError(name, f"snapshot '{there.name}' {says}"))
    if wish.series is not None and there.series != wish.series:
        whose = "no series" if there.series is None else f"series '{there.series}'"
        errors.append(FieldError("series", f"snapshot '{there.name}' is there already, in {whose}"))
    if errors:
        raise InvalidSpec(errors)


def _generated(wish: SnapshotWish, present: Sequence[Snapshot], now: int) -> str:
    name = f"{wish.series or 'snapshot'}-{re.sub('[-:]', '', utc(now))}"
    taken = set(_names(present))
    others = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return next(one for one in (name, *others) if one not in taken)


def _names(snapshots: Sequence[Snapshot]) -> List[str]:
    return [one.name for one in snapshots]
