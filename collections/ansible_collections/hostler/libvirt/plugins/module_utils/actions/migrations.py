# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that move a VM to another host."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import partial
from typing import Dict, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers, Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.migration_watch import Watch, begin
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.moved_volumes import (
    carry,
    make_target,
    remove_mark,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import Move, read_move
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    MachineNotFound,
    OperationFailed,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor import migration
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.migration import Journey
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_steps import (
    CarryVolume,
    CompleteMove,
    MakeTarget,
    MigrateLive,
    MigrateOffline,
    NoteMove,
    RemoveRemains,
    SetAutostartThere,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import look_for_overlays

_OFFLINE_SECONDS = 60.0  # a definition is sent at once, or never


@dataclass
class Transfer:
    """What a live migration took, as libvirt has measured it. None of what it did not say; times in milliseconds."""

    total_ms: Optional[int] = None
    downtime_ms: Optional[int] = None
    memory_bytes: Optional[int] = None
    disk_bytes: Optional[int] = None


def doers(destination: Hypervisor, transfer: Transfer) -> Doers:
    """What `perform` does, at the source or the destination, for each operation; ``transfer`` gets what it took."""
    return {
        CarryVolume: partial(carry, destination),
        MakeTarget: partial(make_target, destination),
        NoteMove: note_move,
        MigrateLive: partial(migrate_live, destination, transfer),
        MigrateOffline: partial(migrate_offline, destination),
        RemoveRemains: partial(remove_remains, destination),
        SetAutostartThere: partial(set_autostart, destination),
        CompleteMove: partial(complete_move, destination),
    }


def note_move(source: Hypervisor, operation: NoteMove) -> Undo:
    """Write down what is left to do where the VM goes."""
    domain = source.domain(operation.uuid)
    before = read_move(domain.xml(inactive=True))
    migration.set_move(domain, operation.move)
    return partial(_note_again, source, operation.uuid, before)


def migrate_live(destination: Hypervisor, transfer: Transfer, source: Hypervisor, operation: MigrateLive) -> None:
    """Move it while it runs, and see that it is there, and only there."""
    seen = Watch(source, destination, operation).migrate()
    domain = _arrived(source, destination, operation.uuid)
    took = migration.completed(domain)
    transfer.total_ms = seen.elapsed if took is None else took.elapsed
    transfer.downtime_ms = None if took is None else took.downtime
    transfer.memory_bytes = seen.memory if took is None else took.memory
    transfer.disk_bytes = seen.disks  # of these libvirt keeps nothing when it is over
    if not domain.is_active():
        raise OperationFailed("VM was migrated, and is off at its destination by now")
    if operation.paused is False and migration.stands_for_migration(domain):
        raise OperationFailed("VM was migrated, and stands still at its destination")


def migrate_offline(destination: Hypervisor, source: Hypervisor, operation: MigrateOffline) -> None:
    """Move the definition of one that is off by now, too."""
    if source.domain(operation.uuid).is_active():
        raise WrongState("VM runs by now")
    for path, modified in operation.copied:
        volume = source.find_volume_at(path)
        if volume is None or volume.facts().modified != modified:
            # by a guest that is off again, say: what is there is neither what was there before nor what is here now
            raise WrongState(f"{path} was written to while the VM's disks were copied")
    call = begin(source, destination, operation.uuid, Journey(live=False, peer_uri=operation.peer_uri))
    if not call.ends_within(_OFFLINE_SECONDS):
        raise GuestTimeout(f"VM was not moved within {_OFFLINE_SECONDS:g} s; libvirt may still be at it")
    call.result()
    _arrived(source, destination, operation.uuid)


def remove_remains(destination: Hypervisor, source: Hypervisor, operation: RemoveRemains) -> None:
    """Take away what stands still at the source, looked at once more on both sides."""
    there = destination.domain(operation.uuid)
    if not there.is_active() or migration.stands_for_migration(there):
        raise WrongState("VM does not run at its destination by now")
    here = source.find_domain(operation.uuid)
    if here is None:
        return
    if not migration.stands_for_migration(here) and not migration.has_left(here):
        raise WrongState("VM has gone on at the source by now")
    if here.is_active():
        here.destroy()
    if source.find_domain(operation.uuid) is not None:
        here.undefine()


def set_autostart(destination: Hypervisor, _source: Hypervisor, operation: SetAutostartThere) -> None:
    """Start it with its new host."""
    destination.domain(operation.uuid).set_autostart(True)


def complete_move(destination: Hypervisor, _source: Hypervisor, operation: CompleteMove) -> None:
    """Take away marks and note; from then on nothing tells of the migration."""
    domain = destination.domain(operation.uuid)
    move = read_move(domain.xml(inactive=True))
    if move is None:
        return
    if move.copied:
        look_for_overlays(destination)
    for path in move.copied:
        volume = destination.find_volume_at(path)
        if volume is not None:
            remove_mark(destination.pool_of(volume), posixpath.basename(path))
    migration.set_move(domain, None)


def _arrived(source: Hypervisor, destination: Hypervisor, uuid: str) -> Domain:
    """The VM at its destination; raises `OperationFailed` unless it is there, and only there."""
    domain = destination.find_domain(uuid)
    if domain is None or not domain.is_persistent():
        raise OperationFailed("VM is not at its destination, though libvirt said so")
    if source.find_domain(uuid) is not None:
        raise OperationFailed("VM is at its destination, and its definition still at the source")
    return domain


def _note_again(source: Hypervisor, uuid: str, move: Optional[Move]) -> None:
    try:
        migration.set_move(source.domain(uuid), move)
    except MachineNotFound:
        return  # it has moved, with its note


def as_data(transfer: Transfer) -> Dict[str, Optional[int]]:
    """Plain data, for an answer."""
    return dict(vars(transfer))
