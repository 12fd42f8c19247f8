# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing an action on many VMs down: the job above them and a job for each, all of them or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import validate_change
from hostler.bulk.schemas import MOST_VMS, FilterBody, ManyBody, ManyDryRun, VmNamed
from hostler.dispatch import Action, executor_of
from hostler.engine import Engine
from hostler.errors import BadRequest, FieldProblem
from hostler.events.record import Kind, record_jobs
from hostler.jobs import audited
from hostler.jobs.family import ACTION_ON_MANY
from hostler.jobs.idempotency import Attempt
from hostler.jobs.models import Executor, Job, JobState
from hostler.jobs.turns import moved
from hostler.machines import listing
from hostler.machines.asked import Asked
from hostler.machines.listing import Wanted
from hostler.machines.models import Machine
from hostler.machines.wanted import as_data, change_of
from hostler.permission import Caller
from hostler.settings import Settings

_BATCH = 500


async def act_on_many(engine: Engine, asked: Asked, body: ManyBody) -> Job | ManyDryRun:
    """Have each of the VMs' jobs done in its turn, and answer the job above them.

    Raises `BadRequest` for VMs that are not there, or none, or too many; the core's `InvalidSpec` for a change that can
    be nowhere.
    """
    parameters = parameters_of(engine.settings, body)
    attempt = None
    if asked.key is not None and not asked.dry_run:
        attempt = Attempt.of(asked.caller, ACTION_ON_MANY, asked.key, body.model_dump(mode="json", exclude_unset=True))
        first = await attempt.first()
        if first is not None:
            return first
    vms = await vms_of(body)
    if asked.dry_run:
        return rehearsed(body, vms)
    many = Many(body, parameters, vms)
    try:
        parent = await write_down(engine.settings, asked.caller, many, attempt)
    except IntegrityError:
        first = None if attempt is None else await attempt.first()  # the same request, which was quicker
        if first is None:
            raise
        return first
    moved()
    return parent


@dataclass(frozen=True, slots=True)
class Many:
    """An action, what the job of each VM is asked for, and the VMs.

    ``also`` is said of the job above them, and in the audit of each.
    """

    body: ManyBody
    parameters: Mapping[str, Any]
    vms: Sequence[Machine]
    also: Mapping[str, Any] = field(default_factory=dict)


def rehearsed(body: ManyBody, vms: Sequence[Machine]) -> ManyDryRun:
    """Which VMs are meant."""
    named = [VmNamed(id=vm.id, name=vm.name, status=vm.status) for vm in vms]
    return ManyDryRun(action=body.action, total=len(named), vms=named)


def parameters_of(settings: Settings, body: ManyBody) -> Mapping[str, Any]:
    """What the job of each VM is asked for, as for a single one; raises the core's `InvalidSpec`."""
    if body.job_action in (Action.STOP, Action.RESTART):
        return {"timeout": body.timeout or settings.stop_timeout_seconds, "force": bool(body.force)}
    if body.job_action is Action.DELETE:
        return {"delete_disks": body.delete_disks is not False}
    if body.job_action is Action.SNAPSHOT:
        asked = {} if body.snapshot is None else body.snapshot.model_dump(exclude_none=True)
        return {"name": "snapshot", **asked}
    changes = body.resize or body.update
    if changes is None:
        return {}
    return as_data(validate_change(change_of(changes.model_dump())))


async def vms_of(body: ManyBody) -> list[Machine]:
    """The VMs that are meant, as things are; raises `BadRequest` for one that is not there, for none, for too many."""
    return await _by_ids(body.ids) if body.ids is not None else await _by_filter(body.filter)


async def _by_ids(ids: Sequence[int]) -> list[Machine]:
    wanted = sorted(set(ids))
    found = await rows_of(wanted)
    missing = sorted(set(wanted) - {vm.id for vm in found})
    if missing:
        few = ", ".join(str(number) for number in missing[:10]) + (" ..." if len(missing) > 10 else "")
        message = f"VMs with IDs {few} not found" if len(missing) > 1 else f"VM with ID {few} not found"
        raise BadRequest(message, code="vm_not_found", errors=[FieldProblem("ids", message)])
    return found


async def _by_filter(wished: FilterBody | None) -> list[Machine]:
    assert wished is not None  # noqa: S101 - the body has either
    status = None if wished.status is None else wished.status.value
    wanted = Wanted(status, wished.server_id, wished.os_type, wished.search, wished.drifted, tuple(wished.tags))
    ids = await listing.ids_of(wanted, MOST_VMS + 1)
    if len(ids) > MOST_VMS or not ids:
        message = f"It means more than {MOST_VMS} VMs, which are too many for one request" if ids else "It means no VM"
        raise BadRequest(message, code="too_many_vms" if ids else "no_vms", errors=[FieldProblem("filter", message)])
    found = await rows_of(ids)
    if not found:  # they have gone since
        raise BadRequest("It means no VM", code="no_vms", errors=[FieldProblem("filter", "It means no VM")])
    return found


async def rows_of(ids: Sequence[int]) -> list[Machine]:
    """Those of these VMs that are there."""
    found: list[Machine] = []
    for begin in range(0, len(ids), _BATCH):
        found += await Machine.filter(id__in=list(ids[begin : begin + _BATCH])).order_by("id")
    return found


async def write_down(settings: Settings, caller: Caller, many: Many, attempt: Attempt | None = None) -> Job:
    """Write the job above them and those of the VMs down, in the transaction that the caller has open, if any.

    Once that is committed, whoever carries out jobs is to be told of it (`moved`). Raises `IntegrityError` where
    ``attempt`` is one that was made before.
    """
    known: dict[str, Any] = {
        "actor_id": caller.user_id,
        "actor_name": caller.name,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
    }
    body = many.body
    executor = executor_of(body.job_action, settings).value
    async with in_transaction():
        parent = await Job.create(
            action=ACTION_ON_MANY,
            executor=Executor.DIRECT.value,
            state=JobState.RUNNING.value,
            progress_text=f"0 of {len(many.vms)} VMs done",
            # not which: their jobs say so, and this is told of whenever one of them ends
            parameters={
                **body.model_dump(mode="json", exclude_unset=True, exclude={"ids"}),
                "vms": len(many.vms),
                **many.also,
            },
            at_once=body.at_once,
            stop_after=body.stop_after,
            idempotency_key=None if attempt is None else attempt.key,
            request_hash=None if attempt is None else attempt.request_hash,
            started_at=datetime.now(UTC),
            **known,
        )
        children = [
            Job(
                action=body.job_action.value,
                executor=executor,
                state=JobState.QUEUED.value,
                parent_id=parent.id,
                vm_id=vm.id,
                vm_uuid=vm.uuid,
                vm_name=vm.name,
                server_id=vm.server_id,
                parameters=dict(many.parameters),
                **known,
            )
            for vm in many.vms
        ]
        await Job.bulk_create(children, batch_size=_BATCH)
        written = [parent, *await Job.filter(parent_id=parent.id).order_by("id")]
        for job in written:
            audited.accepted(job, many.also)
        numbers = [job.id for job in written]
        for begin in range(0, len(numbers), _BATCH):
            await record_jobs(Kind.JOB_CREATED, numbers[begin : begin + _BATCH])
    return parent
