# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when a schedule's time has come: a run, or a note of why there is none."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from hostler.accounts import users
from hostler.accounts.models import User
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.permission import Permission
from hostler.schedules.due import attend_to
from hostler.schedules.models import Schedule
from hostler.settings import Settings
from tests.service.machines.lab_service import eventually
from tests.service.schedules.conftest import PATH, STARTS, ended, made, parsed, runs, shown, time_comes

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.mark.rule("schedules")
async def test_its_action_is_done_in_the_owners_name_on_what_its_filter_means_by_then(
    api: httpx.AsyncClient, settings: Settings, two: list[dict[str, Any]]
) -> None:
    schedule = await made(api)
    await Machine.filter(id=two[1]["id"]).update(tags=["other"])
    due = parsed(schedule["next_run_at"])

    await time_comes(settings, schedule, timedelta(seconds=1))

    (job,) = await runs()
    assert (await ended(job.id)).state == "succeeded"
    assert (job.actor_name, job.parameters) == (
        "writer",
        {**STARTS, "vms": 1, "schedule": {"id": schedule["id"], "name": "nightly"}},
    )
    (child,) = await Job.filter(parent_id=job.id)
    assert (child.vm_name, child.action, child.actor_name) == ("one", "vm_start", "writer")
    after = await shown(api, schedule)
    assert (after["last_job_id"], parsed(after["last_run_at"])) == (job.id, due + timedelta(seconds=1))
    assert (after["last_time"]["outcome"], after["last_time"]["detail"]) == ("begun", None)
    assert parsed(after["next_run_at"]) == due.replace(year=due.year + 1)
    assert [parsed(one).year - due.year for one in after["next_runs"]] == [1, 2, 3, 4, 5]
    assert (await api.get(f"/api/vms/{two[0]['id']}")).json()["status"] == "running"


async def test_the_services_own_clock_makes_it_once_at_its_time(
    api: httpx.AsyncClient, two: list[dict[str, Any]]
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=4)
    schedule = await made(api, at=soon.isoformat())

    async def has_run() -> bool:
        return (await shown(api, schedule))["state"] == "done"

    await eventually(has_run, "it runs")
    await asyncio.sleep(1.5)
    (job,) = await runs()
    assert job.created_at >= soon
    assert job.created_at - soon < timedelta(seconds=15)  # a second, but that the machine is busy
    after = await shown(api, schedule)
    assert (after["next_run_at"], after["next_runs"], after["last_job_id"]) == (None, [], job.id)
    await ended(job.id)


async def test_before_its_time_nothing_happens_and_after_it_nothing_twice(
    api: httpx.AsyncClient, settings: Settings, two: list[dict[str, Any]]
) -> None:
    schedule = await made(api)
    due = parsed(schedule["next_run_at"])

    await time_comes(settings, schedule, -timedelta(microseconds=1))
    assert await runs() == []
    outcomes = await asyncio.gather(*(attend_to(schedule["id"], settings, due) for _ in range(8)))

    assert [one for one in outcomes if one is not None] == ["begun"]
    (job,) = await runs()
    await ended(job.id)


@pytest.mark.rule("schedule-missed")
async def test_what_was_missed_is_left_out(
    api: httpx.AsyncClient, settings: Settings, two: list[dict[str, Any]]
) -> None:
    schedule = await made(api, cron="0 2 * 1 *", grace_seconds=60)
    due = parsed(schedule["next_run_at"])

    now = await time_comes(settings, schedule, 2 * DAY + 2 * MINUTE)

    assert await runs() == []
    after = await shown(api, schedule)
    assert after["last_time"]["outcome"] == "missed"
    assert after["last_time"]["detail"] == f"What was due from {schedule['next_run_at']} on was left out"
    assert (after["last_run_at"], after["last_job_id"]) == (None, None)
    assert parsed(after["next_run_at"]) == due + 3 * DAY > now


@pytest.mark.rule("schedule-missed")
async def test_for_all_that_was_missed_one_run_is_made(
    api: httpx.AsyncClient, settings: Settings, two: list[dict[str, Any]]
) -> None:
    schedule = await made(api, cron="0 2 * 1 *", missed="run_once", grace_seconds=60)
    due = parsed(schedule["next_run_at"])

    now = await time_comes(settings, schedule, 2 * DAY + 2 * MINUTE)
    await time_comes(settings, schedule, -MINUTE)

    (job,) = await runs()
    await ended(job.id)
    after = await shown(api, schedule)
    assert after["last_time"]["outcome"] == "begun"
    assert after["last_time"]["detail"] == f"It stands for all that was due from {schedule['next_run_at']} on"
    assert (parsed(after["last_run_at"]), parsed(after["next_run_at"])) == (now, due + 3 * DAY)


@pytest.mark.rule("schedule-missed")
async def test_a_small_delay_is_none(api: httpx.AsyncClient, settings: Settings, two: list[dict[str, Any]]) -> None:
    schedule = await made(api, cron="0 2 * 1 *", grace_seconds=60)

    await time_comes(settings, schedule, MINUTE)
    await ended((await runs())[0].id)
    await time_comes(settings, schedule, 2 * DAY + MINUTE)  # two were missed, and that of today was not

    assert len(await runs()) == 2
    after = await shown(api, schedule)
    assert (after["last_time"]["outcome"], after["last_time"]["detail"]) == ("begun", None)
    await ended(after["last_job_id"])


