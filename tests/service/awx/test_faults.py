# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with AWX, or on the way to it: each a clear error with a code, and no job is launched twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
import threading

import httpx
import pytest

from hostler.database import config
from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.settings import Settings
from lab.host import Host
from tests.awx_setup.controller.faults import Fault
from tests.service.awx.conftest import CREATE, WAITS, Awx, open_gate
from tests.service.machines.lab_service import SMALL, create, domains, eventually, volumes

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

LAUNCH = r"/launch/$"
LATER = {"Prefer": "respond-async"}


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was abandoned is looked for often."""
    monkeypatch.setattr("hostler.machines.abandoned._LOOK_SECONDS", 0.3)


async def post(api: httpx.AsyncClient, server: Server, name: str = "faulty") -> httpx.Response:
    return await api.post("/api/vms", json={"name": name, "server_id": server.id, **SMALL})


async def refused(api: httpx.AsyncClient, server: Server, host: Host, code: str) -> str:
    """Have a create fail with that code and leave nothing; answers what its client is told."""
    answer = await post(api, server)

    assert (answer.status_code, answer.json()["code"]) == (503, code), answer.text
    job = await Job.get()
    assert (job.state, job.error_code, job.error_detail) == ("failed", code, answer.json()["detail"])
    assert (await api.get("/api/vms")).json()["total"] == 0
    assert domains(host) == volumes(host) == set()
    detail: str = answer.json()["detail"]
    return detail


def launches(awx: Awx) -> int:
    return sum(1 for method, path in awx.controller.requests if method == "POST" and re.search(LAUNCH, path))


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "awx_unauthorized", "AWX does not accept the service's token"),
        (403, "awx_forbidden", "may not launch AWX's job template 'Hostler / Service / Create a VM'"),
        (500, "awx_failed", "AWX answered 500"),
        (502, "awx_failed", "AWX answered 502"),
        (302, "awx_bad_answer", "AWX's address leads elsewhere (302)"),
    ],
)
async def test_what_awx_answers_before_a_launch_is_told_and_nothing_is_launched(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx, status: int, code: str, words: str
) -> None:
    awx.controller.faults.append(Fault("status", path=LAUNCH, status=status))

    assert words in await refused(api, server, clean_host, code)
    assert launches(awx) == 0


async def test_a_user_who_may_only_look_is_told_so(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.controller.faults.append(Fault("status", path=LAUNCH, method="POST", status=403))

    assert "may not launch" in await refused(api, server, clean_host, "awx_forbidden")
    assert launches(awx) == 1


async def test_what_is_no_awx_is_told_of(api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx) -> None:
    awx.controller.faults.append(Fault("nonsense"))

    assert "not AWX's API" in await refused(api, server, clean_host, "awx_bad_answer")


async def test_a_controller_that_is_down_is_told_of(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.controller.stop()
    try:
        assert await refused(api, server, clean_host, "awx_unreachable") == "AWX can't be reached: nobody listens there"
    finally:
        awx.controller.start()


async def test_a_controller_that_is_silent_is_told_of(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.controller.faults.append(Fault("silence", seconds=4))

    assert await refused(api, server, clean_host, "awx_timeout") == "AWX did not answer within 2 s"


async def test_a_template_that_is_not_there_is_named(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.controller.store.delete(awx.templates[CREATE])

    assert f"AWX has no job template '{CREATE}'" in await refused(api, server, clean_host, "awx_not_found")


async def test_a_template_that_does_not_take_a_variable_is_not_launched(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.templates[CREATE]["ask_variables_on_launch"] = False

    detail = await refused(api, server, clean_host, "awx_ignored_fields")

    assert detail.startswith(
        f"AWX's job template '{CREATE}' does not take hostler_literal, hypervisor, libvirt_uri, vm_"
    )
    assert "vm_uuid" in detail
    assert launches(awx) == 0


async def test_a_job_that_was_launched_with_less_than_was_asked_for_is_canceled(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.hook("vm_create_before", WAITS)
    # between the look at it and the launch somebody changes it
    awx.controller.before_launch = lambda: awx.templates[CREATE].update(ask_variables_on_launch=False)

    detail = await refused(api, server, clean_host, "awx_ignored_fields")

    assert "vm_uuid" in detail
    assert [job["status"] for job in awx.launched] == ["canceled"]
    assert (await Job.get()).external_id == str(awx.launched[0]["id"])


async def test_what_a_survey_does_not_take_is_told_but_for_secrets(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    question = {"question_name": "Memory", "variable": "vm_memory_mb", "type": "integer", "required": True, "max": 32}
    survey = awx.templates[CREATE]["survey_spec"]
    awx.templates[CREATE]["survey_spec"] = survey | {"spec": [*survey["spec"], question]}

    detail = await refused(api, server, clean_host, "awx_refused")

    assert "'vm_memory_mb' value 64 is too large (must be no more than 32)" in detail
    assert awx.launched == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("silence", path=LAUNCH, method="POST", seconds=4, times=1, heard=True),
        Fault("drop", path=LAUNCH, method="POST", times=1, heard=True),
        Fault("status", path=LAUNCH, method="POST", status=504, times=1, heard=True),
        Fault("nonsense", path=LAUNCH, method="POST", times=1, heard=True),
    ],
    ids=lambda fault: str(fault.what),
)
async def test_a_job_whose_launch_was_not_answered_is_found_and_followed(
    api: httpx.AsyncClient, server: Server, awx: Awx, fault: Fault
) -> None:
    awx.controller.faults.append(Fault(**vars(fault)))

    vm = await create(api, server, "unanswered")

    assert vm["status"] == "stopped"
    assert (launches(awx), len(awx.launched)) == (1, 1)
    assert (await Job.get()).external_id == str(awx.launched[0]["id"])


async def test_a_launch_that_was_lost_is_not_tried_again(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.controller.faults.append(Fault("drop", path=LAUNCH, method="POST"))

    detail = await refused(api, server, clean_host, "awx_launch_unknown")

    job = await Job.get()
    assert f"should one appear at AWX, its variable hostler_job is {job.vm_uuid}/{job.id}/" in detail
    assert (launches(awx), awx.launched) == (1, [])


async def test_a_launch_that_arrives_after_it_was_given_up_is_canceled(
    quick_looks: None, api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.hook("vm_create_before", WAITS)
    awx.controller.faults.append(Fault("drop", path=LAUNCH, method="POST", times=1))
    detail = await refused(api, server, clean_host, "awx_launch_unknown")
    mark = detail.rpartition("hostler_job is ")[2]

    late = awx.controller.jobs.launch(awx.templates[CREATE], {"extra_vars": {"hostler_job": mark, "vm_name": "late"}})

    async def is_canceled() -> bool:
        return bool(awx.controller.jobs.jobs[late["id"]]["status"] == "canceled")

    await eventually(is_canceled, "it is found and canceled")
    assert domains(clean_host) == set()


@pytest.mark.parametrize(
    "fault",
    [Fault("status", status=503), Fault("status", status=401), Fault("drop"), Fault("silence", seconds=2.5)],
    ids=["503", "401", "drop", "silence"],
)
async def test_an_awx_that_is_away_for_a_moment_is_waited_for(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx, fault: Fault
) -> None:
    awx.hook("vm_create_before", WAITS)
    creating = asyncio.create_task(post(api, server, "patient"))
    await eventually(lambda: is_running(awx), "it runs at AWX")

    awx.controller.faults.append(Fault(**vars(fault)))
    await asyncio.sleep(2)
    open_gate(awx)
    await asyncio.sleep(1)
    awx.controller.faults.clear()
    answer = await creating

    assert answer.status_code == 201, answer.text
    assert domains(clean_host) == {"patient"}
    steps = [step["name"] for step in (await api.get(f"/api/jobs/{(await Job.get()).id}")).json()["steps"]]
    assert len(steps) == len(set(steps))


async def test_an_awx_that_stays_away_is_told_of_and_its_job_named_and_canceled_later(
    quick_looks: None, api: httpx.AsyncClient, server: Server, awx: Awx
) -> None:
    awx.hook("vm_create_before", WAITS)
    creating = asyncio.create_task(post(api, server))
    await eventually(lambda: is_running(awx), "it runs at AWX")

    awx.controller.stop()
    answer = await creating
    assert awx.launched[0]["status"] == "running"
    awx.controller.start()

    async def is_canceled() -> bool:
        return bool(awx.launched[0]["status"] == "canceled")

    await eventually(is_canceled, "what goes on there is canceled when it is back")
    assert (answer.status_code, answer.json()["code"]) == (503, "awx_unreachable")
    number = awx.launched[0]["id"]
    assert answer.json()["detail"].endswith(f"what has become of AWX job {number} is not known")


async def test_a_job_that_awx_can_not_run_says_why(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.templates[CREATE]["playbook"] = "playbooks/of_nobody.yml"

    detail = await refused(api, server, clean_host, "awx_job_broken")

    assert f"(AWX job {awx.launched[0]['id']})" in detail
    assert "could not be found" in detail


async def test_a_job_that_is_deleted_there_ends_here(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.hook("vm_create_before", WAITS)
    creating = asyncio.create_task(post(api, server))
    await eventually(lambda: is_running(awx), "it runs at AWX")

    awx.controller.faults.append(Fault("status", path=r"/jobs/\d+/", status=404))
    answer = await creating

    assert (answer.status_code, answer.json()["code"]) == (503, "awx_job_broken")
    assert "does not have the job any more" in answer.json()["detail"]


async def test_a_host_that_is_none_of_the_inventory_is_no_success(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    server.ansible_connection = "ssh"
    await server.save()

    answer = await post(api, server)

    assert answer.status_code in (500, 503), answer.text
    assert "no play for this host" in answer.json()["detail"] or "ould not match" in answer.json()["detail"]
    assert json.loads(awx.launched[0]["extra_vars"])["hypervisor"] == "lab1"
    assert (await api.get("/api/vms")).json()["total"] == 0


async def is_running(awx: Awx) -> bool:
    return any(
        event["task"] == WAITS["name"] for job in awx.launched for event in awx.controller.jobs.events[job["id"]]
    )


@pytest.fixture
def impatient_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite waits for a lock for a tenth of a second."""
    monkeypatch.setattr("hostler.database.sqlite_backend.BUSY_SECONDS", 0.1)


async def test_a_job_that_was_launched_while_nothing_could_be_written_down_is_followed_all_the_same(
    impatient_database: None, settings: Settings, api: httpx.AsyncClient, server: Server, awx: Awx
) -> None:
    file = config.parse(settings.database_url).file
    if file is None:
        pytest.skip("whose lock it is can be said of SQLite's file alone")
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)

    def lock_for_a_while() -> None:
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(2, other.rollback).start()

    awx.controller.before_launch = lock_for_a_while
    with contextlib.closing(other):
        answer = await post(api, server)

    assert answer.status_code == 201, answer.text
    assert [(job.state, job.external_id) for job in await Job.all()] == [("succeeded", str(awx.launched[0]["id"]))]
    assert launches(awx) == 1
