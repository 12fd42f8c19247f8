# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a job's events: each once, in their order, whichever are late or lost, and from whatever answers."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hostler.awx import Controller
from hostler.awx.errors import AwxBadAnswer
from hostler.runner import LogLine, PlaybookEvent, PlaybookStatus
from hostler.settings import Settings
from tests.awx_setup.controller.faults import Fault
from tests.service.awx.conftest import CREATE, Awx
from tests.service.awx.running import stays_running

pytestmark = pytest.mark.anyio


@pytest.fixture
def database_url() -> str:
    """There is none."""
    return ""


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job is looked at often, and not long after its end."""
    monkeypatch.setattr("hostler.awx.following._POLL_SECONDS", 0.05)
    monkeypatch.setattr("hostler.awx.following._LAST_EVENTS_SECONDS", 1.0)


@pytest.fixture
async def controller(settings: Settings) -> AsyncIterator[Controller]:
    controller = Controller(settings)
    yield controller
    await controller.close()


def event(counter: int) -> dict[str, Any]:
    return {
        "counter": counter,
        "event": "verbose",
        "event_data": {},
        "stdout": f"line {counter}",
        "at": 0.0,
        "task": "",
        "host_name": "",
    }


class Told(list[str]):
    """The lines that were told of."""

    def hear(self, told: PlaybookEvent) -> None:
        assert isinstance(told, LogLine)
        self.append(told.text)


def lines(counters: range, *but: int) -> list[str]:
    return [f"line {counter}" for counter in counters if counter not in but]


async def test_what_is_after_a_lost_event_is_read_once(controller: Controller, awx: Awx) -> None:
    number, told = stays_running(awx, CREATE), Told()
    events = awx.controller.jobs.events[number]
    events += [event(counter) for counter in range(1, 1001) if counter != 2]

    following = asyncio.create_task(controller.follow(number, told.hear, lambda _: None, 60))
    await asyncio.sleep(2)
    polls = awx.asked("GET", f"/api/v2/jobs/{number}/")
    asked = awx.asked("GET", f"/api/v2/jobs/{number}/job_events/")
    assert told == ["line 1"]
    assert polls > 4
    assert asked <= 2 * polls + 1000 // 50 + 2
    events.append(event(2))
    events.append(event(1001))
    await asyncio.sleep(1)
    assert told == lines(range(1, 1002))
    job = awx.controller.jobs.jobs[number]
    job.update(status="successful", event_processing_finished=True)

    outcome = await following

    assert outcome.status is PlaybookStatus.SUCCEEDED
    assert told == lines(range(1, 1002))


async def test_of_several_gaps_each_is_filled_or_passed_over_in_the_end(controller: Controller, awx: Awx) -> None:
    number, told = stays_running(awx, CREATE), Told()
    events = awx.controller.jobs.events[number]
    events += [event(counter) for counter in range(1, 301) if counter not in (2, 70, 71, 150, 299)]

    following = asyncio.create_task(controller.follow(number, told.hear, lambda _: None, 60))
    await asyncio.sleep(1)
    events += [event(counter) for counter in (70, 299)]  # while an earlier one is not there
    await asyncio.sleep(0.5)
    awx.controller.jobs.jobs[number].update(status="successful")  # whose events are never all there
    await following

    assert told == lines(range(1, 301), 2, 71, 150)


async def test_a_page_that_does_not_go_on_is_a_bad_answer(controller: Controller, awx: Awx) -> None:
    number = stays_running(awx, CREATE)
    body = json.dumps({"results": [event(counter) for counter in range(1, 51)]})
    awx.controller.faults.append(Fault("nonsense", path="/job_events/$", body=body))

    async with asyncio.timeout(5):
        with pytest.raises(AwxBadAnswer, match="some that it was not asked for"):
            await controller.follow(number, lambda _: None, lambda _: None, 60)


class Endless(BaseHTTPRequestHandler):
    """A controller whose job has events without end, and runs until it is canceled."""

    protocol_version = "HTTP/1.1"
    canceled = False

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path.endswith("/job_events/"):
            after = int(parse_qs(address.query)["counter__gt"][0])
            self._answer({"results": [event(counter) for counter in range(after + 1, after + 51)]})
        else:
            self._answer({"status": "canceled" if type(self).canceled else "running"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).canceled = True
        self._answer({})

    def _answer(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def endless() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_events_without_end_keep_no_job_from_its_deadline(settings: Settings, endless: str) -> None:
    controller = Controller(settings.model_copy(update={"awx_url": endless}))
    begun = time.monotonic()

    async with asyncio.timeout(15):
        outcome = await controller.follow(7, lambda _: None, lambda _: None, 1)

    await controller.close()
    assert outcome.status is PlaybookStatus.TIMEOUT
    assert Endless.canceled
    assert time.monotonic() - begun < 10
