# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a VM's snapshots.

Those that need QEMU are made on a connection of their own, for so many seconds: a QEMU that hangs never answers, and
libvirt's call can't be cancelled.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Callable, Dict, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers, Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.snapshot import with_record, with_series
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    AgentUnavailable,
    GuestTimeout,
    HostlerError,
    HostUnreachable,
    OperationFailed,
    SnapshotNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.snapshot import Snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_removal import require_unused
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import (
    RemoveSnapshot,
    RevertSnapshot,
    TakeSnapshot,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import (
    definitions_of,
    look_for_overlays,
    path_of,
    paths_in_use,
)

# how long a guest may take to freeze its file systems. Who asks it for addresses leaves it less for everything
_FREEZE_SECONDS = 60
_THAW_SECONDS = 30


def take(hypervisor: Hypervisor, operation: TakeSnapshot) -> Optional[Undo]:
    """Take the snapshot; one that has its name by now stays as it is, in no series, whoever has taken it."""
    wanted = operation.snapshot
    snapshots = Snapshots(hypervisor.domain(operation.uuid))
    if snapshots.find(wanted.name) is not None:
        return None
    _require_new_files(hypervisor, wanted)
    _take(hypervisor, operation)
    taken = snapshots.find(wanted.name)
    if taken is None:
        raise OperationFailed(f"Failed to take snapshot '{wanted.name}': it is not there, though libvirt said so")
    if wanted.series is not None:
        try:
            snapshots.redefine(with_series(snapshots.xml(wanted.name), wanted.name, wanted.series), taken.current)
        except HostlerError as error:
            raise type(error)(f"{error.message}; snapshot '{wanted.name}' was taken and stays, in no series") from error
    if wanted.is_external:
        look_for_overlays(hypervisor)
    return partial(_keep, wanted.name)


def revert(hypervisor: Hypervisor, operation: RevertSnapshot) -> None:
    """Bring the VM back to the snapshot; its record stays what it is now.

    The record is written into the snapshot before, so that it is there with the definition of then, whatever happens.
    """
    domain = hypervisor.domain(operation.uuid)
    snapshots = Snapshots(domain)
    record = read_domain(domain.xml(inactive=True)).record
    there = snapshots.find(operation.name)
    if there is None:
        raise SnapshotNotFound(f"VM '{domain.name}' has no snapshot '{operation.name}'", "snapshot")
    if there.domain is None or there.domain.record != record:
        snapshots.redefine(with_record(snapshots.xml(operation.name), record), there.current)
    snapshots.discard_saved_memory()  # or the next start would bring it back over other disks
    was_on = domain.is_active()
    try:
        _on_the_side(
            hypervisor,
            operation.timeout,
            lambda other: Snapshots(other.domain(operation.uuid)).revert(operation.name, operation.power),
            f"revert to snapshot '{operation.name}'",
        )
    except (GuestTimeout, HostUnreachable):
        raise
    except HostlerError as error:
        if was_on and not domain.is_active():
            raise type(error)(f"{error.message}; the VM is off now", error.field) from error
        raise
    if there.is_external:
        look_for_overlays(hypervisor)  # it writes to new files now
    snapshots.forget_series()
    if read_domain(domain.xml(inactive=True)).record != record:
        domain.set_record(record)
    now = snapshots.find(operation.name)
    if now is None or not now.current:
        raise OperationFailed(
            f"Failed to revert to snapshot '{operation.name}': the VM is not there, though libvirt said so"
        )


def remove(hypervisor: Hypervisor, operation: RemoveSnapshot) -> None:
    """Remove the snapshot, and its memory's file; one that is gone already is no error."""
    domain = hypervisor.find_domain(operation.uuid)
    present = [] if domain is None else Snapshots(domain).all()
    there = next((one for one in present if one.name == operation.name), None)
    if there is None:
        return
    if there.is_external:
        require_unused(there, users_beside(hypervisor, operation.uuid, present))
    _on_the_side(
        hypervisor,
        operation.timeout,
        lambda other: Snapshots(other.domain(operation.uuid)).remove(operation.name),
        f"remove snapshot '{operation.name}'",
    )
    if there.is_external:
        look_for_overlays(hypervisor)
    if there.memory_file is not None:
        _delete_file(hypervisor, there.memory_file)


def users_beside(hypervisor: Hypervisor, uuid: str, snapshots: Sequence[Snapshot]) -> Dict[str, str]:
    """Who beside that VM uses which file of its external ``snapshots``, of those that it was before or is since."""
    look_for_overlays(hypervisor)
    own = {path for one in snapshots for path in one.overlays}
    for definition in definitions_of(hypervisor, hypervisor.domain(uuid)):
        own.update(disk.path for disk in definition.disks if disk.path is not None)
    in_use = paths_in_use(hypervisor, except_uuid=uuid, except_paths=own)
    return {
        one.name: f"{in_use[path]} uses {path}"
        for one in snapshots
        if one.is_external
        for path in (*(path_of(hypervisor, disk) for disk in one.frozen_disks), *one.overlays)
        if path in in_use
    }


DOERS: Doers = {TakeSnapshot: take, RevertSnapshot: revert, RemoveSnapshot: remove}
"""What `perform` does for each operation on them."""


def _take(hypervisor: Hypervisor, operation: TakeSnapshot) -> None:
    def taken(other: Hypervisor) -> None:
        snapshots = Snapshots(other.domain(operation.uuid))
        if operation.quiesce:
            snapshots.give_agent_time(max(1, int(min(_FREEZE_SECONDS, operation.timeout))))
        snapshots.take(operation.snapshot, operation.quiesce)

    try:
        _on_the_side(hypervisor, operation.timeout, taken, f"take snapshot '{operation.snapshot.name}'")
    except (AgentUnavailable, GuestTimeout, HostUnreachable) as error:
        # the guest may have frozen after nobody waited any longer, and nobody thaws it then
        if operation.quiesce and not _thawed(hypervisor, operation.uuid):
            raise type(error)(f"{error.message}; the guest's file systems may be frozen", error.field) from error
        raise
    except HostlerError:
        _sweep(hypervisor, operation)
        raise


def _on_the_side(hypervisor: Hypervisor, seconds: float, work: Callable[[Hypervisor], None], doing: str) -> None:
    with SideConnection(hypervisor) as side:
        try:
            side.call(seconds, work)
        except GuestTimeout:
            raise GuestTimeout(f"Failed to {doing} within {seconds:g} s; libvirt may still be at it") from None


def _thawed(hypervisor: Hypervisor, uuid: str) -> bool:
    """Whether the guest could be told to thaw. A libvirtd that has ended is back soon, most of the time."""
    deadline = time.monotonic() + _THAW_SECONDS
    while True:
        try:
            with SideConnection(hypervisor) as side:
                side.call(_THAW_SECONDS, lambda other: Snapshots(other.domain(uuid)).thaw())
        except (HostUnreachable, AgentUnavailable):
            if time.monotonic() >= deadline:
                return False
            time.sleep(1)
        except HostlerError:
            return False
        else:
            return True


def _require_new_files(hypervisor: Hypervisor, wanted: Snapshot) -> None:
    """Raise `OperationFailed` if there is one of its files: libvirt would overwrite that of the memory."""
    if wanted.files:
        look_for_overlays(hypervisor)
    for path in wanted.files:
        if hypervisor.find_volume_at(path) is not None:
            raise OperationFailed(f"Failed to take snapshot '{wanted.name}': {path} is there already")


def _sweep(hypervisor: Hypervisor, operation: TakeSnapshot) -> None:
    """Delete what of its files a snapshot that failed has left, unless the VM uses them."""
    files = operation.snapshot.files
    if not files or Snapshots(hypervisor.domain(operation.uuid)).find(operation.snapshot.name) is not None:
        return
    look_for_overlays(hypervisor)
    for path in files:
        _delete_file(hypervisor, path)


def _delete_file(hypervisor: Hypervisor, path: str) -> None:
    volume = hypervisor.find_volume_at(path)
    if volume is not None and path not in paths_in_use(hypervisor, except_uuid=""):
        volume.delete()


def _keep(name: str) -> None:
    raise OperationFailed(f"snapshot '{name}', which was taken, stays")
