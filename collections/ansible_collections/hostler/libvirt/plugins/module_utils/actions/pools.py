# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a storage pool."""

from __future__ import annotations

import posixpath
from contextlib import suppress
from typing import Callable, List

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers, Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.patiently import patiently
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    OperationFailed,
    PoolNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.storage_pools import StoragePool, StoragePools
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_steps import (
    BuildPool,
    DefinePool,
    DeletePool,
    DeletePoolVolumes,
    SetPoolAutostart,
    StartPool,
    StopPool,
    UndefinePool,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import look_for_overlays, paths_in_use


def define(hypervisor: Hypervisor, operation: DefinePool) -> Undo:
    """Define it, or give it another definition."""
    before = operation.before
    timeout = operation.timeout
    doing = f"define storage pool '{operation.name}'"
    patiently(
        hypervisor, doing, timeout, lambda host: StoragePools(host).define(operation.xml, checked=operation.checked)
    )
    if before is None:
        return lambda: _do(hypervisor, operation.name, "undefine it again", timeout, StoragePool.undefine)
    old = before
    return lambda: patiently(hypervisor, doing, timeout, lambda host: StoragePools(host).define(old, checked=False))


def build(hypervisor: Hypervisor, operation: BuildPool) -> Undo:
    """Make what it lies in."""
    _do(hypervisor, operation.name, "be made", operation.timeout, lambda pool: pool.build(operation.mode))

    def stays() -> None:
        # it may have been there before, or hold something by now
        raise OperationFailed(f"{operation.what} stays as it was made")

    return stays


def start(hypervisor: Hypervisor, operation: StartPool) -> Undo:
    """Start it, unless it is active by now."""

    def starting(pool: StoragePool) -> None:
        if not pool.is_active():
            pool.start()

    _do(hypervisor, operation.name, "start", operation.timeout, starting)
    return lambda: _do(hypervisor, operation.name, "stop again", operation.timeout, StoragePool.stop)


def stop(hypervisor: Hypervisor, operation: StopPool) -> Undo:
    """Stop it, unless it is inactive by now."""

    def stopping(pool: StoragePool) -> None:
        if pool.is_active():
            pool.stop()

    _do(hypervisor, operation.name, "stop", operation.timeout, stopping)
    return lambda: _do(hypervisor, operation.name, "start again", operation.timeout, StoragePool.start)


def set_autostart(hypervisor: Hypervisor, operation: SetPoolAutostart) -> Undo:
    """Have it start with the host, or not."""

    def setting(autostart: bool) -> None:
        doing = "be told whether it starts with the host"
        _do(hypervisor, operation.name, doing, operation.timeout, lambda pool: pool.set_autostart(autostart))

    setting(operation.autostart)
    return lambda: setting(not operation.autostart)


def delete_volumes(hypervisor: Hypervisor, operation: DeletePoolVolumes) -> None:
    """Delete them, overlays before what they are built on; the error names those that are gone, if one stays."""
    look_for_overlays(hypervisor)
    users = paths_in_use(hypervisor, except_uuid="", except_paths=operation.paths)
    gone: List[str] = []
    try:
        for path in operation.paths:
            if path in users:
                raise OperationFailed(f"Failed to delete {path}: {users[path]} uses it by now")
            volume = hypervisor.find_volume_at(path)
            if volume is not None:
                volume.delete()
            gone.append(posixpath.basename(path))
    except HostUnreachable:
        raise
    except HostlerError as error:
        done = f"; of storage pool '{operation.name}' are deleted already: {', '.join(gone)}" if gone else ""
        raise OperationFailed(f"{error.message}{done}") from error


def delete(hypervisor: Hypervisor, operation: DeletePool) -> None:
    """Take away what it lay in."""
    _do(hypervisor, operation.name, "be taken away", operation.timeout, StoragePool.delete_emptied)


def undefine(hypervisor: Hypervisor, operation: UndefinePool) -> None:
    """Undefine it; one that is gone by now is no error."""
    with suppress(PoolNotFound):
        _do(hypervisor, operation.name, "be undefined", operation.timeout, StoragePool.undefine)


def _do(hypervisor: Hypervisor, name: str, doing: str, timeout: float, work: Callable[[StoragePool], None]) -> None:
    patiently(
        hypervisor, f"have storage pool '{name}' {doing}", timeout, lambda host: work(StoragePools(host).get(name))
    )


DOERS: Doers = {
    DefinePool: define,
    BuildPool: build,
    StartPool: start,
    StopPool: stop,
    SetPoolAutostart: set_autostart,
    DeletePoolVolumes: delete_volumes,
    DeletePool: delete,
    UndefinePool: undefine,
}