@pytest.mark.rule("schedule-missed")
@pytest.mark.parametrize(("missed", "number", "outcome"), [("skip", 0, "missed"), ("run_once", 1, "begun")])
async def test_a_single_time_that_was_missed(
    api: httpx.AsyncClient,
    settings: Settings,
    two: list[dict[str, Any]],
    missed: str,
    number: int,
    outcome: str,
) -> None:
    schedule = await made(api, at="2040-01-01T00:00:00+02:00", missed=missed)
    assert schedule["at"] == schedule["next_run_at"] == "2039-12-31T22:00:00Z"

    await time_comes(settings, schedule, DAY)

    after = await shown(api, schedule)
    assert (after["state"], after["next_run_at"], after["last_time"]["outcome"]) == ("done", None, outcome)
    jobs = await runs()
    assert len(jobs) == number
    for job in jobs:
        await ended(job.id)


@pytest.mark.rule("schedule-overlap")
async def test_a_run_while_the_last_one_goes_is_left_out_or_waits(
    api: httpx.AsyncClient, settings: Settings, two: list[dict[str, Any]]
) -> None:
    schedule = await made(api, cron="0 2 * * *")
    held = await Job.create(action="vm_many", executor="direct", state="running")
    await Schedule.filter(id=schedule["id"]).update(last_job_id=held.id)

    await time_comes(settings, schedule)

    after = await shown(api, schedule)
    assert after["last_time"]["outcome"] == "overlapped"
    assert after["last_time"]["detail"] == f"Its last run, job {held.id}, was still going"
    assert parsed(after["next_run_at"]) == parsed(schedule["next_run_at"]) + DAY
    refused = await api.post(f"{PATH}/{schedule['id']}/run")
    assert (refused.status_code, refused.json()["code"]) == (409, "schedule_runs")

    await api.put(f"{PATH}/{schedule['id']}", json={"overlap": "queue"})
    await time_comes(settings, schedule)

    after = await shown(api, schedule)
    assert after["last_time"]["outcome"] == "begun"
    await ended(after["last_job_id"])


async def test_where_no_vm_is_meant_that_is_noted(
    api: httpx.AsyncClient, settings: Settings, two: list[dict[str, Any]]
) -> None:
    by_filter = await made(api, do={"action": "start", "filter": {"tags": ["nobody"]}})
    by_ids = await made(api, name="these", do={"action": "start", "ids": [vm["id"] for vm in two]})
    await Machine.filter(id=two[0]["id"]).delete()

    await time_comes(settings, by_filter)

    after = await shown(api, by_filter)
    assert (after["state"], after["last_time"]["outcome"]) == ("waiting", "no_vms")
    assert after["last_time"]["detail"] == "It means no VM"
    after = await shown(api, by_ids)
    assert (after["last_time"]["outcome"], after["last_time"]["detail"]) == (
        "begun",
        f"VMs that are gone were left out: {two[0]['id']}",
    )
    (job,) = await runs()
    assert await Job.filter(parent_id=job.id).values_list("vm_name", flat=True) == ["two"]
    await ended(job.id)
    await Machine.filter(id=two[1]["id"]).delete()

    await time_comes(settings, by_ids)

    assert (await shown(api, by_ids))["last_time"]["detail"] == "None of its VMs is there any more"


@pytest.mark.rule("schedule-owner")
@pytest.mark.parametrize("change", ["disabled", "may not write any more", "no user any more"])
async def test_an_owner_who_may_not_ask_any_more_has_it_paused(
    api: httpx.AsyncClient,
    client: httpx.AsyncClient,
    all_headers: dict[str, str],
    settings: Settings,
    two: list[dict[str, Any]],
    change: str,
) -> None:
    schedule = await made(api, cron="0 2 * * *")
    owner = await User.get(username="writer")
    if change == "disabled":
        await users.change_user(owner.id, enabled=False)
    elif change == "no user any more":
        await users.delete_user(owner.id)
    else:
        await users.change_user(owner.id, permissions=[Permission.READ])

    await time_comes(settings, schedule)

    assert await runs() == []
    path = f"{PATH}/{schedule['id']}"
    after = (await client.get(path, headers=all_headers)).json()
    assert (after["state"], after["owner"], after["next_run_at"]) == ("paused", "writer", None)
    assert after["last_time"]["outcome"] == "refused"
    assert after["paused_reason"] == after["last_time"]["detail"]
    assert "Its owner 'writer' " in after["paused_reason"]
    assert change in after["paused_reason"]

    refused = await client.post(f"{path}/resume", headers=all_headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "schedule_can_not_run")
    assert change in refused.json()["detail"]

    taken_over = await client.put(path, json={}, headers=all_headers)
    assert taken_over.json()["owner"] == "everything"
    assert (await client.post(f"{path}/resume", headers=all_headers)).json()["state"] == "waiting"
    await time_comes(settings, schedule)
    (job,) = await runs()
    assert job.actor_name == "everything"
    await ended(job.id)


async def test_what_is_not_to_be_read_any_more_is_paused_and_holds_up_nobody(
    api: httpx.AsyncClient, settings: Settings, two: list[dict[str, Any]]
) -> None:
    broken = [await made(api, name=name) for name in ("zone", "action")]
    good = await made(api, name="good")
    await Schedule.filter(id=broken[0]["id"]).update(time_zone="Europe/Atlantis")
    await Schedule.filter(id=broken[1]["id"]).update(do={"action": "levitate", "ids": [1]})
    assert len((await shown(api, broken[0]))["next_runs"]) == 1

    await time_comes(settings, good, timedelta(days=400))

    zone, action = [await shown(api, one) for one in broken]
    assert (await shown(api, good))["last_time"]["outcome"] == "missed"
    assert zone["paused_reason"] == "The time zone 'Europe/Atlantis' is not known here"
    assert action["state"] == "waiting"  # its time had passed for long: that is said first
    await time_comes(settings, action)
    assert (await shown(api, action))["paused_reason"] == "What it is to do is nothing that this service can do"
    after = await shown(api, good)
    assert after["last_time"]["outcome"] == "begun"
    await ended(after["last_job_id"])
