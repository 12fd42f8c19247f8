# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone as it is wanted: looked at, planned, and, unless it is only asked for, done."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.clone import clone, plan_for
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import (
    find_one,
    not_found,
    observe_patiently,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.wait import wait
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    MachineNotFound,
    NameTaken,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_steps import DefineClone
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_wish import CloneWish, validate_clone
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import Switching, plan_power
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_state import power_state_of
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wait import WaitFor, wait_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine


def ensure_clone(
    hypervisor: Hypervisor,
    which: OneMachine,
    wish: CloneWish,
    waiting: Optional[WaitFor] = None,
    check: bool = False,
) -> Dict[str, Any]:
    """Have there be the clone of the VM that is meant, and wait for its guest; with ``check`` only say what that does.

    One that is there already is started if it is to run, and else stays as it is; then its source may be gone. Answers
    plain data: ``changed``, ``diff`` (``before``, ``after``), ``plan`` (steps) and ``vm`` (the clone as it is now; None
    where there is none). Raises what the plan and its steps raise, and `GuestTimeout`.
    """
    wish = validate_clone(wish)
    _check_wait(wish, waiting)
    present = hypervisor.find_domain_named(wish.name)
    source = _find_source(hypervisor, which)
    if present is not None:
        observed = observe_patiently(hypervisor, present.uuid)
        _require_clone(observed, wish, None if source is None else source.uuid)
        plan = _power_plan(observed, wish)
        if not check:
            perform(hypervisor, plan)
    elif source is None:
        raise _about_source(not_found(which))
    else:
        plan = plan_for(hypervisor, observe_patiently(hypervisor, source.uuid), wish)
        if not check:
            clone(hypervisor, _uuid_in(plan), plan)
    return _answer(hypervisor, wish, plan, waiting if not check else None)


def _check_wait(wish: CloneWish, waiting: Optional[WaitFor]) -> None:
    errors = [] if waiting is None else list(wait_errors(waiting))
    if waiting is not None and wish.state != "running":
        errors.append(FieldError("wait_for", "goes with state running only"))
    if errors:
        raise InvalidSpec(errors)


def _find_source(hypervisor: Hypervisor, which: OneMachine) -> Optional[Domain]:
    try:
        return find_one(hypervisor, which)
    except InvalidSpec as error:
        raise InvalidSpec([FieldError(_OF_SOURCE[one.field], one.message) for one in error.errors]) from error


def _about_source(error: MachineNotFound) -> MachineNotFound:
    return MachineNotFound(error.message, _OF_SOURCE[error.field or "name"])


# as a clone's source is called
_OF_SOURCE = {"name": "source", "uuid": "source_uuid"}


def _require_clone(observed: ObservedMachine, wish: CloneWish, source_uuid: Optional[str]) -> None:
    record = observed.record
    if record is None or record.cloned_from is None or source_uuid not in (None, record.cloned_from):
        raise NameTaken(f"A VM named '{wish.name}' already exists on this host, and is no clone of that one", "name")
    if wish.uuid not in (None, observed.uuid):
        raise NameTaken(f"VM '{wish.name}' already exists on this host, with another UUID", "uuid")
    if record.incomplete:
        raise WrongState(f"VM '{wish.name}' is being created, or its creation was cut off: delete it first", "name")


def _power_plan(observed: ObservedMachine, wish: CloneWish) -> Plan:
    if wish.state != "running":
        return Plan()
    operation = "resume" if observed.status == "paused" else "start"
    return plan_power(Switching(operation), power_state_of(observed))


def _uuid_in(plan: Plan) -> str:
    return next(step.operation.uuid for step in plan.steps if isinstance(step.operation, DefineClone))


def _answer(hypervisor: Hypervisor, wish: CloneWish, plan: Plan, waiting: Optional[WaitFor]) -> Dict[str, Any]:
    domain = hypervisor.find_domain_named(wish.name)
    if domain is not None and waiting is not None:
        wait(hypervisor, domain.uuid, waiting)
    answer = plan.as_answer()
    del answer["next_boot"]
    vm = None if domain is None else observe_patiently(hypervisor, domain.uuid).as_data()
    return {**answer, "vm": vm}
