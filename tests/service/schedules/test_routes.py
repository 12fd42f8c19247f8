# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/schedules``: made, listed, shown, changed, paused, resumed, run now and deleted, by whom that may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.jobs.models import Job
from hostler.permission import Permission
from hostler.schedules.models import Schedule
from hostler.settings import Settings
from tests.service.conftest import Headers, MakeUser, log_in
from tests.service.schedules.conftest import (
    PATH,
    STARTS,
    YEARLY,
    ended,
    made,
    parsed,
    runs,
    shown,
    time_comes,
)

pytestmark = pytest.mark.anyio

FAR = "2040-01-01T00:00:00Z"


@pytest.fixture
async def other(app: FastAPI, client: httpx.AsyncClient, make_user: MakeUser) -> AsyncIterator[httpx.AsyncClient]:
    """Another user who may read and write."""
    await make_user("bea", "read", "write")
    headers = await log_in(client, "bea", "correct horse battery")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test", headers=headers) as other:
        yield other


@pytest.mark.rule("schedules")
async def test_a_schedule_is_made_shown_listed_changed_and_deleted(api: httpx.AsyncClient) -> None:
    schedule = await made(api, description="each night", cron=" 30  2 * * MON-FRI", time_zone="Europe/Berlin")

    following = [parsed(one) for one in schedule["next_runs"]]
    assert len(following) == 5
    assert all(one.weekday() < 5 and one.hour in (0, 1) and one.minute == 30 for one in following)
    plain = {name: value for name, value in schedule.items() if not name.endswith("_at") and name != "next_runs"}
    assert plain == {
        "id": schedule["id"],
        "name": "nightly",
        "description": "each night",
        "owner": "writer",
        "at": None,
        "cron": "30 2 * * MON-FRI",
        "time_zone": "Europe/Berlin",
        "do": STARTS,
        "keep": None,
        "missed": "skip",
        "grace_seconds": 300,
        "overlap": "skip",
        "state": "waiting",
        "paused_reason": None,
        "last_job_id": None,
        "last_time": None,
    }
    assert await shown(api, schedule) == schedule
    once = await made(api, name="once", at="2040-01-01T00:00:00+02:00")
    assert (once["cron"], once["time_zone"], once["next_runs"]) == (None, None, ["2039-12-31T22:00:00Z"])
    listed = (await api.get(PATH, params={"per_page": 1})).json()
    assert (listed["total"], listed["items"]) == (2, [{k: v for k, v in schedule.items() if k != "next_runs"}])

    path = f"{PATH}/{schedule['id']}"
    changed = (await api.put(path, json={"at": FAR, "grace_seconds": 0, "missed": "run_once"})).json()
    assert (changed["at"], changed["cron"], changed["next_run_at"]) == (FAR, None, FAR)
    assert (changed["grace_seconds"], changed["missed"], changed["description"]) == (0, "run_once", "each night")
    back = (await api.put(path, json={"cron": YEARLY, "name": "yearly", "do": {**STARTS, "action": "stop"}})).json()
    assert (back["at"], back["cron"], back["time_zone"], back["name"]) == (None, YEARLY, "UTC", "yearly")
    assert back["do"]["action"] == "stop"
    moved = (await api.put(path, json={"time_zone": "Asia/Tokyo"})).json()
    assert parsed(moved["next_run_at"]) == parsed(back["next_run_at"]) - timedelta(hours=9)

    assert (await api.delete(path)).json() == {"message": f"Schedule {schedule['id']} deleted successfully"}
    assert (await api.get(path)).status_code == 404
    assert (await api.get(path)).json()["code"] == "schedule_not_found"
    assert (await made(api, name="next"))["id"] > once["id"]


