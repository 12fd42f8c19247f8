# SPDX-License-Identifier: GPL-3.0-or-later
"""A template is nobody's to start or to write to: every plan that would says so before anything is touched."""

import dataclasses
from collections.abc import Callable

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import Change, plan_change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis, require_changeable
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired, validate_desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.existing import plan_existing
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import Switching, plan_power
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_state import power_state_of
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot import plan_snapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import (
    SnapshotSurroundings,
    SnapshotWish,
)
from tests.core.machines import RECORD, observed

TEMPLATE = observed(record=dataclasses.replace(RECORD, template=True))
NOW = SnapshotSurroundings(1, "token")


@pytest.mark.parametrize(
    "plan",
    [
        lambda: plan_power(Switching("start"), power_state_of(TEMPLATE)),
        lambda: plan_existing(Desired(state="running"), TEMPLATE),
        lambda: plan_existing(Desired(state="restarted"), TEMPLATE),
        lambda: plan_existing(Desired(state="paused"), TEMPLATE),
        lambda: plan_change(TEMPLATE, Change(disk_gb=20), "default"),
        lambda: plan_snapshot(TEMPLATE, [], SnapshotWish(snapshot="a"), NOW),
        lambda: require_changeable(
            Chassis(TEMPLATE.uuid, TEMPLATE.name, "stopped", "<domain/>", record=TEMPLATE.record), live=False
        ),
    ],
)
def test_what_starts_it_or_writes_to_its_disks_is_refused(plan: Callable[[], object]) -> None:
    with pytest.raises(WrongState, match="is a template"):
        plan()


def test_what_only_describes_it_is_not() -> None:
    change = Change(memory_mb=2048, description="for tests", protected=True, autostart=True)
    assert len(plan_change(TEMPLATE, change, "default").steps) == 3
    assert not plan_power(Switching("stop"), power_state_of(TEMPLATE)).changed


def test_a_vm_becomes_one_while_it_is_off_and_may_cease_to_be_one() -> None:
    plan = plan_existing(Desired(template=True), observed())
    assert (plan.before, plan.after) == ({"template": False}, {"template": True})
    assert not plan_existing(Desired(template=True), TEMPLATE).changed
    assert plan_existing(Desired(template=False), TEMPLATE).after == {"template": False}
    for status in ("running", "saved"):
        with pytest.raises(WrongState, match="must be stopped before it becomes a template"):
            plan_existing(Desired(template=True), observed(status=status, is_active=status == "running"))
    stopped = plan_existing(Desired(template=True, state="stopped"), observed(status="running", is_active=True))
    assert [step.title for step in stopped.steps] == ["Stop VM 'web-1'", "Write the VM's record"]


@pytest.mark.parametrize("state", ["running", "restarted", "paused", "saved"])
def test_a_template_that_shall_run_is_refused_by_its_field(state: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_desired(Desired({"name": "a"}, template=True, state=state))
    assert caught.value.field == "template"
