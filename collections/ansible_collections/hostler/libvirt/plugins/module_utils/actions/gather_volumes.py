# SPDX-License-Identifier: GPL-3.0-or-later
"""What volumes a host has, and who uses them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_pools import NAME_FACTS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.patiently import patiently
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.volume_users import UsersOfVolumes
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    InvalidSpec,
    VolumeNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts, field_errors, value_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.storage_pools import StoragePools
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume, VolumeFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_volume import VolumeUsers
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib


@dataclass(frozen=True)
class VolumeInquiry:
    """Which volumes are asked about: of which pools, all active ones where that is None, and of which names."""

    name: Optional[Tuple[str, ...]] = None
    pool: Optional[Tuple[str, ...]] = None
    users: bool = True
    refresh: bool = False
    timeout: float = field(default=30, metadata=facts("How long each pool may take.", unit="s", minimum=1))


@dataclass(frozen=True)
class FoundVolumes:
    """Plain data of volumes; ``unreadable`` tells of what could not be read, and why."""

    volumes: List[Dict[str, Any]]
    unreadable: List[str]


def volume_as_data(pool: str, volume: VolumeFacts, users: Optional[VolumeUsers]) -> Dict[str, Any]:
    """Plain data of one; without ``users`` nobody has looked who uses it."""
    told: Dict[str, Any] = {
        "name": volume.name,
        "pool": pool,
        "path": volume.path,
        "type": volume.type,
        "format": volume.format,
        "size_gb": disk_gib(volume.capacity),
        "capacity": volume.capacity,
        "allocation": volume.allocation,
        "backing_path": volume.backing_path,
    }
    if users is not None:
        told["vms"] = list(dict.fromkeys(vm.name for vm in users.vms))
        told["overlays"] = [{"pool": where, "name": name} for where, name in users.overlays]
    return told


def gather_volumes(hypervisor: Hypervisor, inquiry: VolumeInquiry) -> FoundVolumes:
    """The volumes that are asked about, by pool and name; a name that no such pool has is there with ``exists`` False.

    Raises `InvalidSpec`, `HostUnreachable`; `OperationFailed` if the pools can't be listed, or the VMs not be read.
    """
    errors = list(field_errors(inquiry))
    for option in ("name", "pool"):
        for index, text in enumerate(getattr(inquiry, option) or ()):
            errors += value_errors(f"{option}.{index}", text, NAME_FACTS)
    if errors:
        raise InvalidSpec(errors)
    pools = inquiry.pool
    if pools is None:
        doing = "list the storage pools"
        pools = tuple(patiently(hypervisor, doing, inquiry.timeout, lambda host: [pool.name for pool in host.pools()]))
    unreadable: List[str] = []
    found: List[Tuple[str, VolumeFacts]] = []
    for name in sorted(set(pools)):
        found += _of_pool(hypervisor, name, inquiry, unreadable)
    users: Optional[UsersOfVolumes] = None
    if inquiry.users and found:
        users = patiently(hypervisor, "see who uses the volumes", inquiry.timeout, UsersOfVolumes)
    volumes: List[Dict[str, Any]] = [
        {"exists": True, **volume_as_data(pool, volume, None if users is None else users.of(volume.path))}
        for pool, volume in found
    ]
    there = {volume.name for _pool, volume in found}
    volumes += [{"exists": False, "name": name} for name in dict.fromkeys(inquiry.name or ()) if name not in there]
    return FoundVolumes(volumes, unreadable)


def _of_pool(
    hypervisor: Hypervisor, name: str, inquiry: VolumeInquiry, unreadable: List[str]
) -> List[Tuple[str, VolumeFacts]]:
    try:
        doing = f"read the volumes of storage pool '{name}'"
        return patiently(hypervisor, doing, inquiry.timeout, lambda host: _read(host, name, inquiry, unreadable))
    except HostUnreachable:
        raise
    except HostlerError as error:
        unreadable.append(error.message)
        return []


def _read(
    hypervisor: Hypervisor, pool_name: str, inquiry: VolumeInquiry, unreadable: List[str]
) -> List[Tuple[str, VolumeFacts]]:
    pool = StoragePools(hypervisor).get(pool_name).require_active()
    if inquiry.refresh:
        try:
            pool.refresh(patience=inquiry.timeout / 2)
        except HostUnreachable:
            raise
        except HostlerError as error:
            unreadable.append(error.message)
    told: List[Tuple[str, VolumeFacts]] = []
    for volume in _chosen(pool, inquiry.name):
        try:
            told.append((pool_name, volume.facts()))
        except VolumeNotFound:
            continue  # it has gone meanwhile
        except HostUnreachable:
            raise
        except HostlerError as error:
            unreadable.append(error.message)
    return told


def _chosen(pool: Pool, names: Optional[Tuple[str, ...]]) -> List[Volume]:
    if names is None:
        return sorted(pool.volumes(), key=lambda volume: volume.name)
    found = (pool.find_volume(name) for name in sorted(set(names)))
    return [volume for volume in found if volume is not None]
