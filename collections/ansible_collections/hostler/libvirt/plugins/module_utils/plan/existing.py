# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings a VM that is there to what is desired."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, Mapping, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    object_from,
    value_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.metadata import combined
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import Change, plan_change, validate_change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import Switching, plan_power
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_state import power_state_of
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import (
    RestoreDomain,
    StartDomain,
    SuspendDomain,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.template import require_no_template
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec, facts_of

# of a spec, what an existing VM can be given; the rest of it is a new one's alone
_CHANGEABLE = (
    "cpu_cores",
    "memory_mb",
    "disk_gb",
    "os_type",
    "os_version",
    "description",
    "tags",
    "metadata",
    "autostart",
    "protected",
    "network_config",
)
# what a VM was made with and keeps; another value would be ignored, so it is refused
_FIXED = ("firmware", "secure_boot", "tpm", "max_cpu_cores", "max_memory_mb")


def plan_existing(
    desired: Desired,
    observed: ObservedMachine,
    nat_network: Optional[str] = None,
    now: str = "",
    plugged: Optional[Callable[[bool, bool], Plan]] = None,
) -> Plan:
    """The steps that bring the VM to the desired spec and power state (all but absent).

    ``nat_network`` and ``now`` are `plan_change`'s. ``plugged`` is `plan_plugged` of that VM, of which it is asked
    whether it is active, and whether it is changed live; None where nothing of that is desired. Raises `InvalidSpec`,
    `WrongState`, `Protected`.
    """
    change = completed(wanted_change(desired), desired, observed)
    _require_as_made(desired, observed)

    def changes(of: ObservedMachine, live: bool) -> Plan:
        more = Plan() if plugged is None else plugged(of.is_active, live)
        return plan_change(of, dataclasses.replace(change, live=live), nat_network, now, more)

    off = dataclasses.replace(observed, status="stopped", is_active=False, running=None)
    if observed.is_active and desired.state == "stopped":
        return _switched(desired, observed, "stop").then(changes(off, live=False))
    if observed.is_active and desired.state == "restarted":
        at_once = _without_power_off(lambda: changes(observed, live=False))
        if at_once is not None:
            return at_once.then(_switched(desired, observed, "restart"))
        stop = _switched(desired, observed, "stop")
        again = dataclasses.replace(_switched(desired, off, "start"), after={"state": "running", "restarted": True})
        return stop.then(changes(off, live=False)).then(again)
    return changes(observed, desired.live).then(_power_plan(desired, observed))


def wanted_change(desired: Desired) -> Change:
    """What of ``desired`` an existing VM is to be given. Lists are as they are given: see `completed`."""
    values: Dict[str, Any] = {name: desired.spec.get(name) for name in _CHANGEABLE}
    if all_nics(desired):
        del values["network_config"]
    change: Change = object_from(Change, {**values, "template": desired.template, "live": desired.live}, "a VM")
    return change


def completed(change: Change, desired: Desired, observed: ObservedMachine) -> Change:
    """``change`` with the tags and metadata that the VM has besides, unless those that are given are all.

    Raises `InvalidSpec` for what is wrong with those that are given.
    """
    validate_change(change, observed.name)
    present = () if observed.record is None else observed.record.tags
    if change.metadata is not None and not desired.metadata_exclusive:
        kept = () if observed.record is None else observed.record.metadata
        change = dataclasses.replace(change, metadata=combined(kept, change.metadata))
    if change.tags is not None and not desired.tags_exclusive:
        change = dataclasses.replace(change, tags=(*present, *(tag for tag in change.tags if tag not in present)))
    elif change.tags is not None and set(change.tags) == set(present):
        change = dataclasses.replace(change, tags=None)  # they have no order
    return change


def all_nics(desired: Desired) -> bool:
    """Whether there is to be no first card, so that all cards are those of the list."""
    config = desired.spec.get("network_config")
    none = isinstance(config, Mapping) and config.get("type") == "none"
    return none and bool(desired.spec.get("nics") or desired.nics_exclusive)


def _without_power_off(plan: Callable[[], Plan]) -> Optional[Plan]:
    """The plan of a change, unless the VM has to be off for it or gets some of it only with its next boot."""
    try:
        made = plan()
    except WrongState:
        return None
    return None if made.next_boot else made


def _power_plan(desired: Desired, observed: ObservedMachine) -> Plan:
    if desired.state in ("running", "restarted"):
        return _switched(desired, observed, "resume" if observed.status == "paused" else "start")
    if desired.state == "saved":
        return _switched(desired, observed, "save")
    if desired.state != "paused":
        return Plan()
    if observed.is_active:
        return _switched(desired, observed, "pause")
    pause = Step(f"Pause VM '{observed.name}'", SuspendDomain(observed.uuid))
    require_no_template(observed.record, observed.name, "be started")
    start = Step(f"Start VM '{observed.name}', paused", StartDomain(observed.uuid, paused=True))
    restore = Step(f"Restore VM '{observed.name}'", RestoreDomain(observed.uuid))
    steps = (restore, pause) if observed.status == "saved" else (start,)
    return Plan(steps, {"state": observed.status}, {"state": "paused"})


def _switched(desired: Desired, observed: ObservedMachine, operation: str) -> Plan:
    return plan_power(Switching(operation, desired.timeout, desired.force_after), power_state_of(observed))


def _require_as_made(desired: Desired, observed: ObservedMachine) -> None:
    present = observed.as_data()
    errors = [
        FieldError(name, f"can't be changed: VM '{observed.name}' was made with {_word(present[name])}")
        for name in _FIXED
        if desired.spec.get(name) not in (None, present[name])
    ]
    wanted = desired.spec.get("machine")
    if wanted is not None:
        errors += value_errors("machine", wanted, facts_of(MachineSpec, "machine"))
        if not _is_machine(wanted, observed.definition.machine or ""):
            made = f"was made with {observed.definition.machine or 'none'}"
            errors.append(FieldError("machine", f"can't be changed: VM '{observed.name}' {made}"))
    if errors:
        raise InvalidSpec(errors)


def _is_machine(wanted: str, present: str) -> bool:
    """Whether that is what ``wanted`` means, of which the short names mean whatever version was the newest once."""
    if wanted in ("q35", "pc"):
        return present == wanted or present.startswith("pc-q35-" if wanted == "q35" else "pc-i440fx-")
    return wanted == present


def _word(value: Any) -> str:
    return str(value).lower()
