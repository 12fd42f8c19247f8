# SPDX-License-Identifier: GPL-3.0-or-later
"""What all operations on a VM that is there have in common: each is a job, committed before anything happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any

import structlog
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import MachineNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from hostler.database import DatabaseUnavailable
from hostler.dispatch import WAITS_FOR_GUEST, Action, executor_of
from hostler.engine import Engine
from hostler.errors import NotFound
from hostler.events.record import Kind, record_vms
from hostler.jobs.holders import is_free
from hostler.jobs.idempotency import Attempt, result_again
from hostler.jobs.ledger import Order
from hostler.jobs.models import Executor, Job, JobState
from hostler.jobs.track import JobTrack
from hostler.jobs.turns import moved
from hostler.machines.asked import Asked
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.observation import write_down

log = structlog.get_logger(__name__)

Perform = Callable[[Engine, Machine, Job, JobTrack], Awaitable[Mapping[str, Any]]]
"""Carries a VM's job out by what its row says, and answers its result. Whoever calls it may be another process than the
one that was asked, and later: what the VM is by then it has to find out itself."""


def order_of(
    engine: Engine,
    action: Action,
    asked: Asked,
    parameters: Mapping[str, Any] | None = None,
    plan: Plan | None = None,
    supersedes: Collection[str] = (),
    executor: Executor | None = None,
    attempt: Attempt | None = None,
) -> Order:
    """What the job of ``action`` is asked to do; carried out as the dispatch table says, unless ``executor`` does."""
    return Order(
        action=action.value,
        executor=executor or executor_of(action, engine.settings),
        actor=asked.caller,
        parameters=parameters or {},
        plan=None if plan is None else plan.as_data(),
        supersedes=supersedes,
        may_wait=asked.preference.respond_async,
        idempotency_key=None if attempt is None else attempt.key,
        request_hash=None if attempt is None else attempt.request_hash,
    )


async def carry_out(engine: Engine, asked: Asked, row: Machine, job: Job, perform: Perform) -> Mapping[str, Any]:
    """Do a job that was opened, or have it done in its turn; answer its result, or raise what it failed with."""
    if job.state == JobState.QUEUED.value:
        moved()
        return await result_again(job, engine.crew, asked.preference)
    if job.supersedes_id is not None:
        engine.crew.cancel(job.supersedes_id)
    return await engine.crew.carry_out(
        job,
        partial(perform, engine, row, job),
        asked.preference,
        after=partial(watch_for, engine, row),
        leaves_at_once=leaves_at_once(job),
    )


def leaves_at_once(job: Job) -> bool:
    """Whether a job that is canceled ends there and then: one that waits for a guest, and one of a playbook.

    A thread can't be interrupted. What it is at has to be over before the VM is another job's, and what it still makes
    has to be there when it is taken back.
    """
    return job.executor != Executor.DIRECT.value or job.action in WAITS_FOR_GUEST


def looking_again(perform: Perform) -> Perform:
    """``perform``, after which is written down what the VM has become, whether it went well or not."""

    async def performed(engine: Engine, row: Machine, job: Job, track: JobTrack) -> Mapping[str, Any]:
        try:
            return await perform(engine, row, job, track)
        except MachineNotFound:
            raise no_longer_there(row) from None
        finally:
            try:
                await look_again(engine, row, job.generation)
            except DatabaseUnavailable as error:  # the job has done what it has done; the watch looks at the VM again
                log.warning("vm.look_unwritten", vm=row.id, reason=str(error))

    return performed


async def look_again(engine: Engine, row: Machine, generation: int | None) -> None:
    """Bring the row in line with its host, where the VM is still there, and still the job's of that generation.

    What was seen of a VM that another operation has taken over meanwhile may be from before it did its work.
    """
    observed = await engine.host(row.server).call(partial(find, uuid=row.uuid))
    if observed is not None and await Machine.filter(id=row.id, generation=generation).exists():
        try:
            await write_down(row, observed, row.server)
        except IntegrityError:  # a VM that is being created has its name; the watch tries again
            log.warning("vm.name_conflict", vm=row.id, name=observed.name)


async def waits(asked: Asked, row: Machine, supersedes: Collection[str] = ()) -> bool:
    """Whether the job will wait for others of its VM: what that one is by then can't be looked at before."""
    return asked.preference.respond_async and not asked.dry_run and not await is_free(row, supersedes)


async def seen(engine: Engine, row: Machine) -> ObservedMachine:
    """The VM as it is on its host; raises `NotFound` if it is no longer there, `HostUnreachable`."""
    observed = await engine.host(row.server).call(partial(find, uuid=row.uuid))
    if observed is None:
        raise no_longer_there(row)
    return observed


async def set_status(row: Machine, status: MachineStatus, *, if_in_sight: bool = False) -> None:
    """Show what is being done to the VM, unless that is what it shows.

    With ``if_in_sight`` not of a VM whose host can't be reached: as long as that is so, nothing comes of it, and what
    the VM does stays unknown.
    """
    async with in_transaction():
        current = await Machine.filter(id=row.id).select_for_update().first()
        if current is not None and if_in_sight and current.status == MachineStatus.UNKNOWN.value:
            return
        row.status = status.value
        if current is None or current.status == status.value:
            return
        await row.save(update_fields=["status", "updated_at"])
        await record_vms(Kind.VM_CHANGED, [row.id])


def find(hypervisor: Hypervisor, uuid: str) -> ObservedMachine | None:
    """The VM as it is, None where there is none."""
    domain = hypervisor.find_domain(uuid)
    return None if domain is None else observe(hypervisor, domain)


def fenced(track: JobTrack, call: power.Switch, uuid: str, hypervisor: Hypervisor) -> bool:
    """``call``, unless another operation has taken the VM over."""
    track.fence()
    return call(hypervisor, uuid)


def no_longer_there(row: Machine) -> NotFound:
    """The answer where others have removed the VM from its host."""
    return NotFound(f"VM '{row.name}' is no longer on host '{row.server.hostname}'", code="vm_not_found")


def watch_for(engine: Engine, row: Machine) -> None:
    """Have the VM watched for what comes later: an address."""
    engine.watch.look_at(row.server_id, row.uuid)
