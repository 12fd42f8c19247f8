# SPDX-License-Identifier: GPL-3.0-or-later
"""The service killed after any commit that an action makes, done at once or queued, and started again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lab.host import Host
from tests.end_to_end import dying_service
from tests.end_to_end.conftest import RunningService, eventually
from tests.end_to_end.test_killed_at_any_call import ACTIONS, BY_PLAYBOOK, VM, assert_settled

pytestmark = [pytest.mark.lab, pytest.mark.slow]

LATER = {"Prefer": "respond-async"}


@pytest.fixture
def service(request: pytest.FixtureRequest, lab_host: Host, tmp_path: Path) -> Iterator[RunningService]:
    """A service that dies by a file beside it."""
    dispatch = f'{{"vm_create": "{request.param}", "vm_resize": "{request.param}"}}'
    # the clock that notes usage would be counted, too
    settings = {"HOSTLER_DISPATCH": dispatch, "HOSTLER_STATISTICS_SECONDS": "300"}
    service = RunningService(tmp_path, lab_host.uri, lab_host.virt_type, **settings)
    service.environment[dying_service.FILE] = str(tmp_path / "dies")
    service.program = (Path(dying_service.__file__),)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        service.client.close()


def kill_it_once(service: RunningService, host: Host, action: str, commit: int, headers: dict[str, str]) -> bool:
    """Do the action, the service dying after that commit; false when it is done before that came."""
    had, method, path, body = ACTIONS[action]
    path = "/api/vms" + path
    if had is not None:
        made = service.post("/api/vms", **VM, **had)
        assert made.status_code == 201, made.text
        path = path.format(id=made.json()["id"])
    what = f"{action}, killed after commit {commit}, {headers}"
    dies = Path(service.environment[dying_service.FILE])
    dies.write_text(f"{commit}")
    answer = None
    try:
        answer = service.client.request(method, path, json=body, headers=headers)
        if answer.status_code == 202:
            location = answer.headers["Location"]
            eventually(lambda: service.get(location)["finished_at"] is not None, "the job ends")
    except httpx.TransportError:
        pass
    dies.unlink()
    killed = not service.is_alive(1.0)
    if killed:
        service.start()
    else:
        assert answer is not None and answer.is_success, f"{what}: {answer and answer.text}"
    if answer is not None and answer.status_code == 202:
        # it was accepted, so it is done, or its job says why not
        location = answer.headers["Location"]
        eventually(lambda: service.get(location)["state"] in ("succeeded", "failed"), f"{what}: the job ends")
    assert_settled(service, host, what)
    return killed


CASES = [
    *(("direct", action, {}) for action in ACTIONS),
    *(("direct", action, LATER) for action in ACTIONS),
    *(("playbook", action, headers) for action in BY_PLAYBOOK for headers in ({}, LATER)),
]
NAMES = [f"{action}-{way}-{'queued' if headers else 'at once'}" for way, action, headers in CASES]


@pytest.mark.parametrize(("service", "action", "headers"), CASES, indirect=["service"], ids=NAMES)
def test_a_service_that_dies_after_any_commit_settles_what_it_was_at(
    service: RunningService, lab_host: Host, action: str, headers: dict[str, str]
) -> None:
    # each run tries others; what fails names its own
    commit = random.randint(1, 2)  # noqa: S311  no secret
    while kill_it_once(service, lab_host, action, commit, headers):
        commit += random.randint(1, 3)  # noqa: S311
        assert commit < 200
