# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of schedules: each change once, as the API shows it by then, also what the service does by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from hostler.accounts.models import User
from hostler.events.models import Event
from hostler.settings import Settings
from tests.service.schedules.conftest import PATH, made, shown, time_comes

pytestmark = pytest.mark.anyio


async def told() -> list[tuple[str, Any]]:
    events = await Event.filter(kind__startswith="schedule.").order_by("id")
    return [(event.kind, event.data) for event in events]


async def test_each_change_by_a_user_is_told_of_once(api: httpx.AsyncClient, two: list[dict[str, Any]]) -> None:
    schedule = await made(api)
    path = f"{PATH}/{schedule['id']}"
    for verb, body in (("PUT", {"description": "new"}), ("PUT", {"description": "new"})):
        assert (await api.request(verb, path, json=body)).status_code == 200
    for verb in ("pause", "pause", "resume"):
        assert (await api.post(f"{path}/{verb}")).status_code == 200
    last = await shown(api, schedule)
    assert (await api.delete(path)).is_success

    kinds, states = zip(*((kind, data["state"]) for kind, data in await told()), strict=True)
    assert kinds == ("schedule.created", *["schedule.changed"] * 3, "schedule.deleted")
    assert states == ("waiting", "waiting", "paused", "waiting", "waiting")
    del last["next_runs"]
    assert (await told())[-1][1] == last


async def test_a_run_and_a_pause_by_the_service_itself_are_told_of(
    api: httpx.AsyncClient, settings: Settings, two: list[dict[str, Any]]
) -> None:
    schedule = await made(api)
    await time_comes(settings, schedule, timedelta(seconds=1))
    await User.filter(username="writer").update(enabled=False)
    await time_comes(settings, schedule, timedelta(days=366))

    _, (kind, run), (_, paused) = await told()
    assert (kind, run["last_time"]["outcome"]) == ("schedule.changed", "begun")
    assert run["last_job_id"] is not None
    assert (paused["state"], paused["paused_reason"]) == ("paused", "Its owner 'writer' is disabled")
