# SPDX-License-Identifier: GPL-3.0-or-later
"""``dry_run=true``: what a write would do, in the words that the Ansible module has for it in check mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from hostler.bodies import ResponseBody
from hostler.placement.schemas import PlacementShown


class Diff(ResponseBody):
    """The fields that would differ, as they are and as they would be."""

    before: dict[str, Any]
    after: dict[str, Any]


class PlannedStep(ResponseBody):
    """One step, and when it takes effect: at once, at the VM's next boot, or only while it is off."""

    title: str
    applies: Literal["now", "next_boot", "off"]


class DryRun(ResponseBody):
    """What would be done. Nothing was."""

    changed: bool = Field(description="Whether there is anything to do")
    diff: Diff
    plan: list[PlannedStep] = Field(description="The steps, in their order")
    next_boot: list[str] = Field(description="The fields that a running VM would get at its next boot")
    vm: dict[str, Any] | None = Field(description="The VM as its host has it now, as the Ansible module shows it")
    deleted_disks: list[str] | None = Field(
        default=None,
        description="Of a delete: paths of the disks that would go",
        exclude_if=lambda value: value is None,
    )
    placement: PlacementShown | None = Field(
        default=None,
        description="Of a create without `server_id`: which server would be chosen, and why",
        exclude_if=lambda value: value is None,
    )


def dry_run_of(plan: Plan, observed: ObservedMachine | None, deleted_disks: Sequence[str] | None = None) -> DryRun:
    """The answer for ``plan``, made for the VM as it was ``observed``; None for one that is not there."""
    data: Mapping[str, Any] = plan.as_data()
    return DryRun(
        changed=plan.changed,
        diff=Diff(before=data["before"], after=data["after"]),
        plan=[PlannedStep(title=step["title"], applies=step["applies"]) for step in data["steps"]],
        next_boot=data["next_boot"],
        vm=None if observed is None else observed.as_data(),
        deleted_disks=None if deleted_disks is None else list(deleted_disks),
    )


def dry_run_of_words(step: str, observed: ObservedMachine | None, deleted_disks: Sequence[str] | None = None) -> DryRun:
    """The answer of what does one thing, which leaves the VM with every field as it is, or is not done on a host."""
    return DryRun(
        changed=True,
        diff=Diff(before={}, after={}),
        plan=[PlannedStep(title=step, applies="now")],
        next_boot=[],
        vm=None if observed is None else observed.as_data(),
        deleted_disks=None if deleted_disks is None else list(deleted_disks),
    )
