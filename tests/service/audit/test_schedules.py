# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules: who made, changed, paused, resumed, ran and deleted them, and in whose name their runs are."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hostler.accounts.models import User
from hostler.audit.chain import verify
from hostler.audit.origin import acting, of_command
from hostler.schedules import actions
from hostler.settings import Settings
from tests.service.audit.conftest import audited, last
from tests.service.schedules.conftest import PATH, made, runs, time_comes
from tests.service.schedules.conftest import ended as run_ended

pytestmark = pytest.mark.anyio

ALL = {"action": "start", "filter": {"search": "victim"}}


async def of_schedules() -> list[dict[str, Any]]:
    return [entry for entry in await audited() if entry["action"].startswith("schedule.")]


async def test_what_is_done_to_a_schedule_by_rest(everything: httpx.AsyncClient) -> None:
    schedule = await made(everything, do=ALL)
    path = f"{PATH}/{schedule['id']}"
    for verb in ("pause", "pause", "resume", "resume"):
        assert (await everything.post(f"{path}/{verb}")).status_code == 200
    answer = await everything.put(path, json={"name": "weekly", "do": {**ALL, "action": "stop"}, "missed": "skip"})
    assert answer.status_code == 200, answer.text
    assert (await everything.put(path, json={"name": "weekly"})).status_code == 200
    assert (await everything.delete(path)).status_code == 200
    assert (await everything.delete(path)).status_code == 404

    created, paused, resumed, changed, deleted = found = await of_schedules()

    verbs = [entry["action"].partition(".")[2] for entry in found]
    assert verbs == ["create", "pause", "resume", "change", "delete"]
    for entry in found:
        assert (entry["actor"], entry["auth"], entry["outcome"]) == ("everything", "session", "succeeded")
        assert (entry["target_kind"], entry["target_id"]) == ("schedule", schedule["id"])
        assert (entry["address"], entry["request_id"] is None) == ("127.0.0.1", False)
    assert (created["before"], created["after"]["do"], created["after"]["cron"]) == (None, ALL, "0 2 1 1 *")
    assert (created["target_name"], created["after"]["owner_name"]) == ("nightly", "everything")
    assert (paused["before"], paused["after"]) == ({"paused": False}, {"paused": True})
    assert (resumed["before"], resumed["after"]) == ({"paused": True}, {"paused": False})
    assert changed["before"] == {"name": "nightly", "do": ALL}
    assert changed["after"] == {"name": "weekly", "do": {**ALL, "action": "stop"}}
    assert (deleted["target_name"], deleted["before"]["name"], deleted["after"]) == ("weekly", "weekly", None)


async def test_who_changes_it_becomes_its_owner_by_that(
    everything: httpx.AsyncClient, client: httpx.AsyncClient, write_headers: dict[str, str]
) -> None:
    made_by_another = await client.post(
        PATH, json={"name": "nightly", "cron": "0 2 1 1 *", "do": ALL}, headers=write_headers
    )

    assert (await everything.put(f"{PATH}/{made_by_another.json()['id']}", json={})).status_code == 200

    entry = await last("schedule.change")
    assert (entry["before"], entry["after"]) == ({"owner_name": "writer"}, {"owner_name": "everything"})


async def test_what_is_refused_is_no_entry(everything: httpx.AsyncClient) -> None:
    await made(everything, do=ALL)
    other = await made(everything, do=ALL, name="other")
    before = await of_schedules()

    taken = await everything.post(PATH, json={"name": "nightly", "cron": "0 2 1 1 *", "do": ALL})
    renamed = await everything.put(f"{PATH}/{other['id']}", json={"name": "nightly"})
    of_nothing = await everything.post(f"{PATH}/{other['id']}/run")

    assert [one.status_code for one in (taken, renamed, of_nothing)] == [409, 409, 400]
    assert await of_schedules() == before


async def test_commands_are_the_accounts(everything: httpx.AsyncClient) -> None:
    schedule = await actions.get_schedule((await made(everything, do=ALL))["id"])

    with acting(of_command()):
        await actions.pause(schedule)
        await actions.resume(schedule)
        await actions.delete(schedule)

    found = (await of_schedules())[1:]
    assert [entry["action"] for entry in found] == ["schedule.pause", "schedule.resume", "schedule.delete"]
    assert {(entry["auth"], entry["actor"]) for entry in found} == {("cli", of_command().actor)}


async def test_a_run_now_is_its_callers(everything: httpx.AsyncClient, test_vm: dict[str, Any]) -> None:
    schedule = await made(everything, do=ALL)
    path = f"{PATH}/{schedule['id']}/run"
    assert (await everything.post(f"{path}?dry_run=true")).status_code == 200
    assert await audited("schedule.run") == []

    for _ in range(2):
        assert (await everything.post(path, headers={"Idempotency-Key": "k"})).status_code == 202
    (job,) = await runs()
    await run_ended(job.id)

    (entry,) = await audited("schedule.run")
    assert (entry["actor"], entry["auth"], entry["outcome"]) == ("everything", "session", "accepted")
    assert (entry["target_id"], entry["details"]) == (schedule["id"], {"job_id": job.id})
    accepted = (await audited("vm.many"))[0]
    assert (accepted["actor"], accepted["auth"]) == ("everything", "session")


async def test_a_run_by_the_clock_is_the_services_for_its_owner(
    everything: httpx.AsyncClient, settings: Settings, test_vm: dict[str, Any]
) -> None:
    schedule = await made(everything, do=ALL)
    owner = await User.get(username="everything")

    await time_comes(settings, schedule)
    (job,) = await runs()
    await run_ended(job.id)

    assert await audited("schedule.run") == [], "nobody has asked for it"
    of_parent, of_child = await audited("vm.many"), await audited("vm.start")
    assert [entry["outcome"] for entry in (*of_parent, *of_child)] == ["accepted", "succeeded"] * 2
    for entry in (*of_parent, *of_child):
        assert (entry["actor"], entry["actor_id"], entry["auth"]) == ("everything", owner.id, "service")
        assert (entry["token_prefix"], entry["address"]) == (None, None)
    for entry in (of_parent[0], of_child[0]):
        assert entry["details"]["schedule"] == {"id": schedule["id"], "name": "nightly"}
    assert of_parent[0]["details"]["parameters"] == {**ALL, "vms": 1}
    assert of_child[0]["details"]["parent_job_id"] == job.id
    assert (await verify()).problem is None


async def test_a_schedule_that_pauses_itself_says_why(everything: httpx.AsyncClient, settings: Settings) -> None:
    schedule = await made(everything, do=ALL)
    await User.filter(username="everything").update(enabled=False)

    await time_comes(settings, schedule)

    entry = await last("schedule.pause")
    assert (entry["actor"], entry["auth"], entry["outcome"]) == ("hostler", "service", "succeeded")
    assert (entry["before"], entry["after"]) == ({"paused": False}, {"paused": True})
    assert (entry["target_name"], entry["details"]) == ("nightly", {"reason": "Its owner 'everything' is disabled"})
