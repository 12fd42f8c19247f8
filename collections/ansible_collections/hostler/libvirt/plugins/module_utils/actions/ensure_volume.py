# SPDX-License-Identifier: GPL-3.0-or-later
"""One volume of a pool as it is wanted: looked at, planned, and, unless it is only asked for, done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_volumes import volume_as_data
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image import mark_of
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.patiently import patiently
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.pool_facts import pool_facts
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.pool_volumes import DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.sources import look_for
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.volume_users import UsersOfVolumes
from ansible_collections.hostler.libvirt.plugins.module_utils.disk_image import HEAD_BYTES, read_qcow2
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    PoolNotFound,
    Unsupported,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import VolumeFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_volume import (
    FoundVolume,
    VolumeUsers,
    plan_volume,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import ImageFacts, PoolFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_volume import WantedVolume, validate_volume
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import look_for_overlays


def ensure_volume(hypervisor: Hypervisor, wanted: WantedVolume, check: bool = False) -> Dict[str, Any]:
    """Bring that volume to what is wanted; with ``check`` only say what that would change.

    Answers plain data: ``changed``, ``diff``, ``plan`` (steps) and ``volume`` (as it is now, None where there is
    none). Raises what the plan and its steps raise.
    """
    wanted = validate_volume(wanted)
    seen = _look(hypervisor, wanted)
    plan = plan_volume(seen.found, wanted, seen.pool, seen.source)
    if not check and plan.changed:
        perform(hypervisor, plan, doers=DOERS)
        seen = _look(hypervisor, wanted)
    answer = plan.as_answer()
    shown = None if seen.facts is None else volume_as_data(wanted.pool, seen.facts, seen.users)
    return {"changed": answer["changed"], "diff": answer["diff"], "plan": answer["plan"], "volume": shown}


@dataclass(frozen=True)
class _Seen:
    """What of the host matters to it; ``facts``, ``users`` and ``found`` are None where it is not there."""

    pool: PoolFacts
    facts: Optional[VolumeFacts] = None
    users: Optional[VolumeUsers] = None
    found: Optional[FoundVolume] = None
    source: Optional[ImageFacts] = None


def _look(hypervisor: Hypervisor, wanted: WantedVolume) -> _Seen:
    doing = f"look into storage pool '{wanted.pool}'"
    return patiently(hypervisor, doing, wanted.timeout, lambda host: _read(host, wanted))


def _read(hypervisor: Hypervisor, wanted: WantedVolume) -> _Seen:
    pool = _pool(hypervisor, wanted.pool, "pool")
    room = pool_facts(pool)
    volume = look_for(pool, wanted.name)
    if volume is None:
        source = None
        if wanted.state == "present" and wanted.source is not None:
            source = _source(hypervisor, wanted.source, wanted.source_pool, wanted)
        return _Seen(room, source=source)
    look_for_overlays(hypervisor)
    facts, users = volume.facts(), UsersOfVolumes(hypervisor).of(volume.path)
    unfinished = pool.find_volume(mark_of(wanted.name)) is not None
    found = FoundVolume(facts.path, facts.type, facts.format, facts.capacity, users, unfinished)
    return _Seen(room, facts, users, found)


def _pool(hypervisor: Hypervisor, name: str, field: str) -> Pool:
    try:
        return hypervisor.pool(name).require_active()
    except PoolNotFound as error:
        error.field = field
        raise


def _source(hypervisor: Hypervisor, name: str, pool_name: Optional[str], wanted: WantedVolume) -> ImageFacts:
    """What the new volume is made of, if it may be: what a guest may have written is not believed."""
    pool = _pool(hypervisor, pool_name or wanted.pool, "pool" if pool_name is None else "source_pool")
    volume = look_for(pool, name)
    if volume is None:
        raise VolumeNotFound(f"Volume '{name}' not found in storage pool '{pool.name}'", "source")
    if pool.find_volume(mark_of(name)) is not None:
        raise WrongState(f"Volume '{name}' is not in storage pool '{pool.name}' as a whole yet", "source")
    facts = volume.facts()
    if facts.type not in ("file", "block"):
        raise Unsupported(f"Volume '{name}' is no file and no block device, but {facts.type}", "source")
    look_for_overlays(hypervisor)
    # what others only read, or is built upon, can be copied; what is built upon must never be written to again
    writer = UsersOfVolumes(hypervisor).of(facts.path).first_writer(only_running=wanted.source_mode == "copy")
    if writer is not None:
        raise WrongState(f"Volume '{name}' in storage pool '{pool.name}' is in use by {writer}", "source")
    if facts.format == "qcow2" and not wanted.trust_source:
        try:
            read_qcow2(volume.head(HEAD_BYTES))
        except InvalidSpec as error:
            reason = f"{error.errors[0].message}; trust_source takes {facts.path} at its word"
            raise InvalidSpec([FieldError("source", reason)]) from error
    return ImageFacts(name, facts.path, facts.format or "raw", facts.capacity, facts.allocation)
