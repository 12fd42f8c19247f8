# SPDX-License-Identifier: GPL-3.0-or-later
"""One VM as it is desired: looked at, planned, and, unless it is only asked for, done."""

from __future__ import annotations

import uuid as uuids
from typing import Any, Dict, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import create
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import observe_patiently
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.wait import wait
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    GuestTimeout,
    InvalidSpec,
    MachineNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record, time_of_record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.metadata import entries_of
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import (
    STARTING,
    Desired,
    check_identity,
    validate_desired,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec, spec_from


def ensure(hypervisor: Hypervisor, desired: Desired, check: bool = False) -> Dict[str, Any]:
    """Bring the VM to what is desired, and wait for its guest; with ``check`` only say what that would change.

    Answers plain data: ``changed``, ``diff`` (``before``, ``after``), ``plan`` (steps), ``next_boot`` (fields that a
    running VM gets then), ``vm`` (as it is now, None where there is none) and, where disks may go, ``deleted_disks``.
    Raises what the plan and its steps raise, and `GuestTimeout`.
    """
    desired = validate_desired(desired)
    with SideConnection(hypervisor) as side:
        answer = bring(hypervisor, side, desired, check)
        if not check and desired.wait_for is not None:
            answer["vm"] = waited(hypervisor, side, desired)
        return answer


def waited(hypervisor: Hypervisor, side: SideConnection, desired: Desired) -> Optional[Dict[str, Any]]:
    """The VM as it is once it has come as far as ``desired.wait_for`` says; None for one that is gone by then."""
    observed = _find(hypervisor, side, desired)
    if observed is not None and desired.waiting is not None:
        wait(hypervisor, observed.uuid, desired.waiting)
        observed = _find(hypervisor, side, desired)
    return None if observed is None else observed.as_data()


def bring(hypervisor: Hypervisor, side: SideConnection, desired: Desired, check: bool = False) -> Dict[str, Any]:
    """As `ensure`, without waiting for the guest; ``side`` is for questions that its QEMU may never answer.

    ``desired`` is valid.
    """
    observed = _find(hypervisor, side, desired)
    if observed is not None:
        check_identity(desired, observed)
    plan = _plan(hypervisor, desired, observed)
    if not check and plan.changed:
        _carry_out(hypervisor, desired, observed, plan)
        observed = _find(hypervisor, side, desired)
    return _answer(desired, plan, observed)


# what is imported within a function is so because few need it: each task of a module compiles anew what it imports


def _plan(hypervisor: Hypervisor, desired: Desired, observed: Optional[ObservedMachine]) -> Plan:
    if desired.state == "absent":
        from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete

        return Plan() if observed is None else delete.plan_for(hypervisor, observed.uuid, desired.delete_disks)
    if observed is not None:
        from ansible_collections.hostler.libvirt.plugins.module_utils.actions import existing

        return existing.plan_for(hypervisor, desired, observed, time_of_record())
    return _plan_new(hypervisor, desired)


def _carry_out(hypervisor: Hypervisor, desired: Desired, observed: Optional[ObservedMachine], plan: Plan) -> None:
    if desired.state == "absent":
        from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete

        delete.carry_out(hypervisor, plan)
    elif observed is None and desired.xml is None:
        create.create(hypervisor, plan)
    elif desired.is_plugged:
        from ansible_collections.hostler.libvirt.plugins.module_utils.actions import plugged

        perform(hypervisor, plan, doers=plugged.DOERS)
    else:
        perform(hypervisor, plan)
    if observed is not None and desired.state != "absent" and observed.record is not None:
        from ansible_collections.hostler.libvirt.plugins.module_utils.actions.revision import count_change

        count_change(hypervisor, observed.uuid, observed.record, plan)


def new_record(desired: Desired, spec: MachineSpec) -> Record:
    """The record that a new VM gets."""
    return Record(
        uuid=desired.uuid or str(uuids.uuid4()),
        created=time_of_record(),
        id=desired.record_id,
        owner=desired.owner,
        os_type=spec.os_type,
        os_version=spec.os_version,
        description=spec.description,
        tags=spec.tags,
        metadata=entries_of(spec.metadata or {}),
        protected=spec.protected,
        template=bool(desired.template),
    )


def _find(hypervisor: Hypervisor, side: SideConnection, desired: Desired) -> Optional[ObservedMachine]:
    domain = None
    if desired.uuid is not None:
        domain = hypervisor.find_domain(desired.uuid)
    if domain is None and desired.name is not None:
        domain = hypervisor.find_domain_named(desired.name)
    if domain is None:
        return None
    try:
        return observe_patiently(hypervisor, domain.uuid, side)
    except GuestTimeout:
        if desired.state != "absent":
            raise
        return observe(hypervisor, domain, sizes=False)  # one that hangs is taken away all the same


def _plan_new(hypervisor: Hypervisor, desired: Desired) -> Plan:
    if not desired.create:
        raise MachineNotFound(f"VM {desired.label} not found on this host", "uuid" if desired.uuid else "name")
    if desired.state == "saved":
        raise InvalidSpec([FieldError("state", "a VM that is not there has no memory to save")])
    if desired.xml is not None:
        from ansible_collections.hostler.libvirt.plugins.module_utils.actions import plugged

        return plugged.plan_for_new(hypervisor, desired, time_of_record())
    spec = spec_from(desired.spec)
    return create.plan_for(
        hypervisor,
        spec,
        desired.placement,
        new_record(desired, spec),
        start=desired.state in STARTING,
        paused=desired.state == "paused",
    )


def _answer(desired: Desired, plan: Plan, observed: Optional[ObservedMachine]) -> Dict[str, Any]:
    answer = {**plan.as_answer(), "vm": None if observed is None else observed.as_data()}
    if desired.state == "absent" or desired.delete_detached_disks:
        from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete

        answer["deleted_disks"] = delete.deleted_disks(plan)
    return answer
