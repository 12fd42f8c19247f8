# SPDX-License-Identifier: GPL-3.0-or-later
"""``Idempotency-Key`` of ``POST /api/vms``: made once, answered the same however often it is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.settings import Settings
from lab.host import Host
from tests.service.conftest import Headers, MakeUser, log_in
from tests.service.machines.lab_service import SMALL, domains, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.rule("idempotency")]

KEY = {"Idempotency-Key": "order 4711/a"}


async def post(api: httpx.AsyncClient, server: Server, headers: Headers | None = None, **fields: Any) -> httpx.Response:
    body = {"name": "once", "server_id": server.id, **SMALL, **fields}
    return await api.post("/api/vms", json=body, headers={**KEY, **(headers or {})})


async def test_the_same_key_and_body_are_answered_as_they_were_first(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    first = await post(api, server)
    assert first.status_code == 201, first.text
    await api.post(f"/api/vms/{first.json()['id']}/start")

    again = await post(api, server)
    # another order, another spelling, the same body
    spelt = await api.post(
        "/api/vms", json=dict(reversed({"name": "once", "server_id": server.id, **SMALL}.items())), headers=KEY
    )

    assert (again.status_code, again.json()) == (201, first.json())
    assert (spelt.status_code, spelt.json()) == (201, first.json())
    assert first.json()["status"] == "stopped"
    assert domains(clean_host) == {"once"}
    assert await Job.filter(action="vm_create").count() == 1


async def test_the_first_answer_stays_when_the_vm_is_gone(api: httpx.AsyncClient, server: Server) -> None:
    first = await post(api, server)
    await api.delete(f"/api/vms/{first.json()['id']}")

    again = await post(api, server)

    assert (again.status_code, again.json()) == (201, first.json())
    assert not await Machine.all().exists()


async def test_the_same_key_with_another_body_is_422_and_named(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    await post(api, server)

    for fields in ({"name": "twice"}, {"memory_mb": 65}, {"start": True}):
        answer = await post(api, server, **fields)

        assert answer.status_code == 422
        assert answer.json()["code"] == "idempotency_key_reused"
        assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]
    assert domains(clean_host) == {"once"}


async def test_ten_at_once_make_one_vm_and_are_answered_alike(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    answers = await asyncio.gather(*(post(api, server) for _ in range(10)))

    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    assert {answer.text for answer in answers} == {answers[0].text}
    assert domains(clean_host) == {"once"}
    assert await Job.all().count() == 1


async def test_what_a_failed_job_has_written_down_is_told_again(api: httpx.AsyncClient, server: Server) -> None:
    made = await post(api, server)
    wrong = {"status": 400, "errors": [["image", "Image 'x' not found"]]}
    for state, result, code, status in (
        ("failed", wrong, "image_not_found", 400),
        ("failed", {"status": 503, "errors": []}, "host_unreachable", 503),
        ("failed", None, "cut_off", 500),
        ("canceled", None, "canceled", 409),
    ):
        await Job.filter(id=1).update(state=state, result=result, error_code=code, error_detail="It was so")

        answer = await post(api, server)

        assert (answer.status_code, answer.json()["detail"], answer.json()["code"]) == (status, "It was so", code)
        problems = [[error["field"], error["message"]] for error in answer.json().get("errors", ())]
        assert problems == (result or {"errors": []})["errors"]
    assert made.status_code == 201
    assert await Job.all().count() == 1


@pytest.mark.slow
async def test_a_failure_is_remembered_whole(
    api: httpx.AsyncClient, server: Server, clean_host: Host, settings: Settings, tmp_path: Path
) -> None:
    # the host's pool takes no more files: a failure after the job was opened
    pool = clean_host.layout.pools["default"]
    object.__setattr__(settings, "dispatch", {})
    object.__setattr__(settings, "hooks_dir", tmp_path)
    (tmp_path / "vm_create_before.yml").write_text("- ansible.builtin.fail:\n    msg: no ticket, no VM\n")
    first = await post(api, server)
    (tmp_path / "vm_create_before.yml").unlink()

    again = await post(api, server)

    assert (first.status_code, first.json()["detail"]) == (500, "Failed to create VM: no ticket, no VM")
    assert again.status_code == first.status_code
    known, told = first.json(), again.json()
    assert {**told, "request_id": ""} == {**known, "request_id": ""}
    assert domains(clean_host) == set()
    assert not list(pool.iterdir())
    assert (await api.get("/api/jobs/1")).json()["result"] is None


async def test_what_was_refused_before_there_was_a_job_is_not_remembered(
    api: httpx.AsyncClient, server: Server
) -> None:
    assert (await post(api, server, memory_mb=1)).status_code == 422
    assert (await post(api, server, image="no-such.qcow2")).status_code == 400

    assert (await post(api, server)).status_code == 201


async def test_each_caller_has_keys_of_its_own(
    api: httpx.AsyncClient, server: Server, make_user: MakeUser, client: httpx.AsyncClient
) -> None:
    await make_user("other", "read", "write")
    other = await log_in(client, "other", "correct horse battery")
    first = await post(api, server)

    answer = await post(api, server, other, name="anothers")

    assert answer.status_code == 201
    assert answer.json()["id"] != first.json()["id"]


async def test_without_a_key_nothing_is_remembered(api: httpx.AsyncClient, server: Server) -> None:
    body = {"name": "once", "server_id": server.id, **SMALL}

    assert (await api.post("/api/vms", json=body)).status_code == 201
    assert (await api.post("/api/vms", json=body)).status_code == 409


@pytest.mark.parametrize("key", ["", "x" * 256, "naïve", "a\tb"])
async def test_a_key_that_is_none_is_422_and_named(api: httpx.AsyncClient, server: Server, key: str) -> None:
    answer = await api.post(
        "/api/vms",
        json={"name": "once", "server_id": server.id, **SMALL},
        headers=[(b"Idempotency-Key", key.encode("latin-1"))],
    )

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]


async def test_two_keys_are_422(api: httpx.AsyncClient, server: Server) -> None:
    answer = await api.post(
        "/api/vms",
        json={"name": "once", "server_id": server.id, **SMALL},
        headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
    )

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]


async def test_who_may_not_write_learns_nothing_by_a_key(
    api: httpx.AsyncClient, server: Server, read_headers: Headers
) -> None:
    await post(api, server)

    assert (await post(api, server, read_headers)).status_code == 403


async def test_a_dry_run_uses_no_key_up(api: httpx.AsyncClient, server: Server) -> None:
    body = {"name": "once", "server_id": server.id, **SMALL}

    dry = await api.post("/api/vms", json=body, headers=KEY, params={"dry_run": "true"})

    assert (dry.status_code, dry.json()["vm"]) == (200, None)
    assert (await post(api, server)).status_code == 201
    assert (await api.post("/api/vms", json=body, headers=KEY, params={"dry_run": "true"})).status_code == 409


async def test_an_asynchronous_request_and_its_repetitions_share_one_job(
    api: httpx.AsyncClient, server: Server
) -> None:
    rather = {"Prefer": "respond-async"}
    first = await post(api, server, rather)

    again = await post(api, server, rather)
    waited = await post(api, server)
    late = await post(api, server, rather)

    assert [answer.status_code for answer in (first, again, waited, late)] == [202, 202, 201, 202]
    assert {answer.headers["Location"] for answer in (first, again, late)} == {"/api/jobs/1"}
    assert late.json()["state"] == "succeeded"
    assert late.json()["result"]["vm"] == waited.json()


class TestPlaybook:
    """A create that takes its time."""

    @pytest.fixture
    def settings(self, settings: Settings, tmp_path: Path) -> Settings:
        (tmp_path / "hooks").mkdir()
        return settings.model_copy(update={"dispatch": {}, "hooks_dir": tmp_path / "hooks"})

    @pytest.mark.slow
    async def test_a_repetition_waits_for_the_first(
        self, api: httpx.AsyncClient, server: Server, tmp_path: Path
    ) -> None:
        hook = tmp_path / "hooks" / "vm_create_after.yml"
        hook.write_text("- ansible.builtin.wait_for:\n    path: " + str(tmp_path / "go") + "\n    sleep: 1\n")
        first = asyncio.create_task(post(api, server))

        async def has_begun() -> bool:
            return await Job.filter(state="running").exists()

        await eventually(has_begun, "the create has begun")
        again = asyncio.create_task(post(api, server))
        await asyncio.sleep(0.5)
        assert not again.done()
        (tmp_path / "go").touch()
        assert ((await first).status_code, (await again).text) == (201, (await first).text)
