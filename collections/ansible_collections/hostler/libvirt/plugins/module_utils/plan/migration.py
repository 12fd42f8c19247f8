# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a VM's way to another host.

All that is made at the destination is made before the VM moves, and taken away again if it does not. What is to be done
after it has moved stands in its definition when it arrives, so that a task that was killed can be run again.
"""

from __future__ import annotations

import posixpath
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import Move
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_facts import (
    MigrationSurroundings,
    MovedFile,
    Sighting,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_host import (
    require_another_host,
    require_host,
    require_movable,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_steps import (
    CompleteMove,
    MigrateLive,
    MigrateOffline,
    NoteMove,
    RemoveRemains,
    SetAutostartThere,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_storage import copied_files, storage_steps
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import MigrationWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import ResumeDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import DeleteVolume


def plan_migration(
    around: MigrationSurroundings, wish: MigrationWish, destination_uri: str, owned: Sequence[str] = ()
) -> Plan:
    """The steps that bring the VM to the destination; none where it is there, whole.

    ``owned`` are paths of the disks at the source that are the VM's own. The VM is on one host at least. Raises what
    the VM, or the destination, can't do.
    """
    require_another_host(around)
    here, there = around.here, around.there
    if here is None:
        return Plan() if there is None else _arrived(around, there, wish)
    if there is not None:
        return _on_both(around, here, there, wish)
    require_movable(around, here, wish)
    require_host(around, here, wish)
    files = copied_files(around, wish)
    live = here.observed.is_active
    goes_on = here.standing  # a migration that was cut off has left it so
    steps: List[Step] = []
    if goes_on:
        steps.append(Step("Let the VM go on after a migration that was cut off", ResumeDomain(here.observed.uuid)))
    steps += storage_steps(around, wish, files, live)
    move = Move(
        around.source.uuid, around.destination.uuid, here.observed.autostart, tuple(file.path for file in files)
    )
    steps.append(Step("Note in the VM's definition what remains to be done", NoteMove(here.observed.uuid, move)))
    peer_uri = (wish.peer_uri or destination_uri) if wish.peer_to_peer else None
    steps.append(_migration(around, here, wish, files, peer_uri, goes_on))
    deleted = [path for path in owned if path in move.copied] if wish.delete_source_disks else []
    steps += _after(around, here.observed.uuid, move, deleted)
    return Plan(tuple(steps), _host(around.source.name, here), _host(around.destination.name, here, goes_on))


def left_behind(around: MigrationSurroundings, plan: Plan) -> List[str]:
    """Paths of the files at the source that nobody needs after the plan, and that stay."""
    moves = [step.operation.move for step in plan.steps if isinstance(step.operation, NoteMove)]
    if not moves and around.there is not None:
        move = _move_of(around, around.there)
        moves = [move] if move is not None and move.source == around.source.uuid else []
    deleted = {step.operation.path for step in plan.steps if isinstance(step.operation, DeleteVolume)}
    return [path for move in moves for path in move.copied if path not in deleted]


def _migration(
    around: MigrationSurroundings,
    here: Sighting,
    wish: MigrationWish,
    files: Sequence[MovedFile],
    peer_uri: Optional[str],
    goes_on: bool,
) -> Step:
    observed = here.observed
    if not observed.is_active:
        return Step(
            f"Move the definition of VM '{observed.name}' to {around.destination.name}",
            MigrateOffline(
                observed.uuid,
                peer_uri,
                tuple((one.path, one.here.modified) for one in files if one.here is not None and one.written),
            ),
        )
    operation = MigrateLive(
        uuid=observed.uuid,
        paused=observed.status == "paused" and not goes_on,
        copied=tuple(file.target for file in files if file.written),
        incremental=wish.storage == "incremental",
        peer_uri=peer_uri,
        migrate_uri=wish.migrate_uri,
        tunnelled=wish.tunnelled,
        unsafe=wish.unsafe,
        bandwidth_mb=wish.bandwidth_mb,
        max_downtime_ms=wish.max_downtime_ms,
        auto_converge=wish.auto_converge,
        timeout=wish.timeout,
        on_timeout=wish.on_timeout,
    )
    return Step(f"Migrate VM '{observed.name}' live to {around.destination.name}", operation)


def _after(around: MigrationSurroundings, uuid: str, move: Move, deleted: Sequence[str]) -> Iterator[Step]:
    if move.autostart:
        yield Step(f"Start the VM with {around.destination.name}", SetAutostartThere(uuid))
    yield Step("Take the note out of the VM's definition", CompleteMove(uuid))
    for path in deleted:
        yield Step(f"Delete disk {posixpath.basename(path)} on {around.source.name}", DeleteVolume(path))


def _arrived(around: MigrationSurroundings, there: Sighting, wish: MigrationWish) -> Plan:
    """What a task that was killed has left to do after the VM came here."""
    observed = there.observed
    if there.standing and not observed.is_persistent:
        raise WrongState(f"VM '{observed.name}' is on its way to {around.destination.name}, from another host")
    move = _move_of(around, there)
    if move is None:
        return Plan()
    deleted = move.copied if wish.delete_source_disks and move.source == around.source.uuid else ()
    before, after = _difference(observed.autostart, move)
    return Plan(tuple(_after(around, observed.uuid, move, deleted)), before, after)


def _difference(autostart: bool, move: Move) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    before: Dict[str, Any] = {"migration": "cut off"}
    after: Dict[str, Any] = {"migration": "complete"}
    if move.autostart and not autostart:
        before["autostart"], after["autostart"] = False, True
    return before, after


def _on_both(around: MigrationSurroundings, here: Sighting, there: Sighting, wish: MigrationWish) -> Plan:
    name = here.observed.name
    if here.migrating:
        raise WrongState(f"VM '{name}' is being migrated from {around.source.name} already")
    runs_there = there.observed.is_active and not there.standing
    if runs_there and (here.standing or here.left):
        uuid = here.observed.uuid
        remains = Step(
            f"Take away what a migration that was cut off has left of the VM on {around.source.name}",
            RemoveRemains(uuid),
        )
        # what its disks at the source are is told by nobody any longer, until the next run
        before, after = _host(around.source.name, here), _host(around.destination.name, there)
        return Plan((remains,), before, after).then(_arrived(around, there, wish))
    raise WrongState(
        f"VM '{name}' is on both hosts, {here.observed.status} on {around.source.name} and {there.observed.status} on"
        f" {around.destination.name}: undefine the one that doesn't count"
    )


def _move_of(around: MigrationSurroundings, there: Sighting) -> Optional[Move]:
    """What the VM has noted, if that is about the host that it is on."""
    return there.move if there.move is not None and there.move.destination == around.destination.uuid else None


def _host(name: str, sighting: Sighting, goes_on: bool = False) -> Dict[str, Any]:
    return {"host": name, "state": "running" if goes_on else sighting.observed.status}
