# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on at AWX of a job that is over here is canceled there, whatever ours ended with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI

from hostler.awx.launch import mark_of
from hostler.jobs.models import Job
from tests.awx_setup.controller.faults import Fault
from tests.service.awx.conftest import CREATE, RESIZE, Awx
from tests.service.awx.running import status_of, stays_running
from tests.service.machines.lab_service import eventually

pytestmark = pytest.mark.anyio

UUID = "0d4bd0a2-6d1c-4a4c-a3e5-4a63f1d1a3c3"


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was abandoned is looked for often."""
    monkeypatch.setattr("hostler.machines.abandoned._LOOK_SECONDS", 0.1)


async def over(state: str, code: str, ago: timedelta = timedelta(), action: str = "vm_create") -> Job:
    """A job that is over here."""
    ended = datetime.now(UTC) - ago
    return await Job.create(
        action=action,
        executor="awx",
        state=state,
        error_code=code,
        vm_uuid=UUID,
        started_at=ended,
        finished_at=ended,
    )


async def canceled(awx: Awx, number: int) -> None:
    async def is_canceled() -> bool:
        return status_of(awx, number) == "canceled"

    await eventually(is_canceled, "it is canceled at AWX", timeout=5)


@pytest.mark.parametrize(
    ("state", "code", "is_numbered"),
    [
        ("failed", "database_unavailable", False),
        ("failed", "awx_unreachable", False),
        ("failed", "awx_launch_unknown", False),
        ("failed", "cut_off", False),
        ("failed", "unexpected", False),
        ("canceled", "canceled", False),
        ("failed", "awx_ignored_fields", True),
        ("failed", "operation_failed", True),
        ("failed", "awx_timeout", True),
        ("canceled", "canceled", True),
    ],
)
async def test_a_job_that_is_over_here_is_canceled_there(
    app: FastAPI, awx: Awx, state: str, code: str, is_numbered: bool
) -> None:
    job = await over(state, code)
    number = stays_running(awx, CREATE, mark_of(job))
    other = stays_running(awx, CREATE)
    if is_numbered:
        await Job.filter(id=job.id).update(external_id=str(number))

    await canceled(awx, number)

    assert status_of(awx, other) == "running"


async def test_jobs_without_a_number_are_looked_for_together(app: FastAPI, awx: Awx) -> None:
    created, resized = await over("failed", "cut_off"), await over("failed", "cut_off", action="vm_update")
    numbers = [stays_running(awx, CREATE, mark_of(created)), stays_running(awx, RESIZE, mark_of(resized))]

    for number in numbers:
        await canceled(awx, number)


async def test_one_that_does_not_heed_its_cancel_is_told_again(app: FastAPI, awx: Awx) -> None:
    job = await over("failed", "operation_failed")
    number = stays_running(awx, CREATE, mark_of(job))
    await Job.filter(id=job.id).update(external_id=str(number))
    awx.controller.faults.append(Fault("status", path="/cancel/$", status=202, times=2))

    await canceled(awx, number)


async def test_one_that_nobody_can_launch_any_more_is_let_be(app: FastAPI, awx: Awx) -> None:
    late = await over("failed", "awx_launch_unknown", ago=timedelta(hours=3))
    template = awx.templates[CREATE]["id"]
    path = f"/api/v2/job_templates/{template}/jobs/"

    async def is_looked_for() -> bool:
        return awx.asked("GET", path) > 0

    await eventually(is_looked_for, "it is looked for once")
    new = await over("failed", "cut_off")
    number = stays_running(awx, CREATE, mark_of(new))
    await canceled(awx, number)
    late_number = stays_running(awx, CREATE, mark_of(late))
    asked = awx.asked("GET", path)
    another = await over("failed", "cut_off")
    await canceled(awx, stays_running(awx, CREATE, mark_of(another)))

    assert awx.asked("GET", path) > asked
    assert status_of(awx, late_number) == "running"


async def test_one_that_ended_there_is_asked_for_once(app: FastAPI, awx: Awx) -> None:
    job = await over("failed", "operation_failed")
    number = stays_running(awx, CREATE, mark_of(job))
    awx.controller.jobs.jobs[number]["status"] = "failed"
    await Job.filter(id=job.id).update(external_id=str(number))
    other = await over("canceled", "canceled")
    for _ in range(3):
        await Job.filter(id=other.id).update(external_id=str(stays_running(awx, CREATE)))
        await canceled(awx, int((await Job.get(id=other.id)).external_id or 0))
        other = await over("canceled", "canceled")

    assert awx.asked("GET", f"/api/v2/jobs/{number}/") == 1
    assert awx.asked("POST", f"/api/v2/jobs/{number}/cancel/") == 0


async def test_one_that_awx_can_not_show_keeps_no_other_from_being_canceled(app: FastAPI, awx: Awx) -> None:
    broken, odd, job = [await over("failed", "operation_failed") for _ in range(3)]
    numbers = [stays_running(awx, CREATE) for _ in range(2)]
    awx.controller.faults.append(Fault("status", path=f"/jobs/{numbers[0]}/$", status=500))
    for one, number in ((broken, numbers[0]), (odd, "no number"), (job, numbers[1])):
        await Job.filter(id=one.id).update(external_id=str(number))

    await canceled(awx, numbers[1])
