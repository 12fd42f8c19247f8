# SPDX-License-Identifier: GPL-3.0-or-later
"""What switches a VM on, off, or to sleep, seen from how it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts, field_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import (
    PowerOff,
    ResetDomain,
    RestartDomain,
    RestoreDomain,
    ResumeDomain,
    SaveDomain,
    StartDomain,
    StopDomain,
    SuspendDomain,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.template import require_no_template

OPERATIONS = ("start", "stop", "force-stop", "restart", "reset", "pause", "resume", "save", "restore")

# those that ask the guest for something, and wait until it does
_WAIT_FOR_THE_GUEST = ("stop", "restart")

NOT_RUNNING = "VM is not running"
NOT_SAVED = "VM has no saved memory to go on from"
TRANSIENT = "VM is transient: it has no definition to start again from"


@dataclass(frozen=True)
class Switching:
    """What is to be done to a VM's power. ``force_after`` is for a guest that doesn't do what it is asked."""

    operation: str = field(metadata=facts("What is done.", choices=OPERATIONS))
    timeout: float = field(default=60, metadata=facts("How long a guest has to obey.", unit="s", minimum=0))
    force_after: Optional[float] = field(
        default=None, metadata=facts("After how long it is forced.", unit="s", minimum=0)
    )
    parallel: int = field(
        default=8, metadata=facts("How many are started, ended, saved or restored at once.", minimum=1, maximum=64)
    )


@dataclass(frozen=True)
class PowerState:
    """How a VM is: ``status`` as `machine.status_of` says it, or creating."""

    uuid: str
    name: str
    status: str
    is_active: bool
    is_persistent: bool
    record: Optional[Record] = None

    @property
    def without_power(self) -> str:
        """What it is once its plug is pulled."""
        return "stopped" if self.is_persistent else "absent"


def validate_switching(wanted: Switching) -> Switching:
    """``wanted`` if it can be; raises `InvalidSpec`."""
    errors = list(field_errors(wanted))
    if wanted.force_after is not None and wanted.operation not in _WAIT_FOR_THE_GUEST:
        errors.append(FieldError("force_after", f"goes with {' and '.join(_WAIT_FOR_THE_GUEST)} only"))
    if errors:
        raise InvalidSpec(errors)
    return wanted


def plan_power(wanted: Switching, vm: PowerState) -> Plan:
    """The one step that does it, or none where the VM is so already. Raises `WrongState` where it can't be."""
    return _PLANS[wanted.operation](wanted, vm)


def require_awake(status: str, doing: str) -> None:
    """Raise `WrongState` for the status of a VM whose guest hears nothing."""
    if status in ("paused", "suspended"):
        raise WrongState(f"VM is {status}: its guest can't {doing}")


def _start(_wanted: Switching, vm: PowerState) -> Plan:
    if vm.is_active:
        return Plan()
    _require_whole(vm)
    if vm.status == "saved":
        return _plan(vm, "Restore", RestoreDomain(vm.uuid), "running")
    return _plan(vm, "Start", StartDomain(vm.uuid), "running")


def _restore(_wanted: Switching, vm: PowerState) -> Plan:
    if vm.is_active:
        return Plan()
    _require_whole(vm)
    if vm.status != "saved":
        raise WrongState(NOT_SAVED)
    return _plan(vm, "Restore", RestoreDomain(vm.uuid), "running")


def _stop(wanted: Switching, vm: PowerState) -> Plan:
    if not vm.is_active:
        return Plan()
    forced = wanted.force_after is not None
    if not forced:
        require_awake(vm.status, "shut down")
    patience = wanted.timeout if wanted.force_after is None else wanted.force_after
    return _plan(vm, "Stop", StopDomain(vm.uuid, patience, forced), vm.without_power)


def _force_stop(_wanted: Switching, vm: PowerState) -> Plan:
    if not vm.is_active:
        return Plan()
    return _plan(vm, "Pull the plug of", PowerOff(vm.uuid), vm.without_power)


def _restart(wanted: Switching, vm: PowerState) -> Plan:
    _require_active(vm)
    forced = wanted.force_after is not None
    if not forced:
        require_awake(vm.status, "restart")
    patience = wanted.timeout if wanted.force_after is None else wanted.force_after
    # its state is the same before and after: that it was restarted is all there is to be shown
    return _plan(vm, "Restart", RestartDomain(vm.uuid, patience, forced), "running", restarted=True)


def _reset(_wanted: Switching, vm: PowerState) -> Plan:
    _require_active(vm)
    return _plan(vm, "Reset", ResetDomain(vm.uuid), vm.status, reset=True)


def _pause(_wanted: Switching, vm: PowerState) -> Plan:
    _require_active(vm)
    if vm.status == "paused":
        return Plan()
    require_awake(vm.status, "be paused")
    return _plan(vm, "Pause", SuspendDomain(vm.uuid), "paused")


def _resume(_wanted: Switching, vm: PowerState) -> Plan:
    _require_active(vm)
    if vm.status == "suspended":
        raise WrongState("VM is suspended: its guest sleeps and has to be woken, it is not paused")
    return _plan(vm, "Resume", ResumeDomain(vm.uuid), "running") if vm.status == "paused" else Plan()


def _save(_wanted: Switching, vm: PowerState) -> Plan:
    if vm.status == "saved":
        return Plan()
    _require_active(vm)
    if not vm.is_persistent:
        raise WrongState(TRANSIENT)
    return _plan(vm, "Save", SaveDomain(vm.uuid), "saved")


_PLANS: Dict[str, Callable[[Switching, PowerState], Plan]] = {
    "start": _start,
    "stop": _stop,
    "force-stop": _force_stop,
    "restart": _restart,
    "reset": _reset,
    "pause": _pause,
    "resume": _resume,
    "save": _save,
    "restore": _restore,
}


def _plan(vm: PowerState, doing: str, operation: Operation, after: str, **done: bool) -> Plan:
    step = Step(f"{doing} VM '{vm.name}'", operation)
    return Plan((step,), {"state": vm.status}, {"state": after, **done})


def _require_active(vm: PowerState) -> None:
    if not vm.is_active:
        raise WrongState(NOT_RUNNING)


def _require_whole(vm: PowerState) -> None:
    require_no_template(vm.record, vm.name, "be started")
    if vm.status == "creating":
        raise WrongState("VM is being created, or its creation was cut off")
