# SPDX-License-Identifier: GPL-3.0-or-later
"""What each operation does to a VM in each of its states."""

import typing
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import (
    OPERATIONS,
    PowerState,
    Switching,
    plan_power,
    validate_switching,
)
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
from tests.core.machines import UUID

STATUSES = ("running", "paused", "suspended", "stopping", "stopped", "crashed", "saved", "creating")
ON = STATUSES[:4]

# by operation and status: what is done and what the VM is then; None: it is so already; a text: why it can't be
OFF = "VM is not running"
DEAF = "VM is paused: its guest can't"
EXPECTED: dict[str, dict[str, Any]] = {
    "start": {
        "stopped": (StartDomain, "running"), "crashed": (StartDomain, "running"), "saved": (RestoreDomain, "running"),
        "creating": "VM is being created", **dict.fromkeys(ON),
    },
    "restore": {
        "saved": (RestoreDomain, "running"), "stopped": "no saved memory", "crashed": "no saved memory",
        "creating": "VM is being created", **dict.fromkeys(ON),
    },
    "stop": {
        "running": (StopDomain, "stopped"), "stopping": (StopDomain, "stopped"), "paused": f"{DEAF} shut down",
        "suspended": "VM is suspended", "stopped": None, "crashed": None, "saved": None, "creating": None,
    },
    "force-stop": {
        **dict.fromkeys(ON, (PowerOff, "stopped")), "stopped": None, "crashed": None, "saved": None, "creating": None,
    },
    "restart": {
        "running": (RestartDomain, "running"), "stopping": (RestartDomain, "running"), "paused": f"{DEAF} restart",
        "suspended": "VM is suspended", **dict.fromkeys(STATUSES[4:], OFF),
    },
    "reset": {**{status: (ResetDomain, status) for status in ON}, **dict.fromkeys(STATUSES[4:], OFF)},
    "pause": {
        "running": (SuspendDomain, "paused"), "stopping": (SuspendDomain, "paused"), "paused": None,
        "suspended": "VM is suspended", **dict.fromkeys(STATUSES[4:], OFF),
    },
    "resume": {
        "paused": (ResumeDomain, "running"), "running": None, "stopping": None, "suspended": "VM is suspended",
        **dict.fromkeys(STATUSES[4:], OFF),
    },
    "save": {
        "running": (SaveDomain, "saved"), "paused": (SaveDomain, "saved"), "suspended": (SaveDomain, "saved"),
        "stopping": (SaveDomain, "saved"), "saved": None, "stopped": OFF, "crashed": OFF, "creating": OFF,
    },
}  # fmt: skip


def vm(status: str, persistent: bool = True) -> PowerState:
    return PowerState(UUID, "web-1", status, status in ON, persistent)


def test_every_operation_is_looked_at_in_every_state() -> None:
    assert set(EXPECTED) == set(OPERATIONS)
    assert all(set(by_status) == set(STATUSES) for by_status in EXPECTED.values())


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_planned_needless_or_refused(operation: str, status: str) -> None:
    expected = EXPECTED[operation][status]
    if isinstance(expected, str):
        with pytest.raises(WrongState, match=expected):
            plan_power(Switching(operation), vm(status))
        return

    plan = plan_power(Switching(operation), vm(status))

    if expected is None:
        assert not plan.changed
        return
    kind, after = expected
    (step,) = plan.steps
    assert type(step.operation) is kind
    assert "'web-1'" in step.title
    assert (plan.before["state"], plan.after["state"]) == (status, after)
    assert plan.before != plan.after  # a diff that shows nothing would say that nothing is done


@pytest.mark.parametrize("status", ["running", "paused", "suspended"])
@pytest.mark.parametrize(("operation", "kind"), [("stop", StopDomain), ("restart", RestartDomain)])
def test_a_guest_that_can_not_hear_is_forced_where_that_was_asked_for(
    operation: str, kind: typing.Callable[..., Any], status: str
) -> None:
    (step,) = plan_power(Switching(operation, timeout=60, force_after=5), vm(status)).steps

    assert step.operation == kind(UUID, 5, True)


def test_a_transient_vm_is_gone_without_its_power_and_is_not_saved() -> None:
    for operation in ("stop", "force-stop"):
        assert plan_power(Switching(operation), vm("running", persistent=False)).after == {"state": "absent"}
    with pytest.raises(WrongState, match="VM is transient"):
        plan_power(Switching("save"), vm("running", persistent=False))


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Switching("dance"), "operation"),
        (Switching("stop", timeout=-1), "timeout"),
        (Switching("stop", timeout=float("nan")), "timeout"),
        (Switching("stop", force_after=-1), "force_after"),
        (Switching("start", force_after=1), "force_after"),
    ],
)
def test_what_can_be_done_to_no_vm_is_refused_by_its_field(wanted: Switching, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_switching(wanted)
    assert caught.value.field == field
