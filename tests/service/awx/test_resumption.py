# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes jobs at AWX up, and what cancels them there, goes on whatever happens to the database meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from hostler.jobs.ledger import PROCESS
from hostler.jobs.models import Job
from tests.service.awx.conftest import CREATE, Awx
from tests.service.awx.running import status_of, stays_running
from tests.service.machines.lab_service import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is looked for often."""
    monkeypatch.setattr("hostler.machines.abandoned._LOOK_SECONDS", 0.1)
    monkeypatch.setattr("hostler.machines.resumption._LOOK_SECONDS", 0.1)
    monkeypatch.setattr("hostler.machines.resumption._AGAIN_SECONDS", 0.1)


async def left_to_this_process(attempt: int = 2) -> Job:
    """A job that recovery has left to this process; of which nothing is at AWX, and no VM in the database."""
    return await Job.create(
        action="vm_create",
        executor="awx",
        state="running",
        lease_owner=PROCESS,
        attempt=attempt,
        vm_id=4711,
        vm_uuid="0d4bd0a2-6d1c-4a4c-a3e5-4a63f1d1a3c3",
        started_at=datetime.now(UTC),
    )


@pytest.mark.parametrize(
    ("table", "said"), [("vm", "job.taken_up_in_vain"), ("job", "resumption.failed")], ids=["vm", "job"]
)
async def test_a_database_that_fails_for_a_moment_keeps_no_job_from_being_taken_up(
    quick_looks: None, app: FastAPI, table: str, said: str
) -> None:
    database = app.state.database.connection

    with capture_logs() as logs:

        async def has_failed() -> bool:
            return any(line["event"] == said for line in logs)

        if table == "vm":
            await database.execute_script("ALTER TABLE vm RENAME TO elsewhere")
            job = await left_to_this_process()
        else:
            job = await left_to_this_process(attempt=1)
            await database.execute_script("ALTER TABLE job RENAME TO elsewhere")
        await eventually(has_failed, "it finds the table gone")
        await database.execute_script(f"ALTER TABLE elsewhere RENAME TO {table}")
        await Job.filter(id=job.id).update(attempt=2)

    async def is_over() -> bool:
        return (await Job.get(id=job.id)).state == "failed"

    await eventually(is_over, "it is taken up")
    assert (await Job.get(id=job.id)).error_code == "cut_off"


async def test_a_database_that_fails_for_a_moment_keeps_no_job_from_being_canceled(
    quick_looks: None, app: FastAPI, awx: Awx
) -> None:
    database = app.state.database.connection
    there = stays_running(awx, CREATE)
    with capture_logs() as logs:

        async def has_failed() -> bool:
            return any(line["event"] == "abandoned.failed" for line in logs)

        await database.execute_script("ALTER TABLE job RENAME TO elsewhere")
        await eventually(has_failed, "it finds the table gone")
        await database.execute_script("ALTER TABLE elsewhere RENAME TO job")
    now = datetime.now(UTC)
    await Job.create(
        action="vm_create",
        executor="awx",
        state="failed",
        error_code="awx_timeout",
        external_id=str(there),
        started_at=now,
        finished_at=now,
    )

    async def is_canceled() -> bool:
        return status_of(awx, there) == "canceled"

    await eventually(is_canceled, "it is canceled")
