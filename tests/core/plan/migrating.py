# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that is to be moved between two hosts, as plans of migrations know it. A test changes what it is about."""

import dataclasses
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration import plan_migration
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_facts import (
    FileFacts,
    HostName,
    MigrationSurroundings,
    MovedFile,
    OtherHost,
    Sighting,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import MigrationWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts
from tests.core.machines import GIB, MIB, observed

A, B = HostName("a", "aaaa"), HostName("b", "bbbb")
URI = "qemu+tls://b/system"
POOL = PoolFacts("default", "dir", "/disks", 200 * GIB, 100 * GIB)
DISK = FileFacts(POOL, "qcow2", 10 * GIB, 2 * GIB, 2 * GIB)
SHARED = MovedFile(
    "vda", "/disks/web-1.qcow2", "web-1.qcow2", written=True, here=DISK, there=DISK, pool_there=POOL, alike=True
)
LOCAL = dataclasses.replace(SHARED, there=None, alike=False)
SEED = MovedFile(
    "sda", "/disks/seed.iso", "seed.iso", written=False, own_seed=True,
    here=FileFacts(POOL, "iso", MIB, MIB, MIB), pool_there=POOL,
)  # fmt: skip
BASE = FileFacts(PoolFacts("images", "dir", "/images", 200 * GIB, 100 * GIB), "qcow2", GIB, GIB, GIB)
BELOW = MovedFile("vda", "/images/base.qcow2", "base.qcow2", written=False, here=BASE)
HOST = OtherHost(virt_types=frozenset({"qemu"}), memory_mb=4096)


def machine(**changes: Any) -> ObservedMachine:
    """A VM that runs; ``status`` "stopped" makes it one that is off."""
    status = changes.pop("status", "running")
    found = observed(status=status, is_active=status in ("running", "paused"), **changes)
    return dataclasses.replace(found, running=found.definition if found.is_active else None)


def around(vm: ObservedMachine | None = None, **changes: Any) -> MigrationSurroundings:
    """The VM on host a, and on no other; its disk is on storage that both have."""
    given: dict[str, Any] = {"here": Sighting(vm or machine()), "files": (SHARED,), "other": HOST, **changes}
    return MigrationSurroundings(A, B, **given)


def planned(where: MigrationSurroundings, owned: tuple[str, ...] = (), **wish: Any) -> Plan:
    """The plan of a migration to host b."""
    return plan_migration(where, MigrationWish(**wish), URI, owned)


def operations(plan: Plan) -> list[Any]:
    """What the plan's steps do, in their order."""
    return [step.operation for step in plan.steps]
