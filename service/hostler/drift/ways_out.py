# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways out of a drift: to ask of the VM what it is, or to have it be again what was asked of it."""

from __future__ import annotations

from typing import Any

from tortoise.transactions import in_transaction

from hostler.drift.differences import LEFT_OUT
from hostler.errors import Conflict
from hostler.events.record import Kind, record_vms
from hostler.machines.models import Machine

# what a change of a VM that is there can name; the rest stays as the VM was made
_REAPPLICABLE = ("name", "cpu_cores", "memory_mb", "disk_gb", "autostart", "vnc_enabled", "network_config")


def wanted_again(row: Machine) -> dict[str, Any]:
    """The change that makes the VM what it was asked to be; raises `Conflict` for what no change can."""
    found = row.drift or []
    fields = {str(one["field"]).partition(".")[0] for one in found}
    stuck = sorted(fields - set(_REAPPLICABLE))
    if stuck:
        raise Conflict(
            f"VM '{row.name}' was made with another {', '.join(stuck)}, which no change gives it: adopt what it is",
            code="not_reapplicable",
        )
    return {name: row.spec.get(name, LEFT_OUT.get(name)) for name in sorted(fields)}


async def adopt(row: Machine) -> None:
    """Take what the VM is for what it was asked to be, of all in which it differs."""
    async with in_transaction():
        current = await Machine.filter(id=row.id).select_for_update().first()
        if current is None or not current.drift:
            return
        spec = dict(current.spec)
        for one in current.drift:
            name, _, part = str(one["field"]).partition(".")
            if part:
                card = spec.get(name)
                spec[name] = {**(card if isinstance(card, dict) else {}), part: one["actual"]}
            else:
                spec[name] = one["actual"]
        row.spec, row.drift = spec, None
        await row.save(update_fields=["spec", "drift", "updated_at"])
        await record_vms(Kind.VM_CHANGED, [row.id])
