# SPDX-License-Identifier: GPL-3.0-or-later
"""What the snapshot of a job is called, and whether it is there."""

from __future__ import annotations

from functools import partial

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import snapshots_of
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from hostler.dispatch import Action
from hostler.hosts.connection import HostConnection
from hostler.jobs.models import Job

LONGEST_PREFIX = 40
"""Characters of a name before the time; with it libvirt has a name of at most 63."""


def name_of(job: Job) -> str:
    """The name of the snapshot that a job takes: the same whoever asks, once the job has begun.

    The milliseconds keep two jobs of a VM apart, which are carried out one after the other, but maybe in one second.
    """
    assert job.started_at is not None  # noqa: S101 - it has begun
    moment = job.started_at
    return f"{job.parameters['name']}-{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z"


async def is_there(job: Job, host: HostConnection) -> bool:
    """Whether the job is one that takes a snapshot, and has taken it. Raises `HostUnreachable`."""
    if job.action != Action.SNAPSHOT:
        return False
    found = await host.call(partial(snapshots_of, which=OneMachine(uuid=job.vm_uuid), name=name_of(job)))
    return bool(found["snapshots"])
