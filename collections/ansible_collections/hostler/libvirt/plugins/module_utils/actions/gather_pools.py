# SPDX-License-Identifier: GPL-3.0-or-later
"""What one, some or all storage pools of a host are, whatever state some of them are in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.patiently import patiently
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    InvalidSpec,
    PoolNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    LIBVIRT_NAME_SAYS,
    FieldFacts,
    facts,
    field_errors,
    value_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.storage_pools import StoragePool, StoragePools

NAME_FACTS = FieldFacts("", pattern=LIBVIRT_NAME_PATTERN, pattern_says=LIBVIRT_NAME_SAYS)


@dataclass(frozen=True)
class PoolInquiry:
    """Which pools are asked about, all where ``name`` is None, and whether volumes' names and the XML are told."""

    name: Optional[Tuple[str, ...]] = None
    volumes: bool = False
    xml: bool = False
    refresh: bool = False
    timeout: float = field(default=10, metadata=facts("How long each pool may take.", unit="s", minimum=1))


def gather_pools(hypervisor: Hypervisor, inquiry: PoolInquiry) -> List[Dict[str, Any]]:
    """Plain data of each pool that is asked about; one that is not there has ``exists`` False.

    Of a pool that can't be read, or not in time, ``unreadable`` says why. Raises `InvalidSpec`, `HostUnreachable`, and
    `OperationFailed` if libvirt can't list the pools, which it can't while it is at work on one.
    """
    errors = list(field_errors(inquiry))
    for index, name in enumerate(inquiry.name or ()):
        errors += value_errors(f"name.{index}", name, NAME_FACTS)
    if errors:
        raise InvalidSpec(errors)
    names: List[str]
    if inquiry.name is None:
        names = patiently(
            hypervisor, "list the storage pools", inquiry.timeout, lambda host: StoragePools(host).names()
        )
    else:
        names = list(dict.fromkeys(inquiry.name))
    return [_entry(hypervisor, name, inquiry) for name in names]


def _entry(hypervisor: Hypervisor, name: str, inquiry: PoolInquiry) -> Dict[str, Any]:
    told: Dict[str, Any] = {"exists": True, "name": name}
    unreadable: List[str] = []
    try:
        doing = f"read storage pool '{name}'"
        told.update(patiently(hypervisor, doing, inquiry.timeout, lambda host: _told(host, name, inquiry, unreadable)))
    except HostUnreachable:
        raise
    except PoolNotFound:
        return {"exists": False, "name": name}
    except HostlerError as error:
        unreadable.append(error.message)
    return {**told, "unreadable": unreadable}


def _told(hypervisor: Hypervisor, name: str, inquiry: PoolInquiry, unreadable: List[str]) -> Dict[str, Any]:
    pool = StoragePools(hypervisor).get(name)
    if inquiry.refresh and pool.is_active():
        try:
            pool.refresh(patience=inquiry.timeout / 2)
        except HostUnreachable:
            raise
        except HostlerError as error:
            unreadable.append(error.message)
    observed = pool.observe()
    data = observed.as_data()
    if inquiry.volumes:
        data["volumes"] = _volumes(pool, unreadable) if data["state"] == "active" else None
    if inquiry.xml:
        data["xml"] = observed.xml
    return data


def _volumes(pool: StoragePool, unreadable: List[str]) -> Optional[List[str]]:
    try:
        return sorted(pool.volume_names())
    except HostUnreachable:
        raise
    except HostlerError as error:
        unreadable.append(error.message)
        return None
