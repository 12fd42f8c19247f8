# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and block devices of a host that are to be a VM's disk or medium.

What a file is, is not taken from its content where that may be a guest's: a guest that has a raw disk can write the
header of a qcow2 into it, which names any file of the host.
"""

from __future__ import annotations

import posixpath
from typing import Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image import mark_of
from ansible_collections.hostler.libvirt.plugins.module_utils.disk_image import HEAD_BYTES, read_qcow2
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume, VolumeFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.disk import Source
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import (
    backing_files,
    look_for_overlays,
    paths_in_use,
)

_RAW = ("raw", "iso")
_HOLDS_BYTES = ("file", "block")


def path_in_pool(hypervisor: Hypervisor, pool_name: str, volume_name: str) -> str:
    """Where the volume is on the host, or would be. Raises `PoolNotFound`."""
    pool = hypervisor.pool(pool_name).require_active()
    volume = look_for(pool, volume_name)
    return posixpath.join(pool.type_and_path()[1], volume_name) if volume is None else volume.path


def look_for(pool: Pool, name: str) -> Optional[Volume]:
    """The volume ``name``, also if somebody has put it there by hand; None if it isn't there."""
    volume = pool.find_volume(name)
    if volume is None:
        pool.refresh_if_idle()
        volume = pool.find_volume(name)
    return volume


def volume_source(hypervisor: Hypervisor, pool_name: str, name: str, kind: Optional[str]) -> Optional[Source]:
    """The volume as a source, of format ``kind`` if that is said; None if the pool has none of that name.

    Raises `WrongState` for one that is being uploaded, `InvalidSpec` for one whose format has to be said.
    """
    volume = look_for(hypervisor.pool(pool_name).require_active(), name)
    return None if volume is None else _source(hypervisor, volume, kind, "volume")


def path_source(hypervisor: Hypervisor, path: str, kind: Optional[str]) -> Source:
    """The file or block device at ``path`` as a source; its format has to be said if no pool knows it."""
    volume = hypervisor.find_volume_at(path)
    if volume is None:
        look_for_overlays(hypervisor)
        volume = hypervisor.find_volume_at(path)
    if volume is not None:
        return _source(hypervisor, volume, kind, "path")
    if kind is None:
        raise InvalidSpec([FieldError("format", f"is required: {path} is in no storage pool")])
    return Source(path, kind, is_block=path.startswith("/dev/"))


def require_free(
    hypervisor: Hypervisor, uuid: str, drives: Sequence[Drive], path: str, shares: bool, read_only: bool, field: str
) -> None:
    """Raise `WrongState` if that VM must not have the file at ``path``: another uses it, or disks are built on it.

    With ``shares`` several VMs may have it; what disks are built on is for reading only.
    """
    if read_only:
        return
    look_for_overlays(hypervisor)
    user = backing_files(hypervisor).get(path)
    if user is None and any(path in drive.backing_paths for drive in drives):
        user = "a disk of this VM"
    if user is not None:
        raise WrongState(f"{path} must not be written to: {user} is built on it", field)
    user = paths_in_use(hypervisor, except_uuid=uuid).get(path)
    if user is not None and not shares:
        raise WrongState(f"{path} is in use by {user}: only shareable or read_only can two have it", field)


def _source(hypervisor: Hypervisor, volume: Volume, kind: Optional[str], field: str) -> Source:
    pool = hypervisor.pool_of(volume)
    if pool.find_volume(mark_of(volume.name)) is not None:
        raise WrongState(f"Volume '{volume.name}' is not in storage pool '{pool.name}' as a whole yet", field)
    facts = volume.facts()
    if facts.type not in _HOLDS_BYTES:
        raise Unsupported(f"Volume '{facts.name}' is no file and no block device, but {facts.type}", field)
    return Source(facts.path, kind or _format(volume, facts), facts.type == "block", facts.capacity)


def _format(volume: Volume, facts: VolumeFacts) -> str:
    if facts.format in _RAW or (facts.format is None and facts.type == "block"):
        return "raw"
    if facts.format != "qcow2":
        raise InvalidSpec([FieldError("format", f"is required: the storage pool calls {facts.path} {facts.format}")])
    try:
        read_qcow2(volume.head(HEAD_BYTES))
    except InvalidSpec as error:
        reason = error.errors[0].message
        raise InvalidSpec([FieldError("format", f"is required for {facts.path}: {reason}")]) from error
    return "qcow2"
