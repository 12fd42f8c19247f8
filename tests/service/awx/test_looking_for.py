# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking for a job whose number could not be kept, also where AWX is away for a moment."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI

from hostler.awx import AwxError
from hostler.awx.launch import mark_of
from hostler.jobs.models import Job
from hostler.machines.at_awx import launch_of
from tests.awx_setup.controller.faults import Fault
from tests.service.awx.conftest import CREATE, Awx
from tests.service.awx.running import stays_running
from tests.service.machines.lab_service import engine_of

pytestmark = pytest.mark.anyio


async def unnumbered() -> Job:
    return await Job.create(action="vm_create", executor="awx", state="running", started_at=datetime.now(UTC))


async def test_an_awx_that_is_away_when_the_template_is_looked_for_is_waited_for(app: FastAPI, awx: Awx) -> None:
    controller, job = engine_of(app).awx, await unnumbered()
    assert controller is not None
    number = stays_running(awx, CREATE, mark_of(job))
    awx.controller.stop()
    looking = asyncio.create_task(controller.find(launch_of(controller, job, {})))
    await asyncio.sleep(2)
    awx.controller.start()

    assert await looking == number


async def test_a_template_that_is_not_there_is_not_waited_for(app: FastAPI, awx: Awx) -> None:
    controller, job = engine_of(app).awx, await unnumbered()
    assert controller is not None
    awx.controller.store.delete(awx.templates[CREATE])

    with pytest.raises(AwxError, match="has no job template"):
        async with asyncio.timeout(3):
            await controller.find(launch_of(controller, job, {}))


async def test_an_awx_that_stays_away_is_told_of(app: FastAPI, awx: Awx) -> None:
    controller, job = engine_of(app).awx, await unnumbered()
    assert controller is not None
    awx.controller.faults.append(Fault("status", status=503))

    with pytest.raises(AwxError, match="AWX answered 503"):
        await controller.find(launch_of(controller, job, {}))
