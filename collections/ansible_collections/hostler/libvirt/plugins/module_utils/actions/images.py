# SPDX-License-Identifier: GPL-3.0-or-later
"""The base images of a host: the volumes of its image pool that disks are made from.

libvirt can't rename a volume, so an image is written under its own name, beside a mark: an empty volume whose name says
that this one is not whole yet. Whoever finds the mark takes the image for one that isn't there.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Container, FrozenSet, Iterable, Optional, Set, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image import mark_of, record_of
from ansible_collections.hostler.libvirt.plugins.module_utils.disk_image import FORMATS, SECTOR
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    ImageNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import LIBVIRT_NAME_PATTERN
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume, VolumeFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import (
    definitions_of,
    look_for_overlays,
    path_of,
    paths_in_use,
)

# a VM's own volume, as `plan.create.volume_name` names it: whose VM has gone it is a disk still, and no image
_OWN = re.compile(r".+-[0-9a-f]{8}-(root|disk|seed)[^/]*\.(qcow2|raw|iso)", re.DOTALL)
_MARK = re.compile(r"\.(.+)\.unfinished", re.DOTALL)


@dataclass(frozen=True)
class Images:
    """What an image pool holds, by the volumes' names."""

    images: Tuple[VolumeFacts, ...]
    disks: FrozenSet[str]  # what could be an image, but is a VM's disk
    unfinished: FrozenSet[str]  # images that are being uploaded, or whose upload was cut off


def is_disk_name(name: str) -> bool:
    """Whether a volume of that name is taken for a VM's own disk or seed, whatever it holds."""
    return _OWN.fullmatch(name) is not None


def is_there(hypervisor: Hypervisor, pool_name: str, name: str) -> bool:
    """Whether the pool has an image of that name, as a whole."""
    pool = hypervisor.pool(pool_name).require_active()
    return pool.find_volume(name) is not None and pool.find_volume(mark_of(name)) is None


def look(
    hypervisor: Hypervisor,
    pool_name: str,
    known: Iterable[str] = (),
    known_disks: Iterable[str] = (),
    refresh: bool = False,
) -> Images:
    """The images of the pool: files that hold a disk or a disc, and that no VM has as its disk.

    To tell VMs' disks from images every domain is read, unless all that could be an image is ``known`` to be one or
    to be a disk. ``refresh`` has libvirt look at the pool's folder first. Raises `PoolNotFound`.
    """
    pool = hypervisor.pool(pool_name).require_active()
    if refresh:
        pool.refresh_if_idle()
    names = pool.volume_names()
    unfinished = frozenset(found[1] for found in map(_MARK.fullmatch, names) if found)
    candidates = {name for name in names if _could_be_image(name)} - unfinished
    disks = frozenset(candidates.intersection(known_disks))
    if not candidates <= disks.union(known):
        disks = _disks_among(hypervisor, pool, candidates)
    seen = (_facts(pool, name) for name in sorted(candidates - disks))
    return Images(tuple(facts for facts in seen if facts is not None and _is_image(facts)), disks, unfinished)


def remove(hypervisor: Hypervisor, pool_name: str, name: str) -> None:
    """Delete an image; raises what `require_unused` does."""
    require_unused(hypervisor, pool_name, name).delete()
    hypervisor.pool(pool_name).discard(record_of(name))


def require_unused(hypervisor: Hypervisor, pool_name: str, name: str) -> Volume:
    """The image, if nobody needs it.

    Raises `ImageNotFound`, and `WrongState` for one that a VM names, a volume is built on, or that is still coming.
    """
    pool = hypervisor.pool(pool_name).require_active()
    volume = pool.find_volume(name)
    if volume is None:
        raise ImageNotFound(f"Image '{name}' not found in storage pool '{pool_name}'")
    if pool.find_volume(mark_of(name)) is not None:
        raise WrongState(f"Image '{name}' is being uploaded")
    look_for_overlays(hypervisor)
    user = paths_in_use(hypervisor, except_uuid="").get(volume.path)
    if user is not None:
        raise WrongState(f"Image '{name}' is in use by {user}")
    return volume


def discard_unfinished(hypervisor: Hypervisor, pool_name: str, name: str) -> bool:
    """Take away what an upload that was cut off has left; whether there was anything. Never a whole image."""
    pool = hypervisor.pool(pool_name).require_active()
    mark = pool.find_volume(mark_of(name))
    if mark is None:
        return False
    pool.discard(name)
    mark.delete()
    return True


def unmark(hypervisor: Hypervisor, pool_name: str, name: str) -> None:
    """Make an image of what an upload has written whole; no error if it is one."""
    hypervisor.pool(pool_name).require_active().discard(mark_of(name))


def _could_be_image(name: str) -> bool:
    # one that can't be asked for by its name is no image
    return not name.startswith(".") and not is_disk_name(name) and re.fullmatch(LIBVIRT_NAME_PATTERN, name) is not None


def _is_image(facts: VolumeFacts) -> bool:
    if facts.type != "file" or facts.format not in FORMATS or facts.capacity == 0:
        return False
    # libvirt calls raw whatever it doesn't know: a list of checksums, notes
    return facts.format != "raw" or facts.capacity % SECTOR == 0


def _facts(pool: Pool, name: str) -> Optional[VolumeFacts]:
    try:
        volume = pool.find_volume(name)
        return None if volume is None else volume.facts()
    except HostUnreachable:
        raise
    except HostlerError:
        return None  # it has gone meanwhile, or can't be read


def _disks_among(hypervisor: Hypervisor, pool: Pool, names: Container[str]) -> FrozenSet[str]:
    """Which of those volumes a VM has as its disk. One in a VM's drive is none, nor one that disks are built on."""
    folder = posixpath.normpath(pool.type_and_path()[1])
    found: Set[str] = set()
    for domain in hypervisor.domains():
        for definition in definitions_of(hypervisor, domain):
            paths = (path_of(hypervisor, disk) for disk in definition.disks if disk.device in ("disk", "lun"))
            plain = (posixpath.split(posixpath.normpath(path)) for path in paths if path is not None)
            found.update(name for where, name in plain if where == folder)
    return frozenset(name for name in found if name in names)
