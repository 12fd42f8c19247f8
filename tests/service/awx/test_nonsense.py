# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that is not what AWX answers is told as that wherever it comes; a launch that is answered so is not lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from hostler.awx import AwxError, Controller, Launch
from hostler.awx.errors import AwxBadAnswer
from hostler.settings import Settings
from tests.awx_setup.controller.faults import Fault
from tests.service.awx.conftest import CREATE, Awx
from tests.service.awx.running import stays_running

pytestmark = pytest.mark.anyio

DEEP = f'{{"results": {"[" * 100_000}{"]" * 100_000}}}'
SHAPES = ['{"results": [{}]}', '{"results": 5}', '{"results": [1]}', '{"results": [{"id": "7"}]}', "{}", DEEP]
MARK = "a-uuid/1/2.0"


@pytest.fixture
def database_url() -> str:
    """There is none."""
    return ""


@pytest.fixture
async def controller(settings: Settings) -> AsyncIterator[Controller]:
    controller = Controller(settings.model_copy(update={"awx_absence_seconds": 0}))
    yield controller
    await controller.close()


@pytest.fixture
def launch(awx: Awx) -> Launch:
    awx.templates[CREATE].update(playbook="playbooks/of_nobody.yml", survey_enabled=False)
    return Launch(CREATE, MARK, {})


async def nothing(_number: int) -> None:
    pass


def following(controller: Controller, awx: Awx) -> Coroutine[Any, Any, object]:
    return controller.follow(stays_running(awx, CREATE), lambda _: None, lambda _: None, 3)


READERS: dict[str, Callable[[Controller, Launch, Awx], Coroutine[Any, Any, object]]] = {
    "/job_templates/$": lambda controller, launch, _: controller.launch(launch, nothing),
    "/job_templates/[0-9]+/jobs/$": lambda controller, launch, _: controller.find(launch),
    "/job_events/$": lambda controller, _, awx: following(controller, awx),
}


MARKED = f'{{"results": [{{"id": "7", "extra_vars": "{{\\"hostler_job\\": \\"{MARK}\\"}}"}}]}}'
# a job without our mark is another one, and nobody looks at its number
CASES = [(path, MARKED if "/jobs/" in path and "[{" in body else body) for path in READERS for body in SHAPES]


@pytest.mark.parametrize(("path", "body"), sorted(set(CASES)), ids=lambda text: text[:30])
async def test_a_list_that_is_none(controller: Controller, launch: Launch, awx: Awx, path: str, body: str) -> None:
    awx.controller.faults.append(Fault("nonsense", path=path, body=body))

    with pytest.raises(AwxBadAnswer):
        await READERS[path](controller, launch, awx)


@pytest.mark.parametrize("body", ['{"spec": 5}', '{"spec": [1]}', '{"spec": {"a": 1}}'])
async def test_a_survey_that_is_none(controller: Controller, launch: Launch, awx: Awx, body: str) -> None:
    awx.templates[CREATE]["survey_enabled"] = True
    awx.controller.faults.append(Fault("nonsense", path="/survey_spec/$", body=body))

    with pytest.raises(AwxBadAnswer, match="a survey's questions"):
        await controller.launch(launch, nothing)


@pytest.mark.parametrize(
    "body", [DEEP, "[]", "7", '{"job": "7"}', '{"job": true}', '{"job": null}', "{}"], ids=lambda body: body[:24]
)
async def test_a_launch_that_is_answered_with_nonsense_is_looked_for(
    controller: Controller, launch: Launch, awx: Awx, body: str
) -> None:
    awx.controller.faults.append(Fault("nonsense", path="/launch/$", method="POST", heard=True, body=body))
    kept: list[int] = []

    async def keep(number: int) -> None:
        kept.append(number)

    number = await controller.launch(launch, keep)

    assert [number] == kept == [job["id"] for job in awx.launched]


@pytest.mark.parametrize(
    "ignored", ["5", "[[1]]", '{"extra_vars": 5}', '{"extra_vars": [[1]]}', '{"extra_vars": "[7]"}']
)
async def test_a_launch_that_ignored_nobody_knows_what_is_canceled(
    controller: Controller, launch: Launch, awx: Awx, ignored: str
) -> None:
    number = stays_running(awx, CREATE, MARK)
    body = f'{{"job": {number}, "ignored_fields": {ignored}}}'
    awx.controller.faults.append(Fault("nonsense", path="/launch/$", method="POST", body=body))

    with pytest.raises(AwxError, match="does not take"):
        async with asyncio.timeout(5):
            await controller.launch(launch, nothing)

    assert awx.controller.jobs.jobs[number]["status"] == "canceled"
