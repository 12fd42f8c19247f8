# SPDX-License-Identifier: GPL-3.0-or-later
"""Forgetting VMs that are no more."""

from __future__ import annotations

from tortoise.transactions import in_transaction

from hostler.events.record import Kind, record_vms
from hostler.machines.models import Machine


async def forget(*ids: int) -> None:
    """Delete the rows of these VMs, and tell of it; those that are forgotten already are no error."""
    async with in_transaction():
        await record_vms(Kind.VM_DELETED, ids)
        await Machine.filter(id__in=list(ids)).delete()
