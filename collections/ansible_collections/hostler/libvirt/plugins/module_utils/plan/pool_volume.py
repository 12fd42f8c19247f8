# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a volume changes so that it is as it should be, without touching anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    NotEnoughSpace,
    Unsupported,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import FILE_POOLS
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_volume_steps import (
    MakeVolume,
    RemoveVolume,
    ResizeVolume,
    WipeVolume,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import ImageFacts, PoolFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_volume import WantedVolume
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_bytes, disk_gib


class UserVm(NamedTuple):
    """A VM that names a volume, as its disk or below one; ``writes`` if it is a disk that it may write to."""

    name: str
    runs: bool
    writes: bool


@dataclass(frozen=True)
class VolumeUsers:
    """Who needs a volume: VMs, and volumes that are built on it, each as pool and name."""

    vms: Tuple[UserVm, ...] = ()
    overlays: Tuple[Tuple[str, str], ...] = ()

    @property
    def first(self) -> Optional[str]:
        """One of them, for people."""
        if self.vms:
            return f"VM '{self.vms[0].name}'"
        return self.first_overlay

    @property
    def first_running(self) -> Optional[str]:
        """A VM of them that runs, for people."""
        return next((f"VM '{vm.name}', which runs" for vm in self.vms if vm.runs), None)

    def first_writer(self, only_running: bool) -> Optional[str]:
        """A VM of them that may write to it, for people."""
        writers = (vm for vm in self.vms if vm.writes and (vm.runs or not only_running))
        return next((f"VM '{vm.name}', which may write to it" for vm in writers), None)

    @property
    def first_overlay(self) -> Optional[str]:
        """A volume of them, for people."""
        return next((f"volume '{name}' in storage pool '{pool}'" for pool, name in self.overlays), None)


@dataclass(frozen=True)
class FoundVolume:
    """The volume as it is. ``capacity`` (virtual size) in bytes; ``unfinished``: an image that is still coming."""

    path: str
    type: str  # file, block, dir, network …
    format: Optional[str]
    capacity: int
    users: VolumeUsers = field(default_factory=VolumeUsers)
    unfinished: bool = False


def plan_volume(
    found: Optional[FoundVolume], wanted: WantedVolume, pool: PoolFacts, source: Optional[ImageFacts]
) -> Plan:
    """The steps; ``source`` is what a new one is made of. Raises what keeps it from being as it is wanted."""
    if found is not None and found.unfinished:
        raise WrongState(f"Volume '{wanted.name}' is an image that is being uploaded", "name")
    if wanted.state == "absent":
        return Plan() if found is None else _absent(found, wanted)
    return _new(wanted, pool, source) if found is None else _changed(found, wanted, pool)


def _new(wanted: WantedVolume, pool: PoolFacts, source: Optional[ImageFacts]) -> Plan:
    is_file = pool.type in FILE_POOLS
    form = wanted.format or ("qcow2" if is_file else "raw")
    if form == "qcow2" and not is_file:
        reason = f"must be raw: storage pool '{pool.name}' is of type {pool.type}, and has no files"
        raise InvalidSpec([FieldError("format", reason)])
    if wanted.source_mode == "backing" and not is_file:
        reason = f"must be copy: storage pool '{pool.name}' is of type {pool.type}, and has no overlays"
        raise InvalidSpec([FieldError("source_mode", reason)])
    if wanted.preallocation == "metadata" and form != "qcow2":
        raise InvalidSpec([FieldError("preallocation", "metadata goes with format qcow2 only")])
    capacity = _capacity(wanted, source)
    _require_possible(capacity, pool, whole=wanted.preallocation == "full" or not is_file)
    operation = MakeVolume(
        pool.name,
        wanted.name,
        capacity,
        form if is_file else None,
        wanted.preallocation,
        wanted.source_pool or wanted.pool,
        wanted.source,
        wanted.source_mode,
        wanted.timeout,
    )
    after: Dict[str, Any] = {
        "name": wanted.name,
        "pool": wanted.pool,
        "format": form,
        "size_gb": disk_gib(capacity),
        "preallocation": wanted.preallocation,
    }
    title = f"Make volume '{wanted.name}' in storage pool '{pool.name}'"
    if source is not None:
        after.update({"source": source.name, "source_pool": operation.source_pool, "source_mode": wanted.source_mode})
        title += f" as {'an overlay' if wanted.source_mode == 'backing' else 'a copy'} of '{source.name}'"
    return Plan((Step(title, operation),), {}, after)


def _capacity(wanted: WantedVolume, source: Optional[ImageFacts]) -> int:
    if wanted.size_gb is None:
        if source is None:
            message = f"Volume '{wanted.name}' not found in storage pool '{wanted.pool}'; a new one needs its size_gb"
            raise VolumeNotFound(message, "size_gb")
        return source.capacity
    capacity = disk_bytes(wanted.size_gb)
    if source is not None and capacity < source.capacity:
        reason = f"must be at least that of its source, {disk_gib(source.capacity):g} GiB"
        raise InvalidSpec([FieldError("size_gb", reason)])
    return capacity


def _require_possible(capacity: int, pool: PoolFacts, whole: bool) -> None:
    """Raise for a volume that the pool can't hold: what grows as it is written to may promise more than is free."""
    room = pool.available if whole else pool.capacity
    if pool.capacity > 0 and capacity > room:  # 0: such a pool does not know
        what = "free" if whole else "in all"
        raise NotEnoughSpace(
            f"Storage pool '{pool.name}' has {disk_gib(room):g} GiB {what}, less than the {disk_gib(capacity):g} GiB"
            " of the volume",
            "size_gb",
        )


def _changed(found: FoundVolume, wanted: WantedVolume, pool: PoolFacts) -> Plan:
    if wanted.format is not None and pool.type in FILE_POOLS and wanted.format != found.format:
        reason = f"can't be changed: volume '{wanted.name}' is {found.format}"
        raise InvalidSpec([FieldError("format", reason)])
    if wanted.size_gb is None:
        return Plan()
    capacity = disk_bytes(wanted.size_gb)
    if capacity == found.capacity:
        return Plan()
    shrinks = capacity < found.capacity
    # what was made by others may have any number of bytes, of which size_gb is a rounding
    if shrinks and disk_gib(capacity) == disk_gib(found.capacity):
        return Plan()
    if shrinks and not wanted.allow_shrink:
        has = f"{disk_gib(found.capacity):g} GiB"
        reason = f"is less than the {has} that volume '{wanted.name}' has; allow_shrink cuts off what lies behind"
        raise InvalidSpec([FieldError("size_gb", reason)])
    _require_resizable(found, wanted, shrinks)
    if not shrinks:
        _require_possible(capacity, pool, whole=False)
    title = f"{'Shrink' if shrinks else 'Grow'} volume '{wanted.name}' to {disk_gib(capacity):g} GiB"
    operation = ResizeVolume(pool.name, wanted.name, capacity, found.capacity, wanted.timeout)
    before, after = ({"size_gb": disk_gib(size)} for size in (found.capacity, capacity))
    return Plan((Step(title, operation),), before, after)


def _require_resizable(found: FoundVolume, wanted: WantedVolume, shrinks: bool) -> None:
    user = found.users.first_running
    if user is not None:
        reason = f"is in use by {user}; the module vm_disk grows the disk of a VM that runs"
        raise WrongState(f"Volume '{wanted.name}' {reason}", "size_gb")
    if shrinks and found.users.first_overlay is not None:
        reason = f"can't be shrunk: {found.users.first_overlay} is built on it"
        raise WrongState(f"Volume '{wanted.name}' {reason}", "size_gb")


def _absent(found: FoundVolume, wanted: WantedVolume) -> Plan:
    name, pool = wanted.name, wanted.pool
    if found.type in ("dir", "netdir"):
        raise Unsupported(f"'{name}' in storage pool '{pool}' is a folder, which is not deleted as a volume", "name")
    if found.users.first is not None:
        raise WrongState(f"Volume '{name}' in storage pool '{pool}' is in use by {found.users.first}", "name")
    steps: List[Step] = []
    if wanted.wipe:
        steps.append(Step(f"Write zeros over volume '{name}'", WipeVolume(pool, name, wanted.timeout)))
    steps.append(Step(f"Delete volume '{name}' in storage pool '{pool}'", RemoveVolume(pool, name, wanted.timeout)))
    before = {"name": name, "pool": pool, "path": found.path, "size_gb": disk_gib(found.capacity)}
    return Plan(tuple(steps), before, {})
