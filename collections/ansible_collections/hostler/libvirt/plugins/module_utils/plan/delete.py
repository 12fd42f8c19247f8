# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that takes a VM away."""

from __future__ import annotations

from typing import List, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import Protected
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import UndefineDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import PowerOff
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import DeleteVolume


def plan_delete(observed: ObservedMachine, owned_disks: Sequence[str]) -> Plan:
    """The steps that power the VM off, undefine it and then delete ``owned_disks``, paths of the host.

    Raises `Protected`.
    """
    unfinished = observed.record is not None and observed.record.incomplete
    if observed.protected and not unfinished:
        raise Protected(f"VM '{observed.name}' is protected: take that off before deleting it")
    steps: List[Step] = []
    if observed.is_active:
        steps.append(Step(f"Power off VM '{observed.name}'", PowerOff(observed.uuid)))
    if observed.is_persistent:
        steps.append(Step(f"Undefine VM '{observed.name}'", UndefineDomain(observed.uuid)))
    steps += [Step(f"Delete disk {path}", DeleteVolume(path)) for path in owned_disks]
    before = {"state": "present", "disks": list(owned_disks)}
    return Plan(tuple(steps), before, {"state": "absent"})
