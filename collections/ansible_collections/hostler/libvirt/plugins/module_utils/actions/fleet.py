# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching one VM or many, over one connection, each as if it were the only one.

All are tried, whatever becomes of the others; guests that are asked for something are asked one after the other, and
then waited for together. One whose QEMU hangs is given up, or forced, and keeps no other from its turn.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Dict, List, Mapping, Optional, Sequence, Type

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power, saved_memory
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.power import Switch, Waiting
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.roster import present_rows
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    MachineNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import RosterRow
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.plan import power_steps
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import (
    PowerState,
    Switching,
    plan_power,
    validate_switching,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import (
    Chosen,
    Selection,
    choose,
    validate_selection,
)


@dataclass
class Member:
    """One VM of those that are switched. ``status`` is None for one that is not there."""

    chosen: Chosen
    status: Optional[str] = None
    plan: Plan = field(default_factory=Plan)
    changed: bool = False
    error: Optional[HostlerError] = None

    @property
    def is_to_do(self) -> bool:
        """Whether there is anything to be done to it."""
        return self.plan.changed and self.error is None

    @property
    def after(self) -> Dict[str, Any]:
        """What the plan said that it would be; of one that failed half-way, what it is."""
        return dict(self.plan.after) if self.error is None else {"state": self.status}

    def as_data(self) -> Dict[str, Any]:
        """Plain data for a module's answer."""
        return {
            "name": self.chosen.name,
            "uuid": self.chosen.uuid,
            "status": self.status,
            "changed": self.changed,
            "error": None if self.error is None else self.error.message,
            "code": None if self.error is None else self.error.code,
        }


@dataclass(frozen=True)
class Fleet:
    """What became of them, in the order of `choose`."""

    operation: str
    members: Sequence[Member]

    @property
    def failed(self) -> List[Member]:
        """Those of which it can't be said that they are now as they should be."""
        return [member for member in self.members if member.error is not None]

    @property
    def failure(self) -> str:
        """One sentence with each that failed, and why."""
        each = "; ".join(f"{member.chosen.label}: {member.error}" for member in self.failed)
        return f"Failed to {self.operation} {len(self.failed)} of {len(self.members)} VMs: {each}"

    def as_data(self) -> Dict[str, Any]:
        """Plain data: ``changed``, ``diff`` (by the VM's name), ``vms``."""
        shown = [member for member in self.members if member.changed]
        return {
            "changed": bool(shown),
            "diff": {
                "before": {member.chosen.name: dict(member.plan.before) for member in shown},
                "after": {member.chosen.name: member.after for member in shown},
            },
            "vms": [member.as_data() for member in self.members],
        }


def switch(hypervisor: Hypervisor, selection: Selection, wanted: Switching, check: bool = False) -> Fleet:
    """Switch the VMs that are meant; with ``check`` only say what that would change.

    Raises `InvalidSpec`, and `HostUnreachable` before anything was done; what fails later is told of each VM.
    """
    wanted = validate_switching(wanted)
    selection = validate_selection(selection)
    rows = present_rows(hypervisor)
    chosen = choose(selection, {uuid: row.domain.name for uuid, row in rows.items()})
    members = [_planned(one, rows, wanted) for one in chosen]
    if check:
        for member in members:
            member.changed = member.is_to_do
    else:
        _carry_out(hypervisor, members, wanted.parallel)
    return Fleet(wanted.operation, members)


def _planned(one: Chosen, rows: Mapping[str, RosterRow], wanted: Switching) -> Member:
    row = None if one.uuid is None else rows.get(one.uuid)
    if row is None:
        return Member(one, error=MachineNotFound("not found on this host"))
    member = Member(one, row.status)
    try:
        state = _state(row)
        member.status = state.status
        member.plan = plan_power(wanted, state)
    except HostUnreachable:
        raise
    except HostlerError as error:
        member.error = error
    return member


def _state(row: RosterRow) -> PowerState:
    record = None if row.active else row.domain.record()
    creating = record is not None and record.incomplete
    status = "creating" if creating else row.status
    return PowerState(row.domain.uuid, row.domain.name, status, row.active, row.persistent, record)


def _carry_out(hypervisor: Hypervisor, members: Sequence[Member], parallel: int) -> None:
    lasting: List[Member] = []
    in_turns: List[Member] = []
    for member in members:
        if member.is_to_do:
            (lasting if type(member.plan.steps[0].operation) in _LASTING else in_turns).append(member)
    if len(lasting) == 1 or parallel == 1 or hypervisor.is_test_driver:
        in_turns += lasting
    else:
        _do_at_once(hypervisor, lasting, parallel)
    with SideConnection(hypervisor) as side:
        _do_in_turns(hypervisor, side, members, in_turns)


def _do_at_once(hypervisor: Hypervisor, members: Sequence[Member], parallel: int) -> None:
    """What takes libvirt a while, for so many at a time, each on a connection of its own."""
    waiting: SimpleQueue[Member] = SimpleQueue()
    for member in members:
        waiting.put(member)
    failures: List[HostUnreachable] = []

    def work() -> None:
        try:
            with hypervisor.another() as other:
                while True:
                    _do(other, waiting.get_nowait())
        except Empty:
            pass
        except HostUnreachable as error:
            failures.append(error)

    workers = [threading.Thread(target=work, name="libvirt-power") for dummy in range(min(parallel, len(members)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while failures and not waiting.empty():
        waiting.get_nowait().error = failures[0]


def _do(hypervisor: Hypervisor, member: Member) -> None:
    (step,) = member.plan.steps
    operation: Any = step.operation
    try:
        member.changed = _LASTING[type(operation)](hypervisor, operation.uuid)
    except HostUnreachable as error:
        member.error = error
        raise
    except HostlerError as error:
        member.error = error


def _do_in_turns(
    hypervisor: Hypervisor, side: SideConnection, members: Sequence[Member], to_do: Sequence[Member]
) -> None:
    at_work = {position: _work(hypervisor, side, member.plan) for position, member in enumerate(to_do)}
    try:
        while at_work:
            for position, work in list(at_work.items()):
                if _has_ended(to_do[position], work):
                    del at_work[position]
            if at_work:
                time.sleep(power.LOOK_AGAIN_SECONDS)
        _look_again(hypervisor, members)
    except HostUnreachable as error:
        for position in at_work:
            to_do[position].error = error
        for member in members:
            if member.plan.changed:
                member.status = "unknown"


def _has_ended(member: Member, work: Waiting) -> bool:
    try:
        next(work)
    except StopIteration as end:
        member.changed = bool(end.value)
    except HostUnreachable:
        raise
    except HostlerError as error:
        member.error = error
    else:
        return False
    return True


def _look_again(hypervisor: Hypervisor, members: Sequence[Member]) -> None:
    """What each is now. One that failed half-way, off and not on again, say, has changed all the same."""
    rows = present_rows(hypervisor)
    for member in members:
        if not member.plan.changed:
            continue
        row = rows.get(member.chosen.uuid or "")
        before, member.status = member.status, None if row is None else row.status
        if member.error is not None and member.status != before:
            member.changed = True


def _work(hypervisor: Hypervisor, side: SideConnection, plan: Plan) -> Waiting:
    (step,) = plan.steps
    operation = step.operation
    if isinstance(operation, power_steps.StopDomain):
        ask = _patiently(side, power.ask_to_stop)
        return power.stopping(hypervisor, operation.uuid, operation.timeout, operation.force, ask=ask)
    if isinstance(operation, power_steps.RestartDomain):
        ask = _patiently(side, power.ask_to_reboot)
        return power.restarting(hypervisor, operation.uuid, operation.timeout, operation.force, ask=ask)
    if type(operation) in _ASKING:
        return _at_once(hypervisor, _patiently(side, _ASKING[type(operation)]), operation)
    return _at_once(hypervisor, _LASTING[type(operation)], operation)


def _at_once(hypervisor: Hypervisor, call: Switch, operation: Any) -> Waiting:
    yield from ()
    return call(hypervisor, operation.uuid)


def _patiently(side: SideConnection, call: Switch) -> Switch:
    """``call``, but on the side, and with `GuestTimeout` for a QEMU that hangs: it would keep us waiting for ever."""
    return lambda _hypervisor, uuid: side.call(_ANSWER_SECONDS, lambda other: call(other, uuid))


# more than libvirt waits for a guest agent before it presses the button itself
_ANSWER_SECONDS = 15

# these need an answer of QEMU's, which comes at once or never
_ASKING: Dict[Type[Any], Switch] = {
    power_steps.ResetDomain: power.reset,
    power_steps.SuspendDomain: power.pause,
    power_steps.ResumeDomain: power.resume,
}
# these take as long as they take
_LASTING: Dict[Type[Any], Switch] = {
    power_steps.StartDomain: power.start,
    power_steps.PowerOff: power.force_stop,
    power_steps.SaveDomain: saved_memory.save,
    power_steps.RestoreDomain: saved_memory.restore,
}
