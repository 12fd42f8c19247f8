# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting our changes of a VM in its record: by that they are told from changes by others."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan import power_steps
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan


def count_change(hypervisor: Hypervisor, uuid: str, before: Optional[Record], plan: Plan) -> None:
    """Write into the VM's record that ``plan``, which was carried out, has changed what it is.

    ``before`` is its record of before; a VM of others has none. Not where the plan has written it itself, or only
    switched the VM.
    """
    if before is None or all(type(step.operation).__module__ == power_steps.__name__ for step in plan.steps):
        return
    domain = hypervisor.find_domain(uuid)
    if domain is None or not domain.is_persistent():
        return
    record = domain.record()
    if record is not None and record.revision == before.revision:
        domain.set_record(replace(record, revision=record.revision + 1))
