# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways out of a drift: to ask of the VM what it is, or to have it be again what was asked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tortoise.transactions import in_transaction

from hostler.audit.record import Target, changes, record
from hostler.drift.differences import LEADS_TO, LEFT_OUT
from hostler.errors import Conflict, NotFound
from hostler.events.record import Kind, record_vms
from hostler.jobs.holders import require_free
from hostler.machines.models import Machine

# what a change of a VM that is there can name; the rest stays as the VM was made
_REAPPLICABLE = ("name", "cpu_cores", "memory_mb", "disk_gb", "autostart", "vnc_enabled", "network_config")


def wanted_again(row: Machine) -> dict[str, Any]:
    """The change that makes the VM what it was asked to be; raises `Conflict` for what no change can."""
    found = row.drift or []
    fields = {str(one["field"]).partition(".")[0] for one in found}
    if "memory_mb" in fields:
        fields.discard("current_memory_mb")  # all of the memory is given it with that
    stuck = sorted(fields - set(_REAPPLICABLE))
    if stuck:
        raise Conflict(
            f"VM '{row.name}' was asked for with other {', '.join(stuck)}, which no change gives it: adopt what it is",
            code="not_reapplicable",
        )
    wanted: dict[str, Any] = {name: row.spec.get(name, LEFT_OUT.get(name)) for name in sorted(fields)}
    if isinstance(wanted.get("network_config"), dict):
        wanted["network_config"] = _askable(wanted["network_config"])
    return wanted


async def adopt(row: Machine, check: Callable[[Machine], None]) -> None:
    """Take what the VM is for what it was asked to be, of all in which it differs now.

    ``check`` is given the VM as it is, and may refuse. Raises `NotFound` for one that was removed meanwhile, `Conflict`
    for one that a job is at work on.
    """
    async with in_transaction():
        current = await Machine.filter(id=row.id).select_for_update().first()
        if current is None:
            raise NotFound(f"VM with ID {row.id} not found", code="vm_not_found")
        check(current)
        await require_free(current)
        row.spec, row.drift = current.spec, current.drift
        if not current.drift:
            return
        row.spec, row.drift = _adopted(current.spec, current.drift), None
        await row.save(update_fields=["spec", "drift", "updated_at"])
        await record_vms(Kind.VM_CHANGED, [row.id])
        before, after = changes(current.spec, row.spec)
        record("vm.adopt_drift", target=Target("vm", row.id, row.name), before=before, after=after)


def _adopted(asked: Mapping[str, Any], drift: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was asked, and where it differs, what is; a part of a card that is not there any more is not asked for."""
    spec = dict(asked)
    for one in drift:
        name, _, part = str(one["field"]).partition(".")
        if part:
            card = spec.get(name)
            spec[name] = {**(card if isinstance(card, dict) else {}), part: one["actual"]}
        else:
            spec[name] = one["actual"]
    if isinstance(spec.get("network_config"), dict):
        spec["network_config"] = _askable(spec["network_config"])
    return spec


def _askable(card: Mapping[str, Any]) -> dict[str, Any]:
    """Of a card as it was found what may be asked for: the name of what its type leads to, and of nothing else."""
    if card.get("type") == "none":
        return {"type": "none"}
    others = {name for owner, name in LEADS_TO.items() if owner != card.get("type")}
    return {name: value for name, value in card.items() if value is not None and name not in others}
