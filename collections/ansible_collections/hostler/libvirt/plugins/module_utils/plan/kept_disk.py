# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that a VM has and that are not its own: they were there before, and stay when it goes.

libvirt can't say where a file came from, so the VM's record does.
"""

from __future__ import annotations

import dataclasses
import posixpath
from typing import List, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import WriteRecord
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volumes import volume_name


def keep(chassis: Chassis, path: str, now: str) -> List[Step]:
    """The step that notes that the disk at ``path`` was there before; none for one that was made for this very VM.

    ``now`` is the time in UTC from which a VM of others is known to us, if this is the first that we write of it. A
    transient VM has nothing that a note could be kept in.
    """
    record = chassis.record or Record(uuid=chassis.uuid, created=now, revision=0)
    is_own = volume_name("", chassis.uuid, "") in posixpath.basename(path)
    if chassis.defined_xml is None or is_own or path in record.kept:
        return []
    return [_noted(f"Note that {path} outlives VM '{chassis.name}'", record, (*record.kept, path))]


def let_go(chassis: Chassis, path: str) -> List[Step]:
    """The step that takes the note away when the VM no longer has the disk at ``path``."""
    record = chassis.record
    if record is None or path not in record.kept:
        return []
    kept = tuple(one for one in record.kept if one != path)
    return [_noted(f"Forget that {path} outlives VM '{chassis.name}'", record, kept)]


def _noted(title: str, record: Record, kept: Tuple[str, ...]) -> Step:
    written = dataclasses.replace(record, kept=kept, revision=record.revision + 1)
    return Step(title, WriteRecord(record.uuid, written), Applies.NOW)
