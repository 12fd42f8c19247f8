# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshots can be removed, seen from what would become of the others.

Removing an external snapshot merges the file that it has the VM write to into the file before, and deletes it. libvirt
does so without a look at who else needs either file, or what other snapshots are inside of them.
"""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import Unsupported, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import RemoveSnapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotSurroundings
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Step
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot


def removals(
    observed: ObservedMachine,
    present: Sequence[Snapshot],
    going: Sequence[Snapshot],
    around: SnapshotSurroundings,
    timeout: float,
) -> Iterator[Step]:
    """The steps that remove those that are ``going``, in that order. Raises `WrongState`, `Unsupported`."""
    left = list(present)
    for one in going:
        left.remove(one)
        if one.is_external:
            _require_mergeable(observed, one, left, around)
        elif observed.is_active:
            _require_at_hand(observed, one)
        title = f"Remove snapshot '{one.name}' of VM '{observed.name}'"
        yield Step(title, RemoveSnapshot(observed.uuid, one.name, timeout))


def require_unused(snapshot: Snapshot, users: Mapping[str, str]) -> None:
    """Raise `WrongState` if somebody else needs a file that would be merged into, or would be gone."""
    if snapshot.name in users:
        raise WrongState(f"Snapshot '{snapshot.name}' can't be removed: {users[snapshot.name]}")


def _require_mergeable(
    observed: ObservedMachine, one: Snapshot, left: Sequence[Snapshot], around: SnapshotSurroundings
) -> None:
    if observed.status == "saved":
        raise WrongState(f"VM is saved: start it before its snapshot '{one.name}', which is external, is removed")
    inside = [
        other.name
        for other in left
        if not other.is_external and any(disk.path in one.overlays for disk in other.frozen_disks)
    ]
    if inside:
        names = ", ".join(f"'{name}'" for name in inside)
        raise WrongState(f"Snapshot '{one.name}' can't be removed before those inside of its files: {names}")
    require_unused(one, around.users)
    if around.handles_external:
        return
    if not observed.is_active and any(disk.path in one.overlays for other in left for disk in other.frozen_disks):
        # it does not look for the files below the first ones before it starts the VM
        raise WrongState(
            f"This host's libvirt can't remove snapshot '{one.name}' while the VM is off, because it is external and"
            " not the last one: start the VM, or remove those after it first (children)"
        )
    parent = next((other for other in left if other.name == one.parent), None)
    if parent is not None and not parent.is_external:
        raise Unsupported(
            f"This host's libvirt can't remove snapshot '{one.name}', because it is external and comes after"
            f" '{parent.name}', which is inside the disks: remove that one first",
            "snapshot",
        )


def _require_at_hand(observed: ObservedMachine, one: Snapshot) -> None:
    """Raise `WrongState` for one inside of a file that the running VM only reads from."""
    now = {disk.target: disk.path for disk in (observed.running or observed.definition).disks}
    if any(disk.path != now.get(disk.target) for disk in one.frozen_disks):
        raise WrongState(
            f"VM must be stopped before its snapshot '{one.name}' is removed: it is inside of a file"
            " that the VM no longer writes to"
        )
