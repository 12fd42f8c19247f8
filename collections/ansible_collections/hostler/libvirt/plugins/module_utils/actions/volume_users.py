# SPDX-License-Identifier: GPL-3.0-or-later
"""Who needs the volumes of a host."""

from __future__ import annotations

import posixpath
from typing import Dict, List, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_volume import UserVm, VolumeUsers
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import definitions_of, overlays, path_of


class UsersOfVolumes:
    """All that use any volume of a host, read once: a few calls for each VM, and one for each volume."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._vms: Dict[str, List[UserVm]] = {}
        self._overlays: Dict[str, List[Tuple[str, str]]] = {}
        for domain in hypervisor.domains():
            for path, writes in _named_by(hypervisor, domain).items():
                self._vms.setdefault(path, []).append(UserVm(domain.name, domain.is_active(), writes))
        for one in overlays(hypervisor):
            self._overlays.setdefault(posixpath.normpath(one.backing_path), []).append((one.pool, one.volume))

    def of(self, path: str) -> VolumeUsers:
        """Who needs the volume at ``path``, in the order of their names."""
        plain = posixpath.normpath(path)
        return VolumeUsers(tuple(sorted(self._vms.get(plain, ()))), tuple(sorted(self._overlays.get(plain, ()))))


def _named_by(hypervisor: Hypervisor, domain: Domain) -> Dict[str, bool]:
    """The paths that it names, and whether it may write there."""
    found: Dict[str, bool] = {}
    for definition in definitions_of(hypervisor, domain):
        for disk in definition.disks:
            path = path_of(hypervisor, disk)
            for one in (*disk.backing_paths, *(() if path is None else (path,))):
                plain = posixpath.normpath(one)
                writes = one == path and disk.device in ("disk", "lun") and not disk.read_only
                found[plain] = found.get(plain, False) or writes
    return found