@pytest.mark.rule("schedules")
@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"cron": "61 * * * *"}, "cron", "bad minute"),
        ({"cron": "0 0 0 * * *"}, "cron", "five fields"),
        ({"cron": "* * */20 * 1L"}, "cron", "no such time in the next 50 years"),
        ({"cron": YEARLY, "time_zone": "Mars/Olympus"}, "time_zone", "IANA"),
        ({"at": "2020-01-01T00:00:00Z"}, "at", "it has passed already"),
        ({"at": "2040-01-01T00:00:00"}, "at", "timezone"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "at", "year"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at", "year"),
        ({"at": 2208988800}, "at", "ISO 8601"),
        ({"at": "2208988800"}, "at", "ISO 8601"),
        ({"at": FAR, "cron": YEARLY}, "at", "either at one time"),
        ({"at": FAR, "time_zone": "UTC"}, "time_zone", "goes with 'cron' only"),
        ({}, "at", "say when it runs"),
        ({"cron": YEARLY, "keep": 3}, "keep", "snapshot only"),
        ({"cron": YEARLY, "keep": 0, "do": {**STARTS, "action": "snapshot"}}, "keep", "greater"),
        ({"cron": YEARLY, "do": {"action": "explode", "ids": [1]}}, "do.action", ""),
        ({"cron": YEARLY, "do": {"action": "start"}}, "do.ids", "either by 'ids' or by 'filter'"),
        ({"cron": YEARLY, "do": {"action": "start", "ids": ["1"]}}, "do.ids.0", "integer"),
        ({"cron": YEARLY, "name": "a b"}, "name", ""),
        ({"cron": YEARLY, "name": "-"}, "name", ""),
        ({"cron": YEARLY, "missed": "often"}, "missed", "run_once"),
        ({"cron": YEARLY, "grace_seconds": -1}, "grace_seconds", "greater"),
        ({"cron": YEARLY, "overlap": "kill"}, "overlap", "queue"),
        ({"cron": YEARLY, "colour": "blue"}, "colour", "no such field"),
    ],
)
async def test_what_can_not_be_names_the_field(
    api: httpx.AsyncClient, fields: dict[str, Any], field: str, says: str
) -> None:
    answer = await api.post(PATH, json={"name": "nightly", "do": STARTS, **fields})

    assert answer.status_code == 422, answer.text
    problem, *more = answer.json()["errors"]
    assert problem["field"] == field
    pairs = {"at": "cron", "do.ids": "do.filter"}  # what is wrong between two fields names both
    assert {one["field"] for one in more} <= {pairs.get(field)}
    assert says in problem["message"]
    assert not await Schedule.exists()


async def test_a_change_is_looked_at_as_closely(api: httpx.AsyncClient) -> None:
    schedule = await made(api)
    await made(api, name="taken")
    path = f"{PATH}/{schedule['id']}"
    for fields, status, field in (
        ({"cron": "x"}, 422, "cron"),
        ({"cron": None}, 422, "cron"),
        ({"at": FAR, "time_zone": "UTC"}, 422, "time_zone"),
        ({"at": "2020-01-01T00:00:00Z"}, 422, "at"),
        ({"keep": 3}, 422, "keep"),
        ({"paused": True}, 422, "paused"),
        ({"name": "taken"}, 409, "name"),
        ({"do": {"action": "start", "ids": [7]}}, 400, "do.ids"),
    ):
        answer = await api.put(path, json=fields)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field), fields
    assert await shown(api, schedule) == schedule
    assert (await api.post(PATH, json={"name": "taken", "do": STARTS, "cron": YEARLY})).status_code == 409
    snapshots = {"do": {"action": "snapshot", "filter": {"tags": ["web"]}}, "keep": 3}
    assert (await api.put(path, json=snapshots)).json()["keep"] == 3
    assert (await api.put(path, json={"do": STARTS})).json()["errors"][0]["field"] == "keep"
    assert (await api.put(path, json={"do": STARTS, "keep": None})).json()["keep"] is None


