# SPDX-License-Identifier: GPL-3.0-or-later
"""A storage pool, as a plan has to know it."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts


def pool_facts(pool: Pool) -> PoolFacts:
    """What it is, and what is free of it now."""
    kind, path = pool.type_and_path()
    space = pool.space()
    return PoolFacts(pool.name, kind, path, space.capacity, space.available)
