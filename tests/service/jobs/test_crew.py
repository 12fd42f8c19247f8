# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries jobs out: what it leaves of those that fail."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed
from hostler.jobs.ledger import PROCESS
from hostler.jobs.models import Job
from hostler.jobs.track import JobTrack
from tests.service.machines.lab_service import engine_of, eventually

pytestmark = pytest.mark.anyio


async def test_the_error_of_a_job_is_let_go_of_once_its_caller_has_it(app: FastAPI, no_collector: None) -> None:
    job = await Job.create(
        action="vm_start", executor="direct", vm_id=1, server_id=1, state="running", lease_owner=PROCESS
    )

    async def work(_track: JobTrack) -> Mapping[str, Any]:
        raise OperationFailed("the host said no")

    with pytest.raises(OperationFailed) as caught:
        await engine_of(app).crew.carry_out(job, work)
    error = weakref.ref(caught.value)
    del caught

    async def is_gone() -> bool:
        return error() is None

    await eventually(is_gone, "nobody holds the error", 2)