@pytest.mark.rule("schedule-pause")
@pytest.mark.parametrize(("missed", "outcome"), [("skip", "missed"), ("run_once", "begun")])
async def test_a_pause_makes_no_run_and_its_end_does_as_the_schedule_says(
    api: httpx.AsyncClient, settings: Settings, two: list[dict[str, Any]], missed: str, outcome: str
) -> None:
    schedule = await made(api, missed=missed)
    path = f"{PATH}/{schedule['id']}"
    paused = (await api.post(f"{path}/pause")).json()
    assert (paused["state"], paused["next_run_at"], paused["next_runs"]) == ("paused", None, [])
    assert (await api.post(f"{path}/pause")).json() == paused

    await time_comes(settings, schedule)
    assert await runs() == []
    resumed = (await api.post(f"{path}/resume")).json()
    assert (resumed["state"], resumed["next_run_at"]) == ("waiting", schedule["next_run_at"])
    await api.post(f"{path}/pause")
    await Schedule.filter(id=schedule["id"]).update(next_run_at=datetime.now(UTC) - timedelta(days=3))
    resumed = (await api.post(f"{path}/resume")).json()

    if missed == "skip":
        assert resumed["next_run_at"] == schedule["next_run_at"]
    else:
        await time_comes(settings, schedule, timedelta(days=3))  # or the service's own clock was quicker
    after = await shown(api, schedule)
    assert (after["last_time"]["outcome"], after["next_run_at"]) == (outcome, schedule["next_run_at"])
    for job in await runs():
        await ended(job.id)
    assert len(await runs()) == (missed == "run_once")


@pytest.mark.rule("schedule-run")
async def test_a_run_is_made_now_by_whoever_asks(
    api: httpx.AsyncClient,
    client: httpx.AsyncClient,
    all_headers: Headers,
    two: list[dict[str, Any]],
) -> None:
    schedule = await made(api)
    path = f"{PATH}/{schedule['id']}/run"
    dry = await api.post(f"{path}?dry_run=true")
    assert (dry.status_code, [vm["name"] for vm in dry.json()["vms"]]) == (200, ["one", "two"])
    assert await runs() == []

    keyed = {**all_headers, "Idempotency-Key": "k"}
    answer, again = [await client.post(path, headers=keyed) for _ in range(2)]

    assert (answer.status_code, answer.headers["Location"]) == (202, f"/api/jobs/{answer.json()['id']}")
    assert answer.json()["id"] == again.json()["id"]
    job = await ended(answer.json()["id"])
    assert (job.actor_name, job.state) == ("everything", "succeeded")
    after = await shown(api, schedule)
    assert (after["last_job_id"], after["next_run_at"], after["owner"]) == (job.id, schedule["next_run_at"], "writer")
    nothing = await made(api, name="nothing", do={"action": "start", "filter": {"tags": ["nobody"]}})
    refused = await api.post(f"{PATH}/{nothing['id']}/run")
    assert (refused.status_code, refused.json()["code"]) == (400, "no_vms")


@pytest.mark.rule("schedules", "schedule-owner")
async def test_its_owner_and_administrators_change_it_and_who_reads_sees_it(
    api: httpx.AsyncClient,
    client: httpx.AsyncClient,
    other: httpx.AsyncClient,
    read_headers: Headers,
    all_headers: Headers,
    admin_headers: Headers,
) -> None:
    schedule = await made(api)
    path = f"{PATH}/{schedule['id']}"
    body = {"name": "mine", "do": STARTS, "cron": YEARLY}
    asks = [("PUT", path), ("DELETE", path), *(("POST", f"{path}/{verb}") for verb in ("pause", "resume", "run"))]
    for method, where in asks:
        json = {"json": {}} if method == "PUT" else {}
        assert (await other.request(method, where, **json)).status_code == 403, where
        assert (await client.request(method, where, **json, headers=read_headers)).status_code == 403, where
        assert (await client.request(method, where, **json)).status_code == 401, where
    assert (await other.put(path, json={"cron": 7})).status_code == 403
    assert (await client.post(PATH, json=body, headers=read_headers)).status_code == 403
    for headers in (read_headers, dict(other.headers)):
        assert (await client.get(path, headers=headers)).json() == schedule
    assert (await client.get(PATH)).status_code == 401

    assert (await client.post(f"{path}/pause", headers=all_headers)).json()["owner"] == "writer"
    assert (await client.put(path, json={"description": "x"}, headers=all_headers)).json()["owner"] == "everything"
    assert (await api.post(f"{path}/resume")).status_code == 403
    assert Permission.ADMIN.value in (await client.get("/api/auth/me", headers=admin_headers)).json()["permissions"]
    assert (await client.delete(path, headers=admin_headers)).status_code == 200
    assert await Job.filter(action="vm_many").count() == 0
