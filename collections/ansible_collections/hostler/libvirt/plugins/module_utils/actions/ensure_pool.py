# SPDX-License-Identifier: GPL-3.0-or-later
"""One storage pool as it is wanted: looked at, planned, and, unless it is only asked for, done."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Set

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.patiently import LOOK_SECONDS, patiently
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.pools import DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.storage_pools import StoragePool, StoragePools
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import VolumeFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool import PoolContent, plan_pool
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_steps import DeletePoolVolumes
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_pool import WantedPool, validate_pool
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import (
    definitions_of,
    look_for_overlays,
    path_of,
    paths_in_use,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_pool import ObservedPool


def ensure_pool(hypervisor: Hypervisor, wanted: WantedPool, check: bool = False) -> Dict[str, Any]:
    """Bring that pool to what is wanted; with ``check`` only say what that would change.

    Answers plain data: ``changed``, ``diff``, ``plan`` (steps), ``next_start`` (options that the pool gets then),
    ``pool`` (as it is now, None where there is none) and ``deleted_volumes`` (paths). Raises what the plan and its
    steps raise.
    """
    wanted = validate_pool(wanted)
    name = wanted.name or ""
    found = observe_pool(hypervisor, name)
    planned = plan_pool(found, wanted, _content(hypervisor, found, wanted))
    if not check:
        perform(hypervisor, planned.plan, doers=DOERS)
        if wanted.refresh:
            patiently(hypervisor, f"refresh storage pool '{name}'", wanted.timeout, lambda host: _refresh(host, name))
        found = observe_pool(hypervisor, name)
    data = planned.plan.as_answer()
    deletions = (step.operation for step in planned.plan.steps if isinstance(step.operation, DeletePoolVolumes))
    return {
        "changed": data["changed"],
        "diff": data["diff"],
        "plan": data["plan"],
        "next_start": planned.next_start,
        "pool": None if found is None else found.as_data(),
        "deleted_volumes": [path for one in deletions for path in one.paths],
    }


def observe_pool(hypervisor: Hypervisor, name: str) -> Optional[ObservedPool]:
    """The pool as it is, None where there is none. Raises `OperationFailed` for one that libvirt is busy with."""

    def look(host: Hypervisor) -> Optional[ObservedPool]:
        pool = StoragePools(host).find(name)
        return None if pool is None else pool.observe()

    return patiently(hypervisor, f"read storage pool '{name}'", LOOK_SECONDS, look)


def _refresh(hypervisor: Hypervisor, name: str) -> None:
    pool = StoragePools(hypervisor).get(name)
    if pool.is_active():
        pool.refresh()


def _content(hypervisor: Hypervisor, found: Optional[ObservedPool], wanted: WantedPool) -> PoolContent:
    """What has to be known of what is in it before it is stopped or taken away."""
    if found is None or found.running is None or wanted.state not in ("inactive", "absent"):
        return PoolContent()
    doing = f"look into storage pool '{found.name}'"
    return patiently(
        hypervisor, doing, wanted.timeout, lambda host: _look_into(host, found.name, deep=wanted.delete_content)
    )


def _look_into(hypervisor: Hypervisor, name: str, deep: bool) -> PoolContent:
    pool = StoragePools(hypervisor).get(name)
    if not deep:
        return PoolContent(_running_user(hypervisor, pool, {volume.path for volume in pool.volumes()}))
    look_for_overlays(hypervisor)
    volumes = [volume.facts() for volume in pool.volumes()]
    paths = {volume.path for volume in volumes}
    return PoolContent(
        running_user=_running_user(hypervisor, pool, paths),
        volumes=_overlays_first(volumes),
        folders=tuple(volume.name for volume in volumes if volume.type in ("dir", "netdir")),
        unnamed=pool.unnamed_volumes(),
        users=paths_in_use(hypervisor, except_uuid="", except_paths=paths),
    )


def _running_user(hypervisor: Hypervisor, pool: StoragePool, paths: Set[str]) -> Optional[str]:
    """A VM that runs with a volume of the pool, for people."""
    for domain in hypervisor.domains():
        if not domain.is_active():
            continue
        for definition in definitions_of(hypervisor, domain):
            for disk in definition.disks:
                used = {*disk.backing_paths, path_of(hypervisor, disk)}
                if disk.pool == pool.name or used & paths:
                    return f"VM '{domain.name}'"
    return None


def _overlays_first(volumes: List[VolumeFacts]) -> Any:
    """Their paths, each before the one that it is built on, so that what is left after a failure is whole."""
    below = {volume.path: volume.backing_path for volume in volumes}

    def depth(path: Optional[str]) -> int:
        count = 0
        while path in below and count < len(below):
            path = below[path]
            count += 1
        return count

    return tuple(sorted(below, key=lambda path: (-depth(path), path)))
