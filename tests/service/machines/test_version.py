# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's ``ETag``, and ``If-Match``: nobody changes what somebody else has changed since it was read."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import httpx
import pytest
from tortoise.transactions import in_transaction

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from lab.host import Host
from tests.service.machines.lab_service import create, domains

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.rule("locking")]

STALE = '"0123456789abcdef0123456789abcdef"'


@pytest.fixture
async def vm(api: httpx.AsyncClient, server: Server) -> dict[str, Any]:
    return await create(api, server, "my-vm")


async def tag(api: httpx.AsyncClient, vm: dict[str, Any], path: str = "") -> str:
    return str((await api.get(f"/api/vms/{vm['id']}{path}")).headers["ETag"])


async def put(
    api: httpx.AsyncClient, vm: dict[str, Any], if_match: str, path: str = "", **fields: Any
) -> httpx.Response:
    return await api.put(f"/api/vms/{vm['id']}{path}", json=fields, headers={"If-Match": if_match})


async def test_a_vm_and_its_config_have_one_strong_tag_which_their_changes_answer_anew(
    api: httpx.AsyncClient, vm: dict[str, Any]
) -> None:
    first = await tag(api, vm)
    assert first.startswith('"')
    assert await tag(api, vm, "/config") == first

    changed = await put(api, vm, first, description="other")
    assert changed.status_code == 200, changed.text
    second = changed.headers["ETag"]
    configured = await put(api, vm, second, "/config", vnc_enabled=False)
    assert configured.status_code == 200, configured.text
    third = configured.headers["ETag"]

    assert len({first, second, third}) == 3
    assert await tag(api, vm) == await tag(api, vm, "/config") == third
    # and back again
    await put(api, vm, third, "/config", vnc_enabled=True)
    assert (await put(api, vm, "*", description="")).headers["ETag"] == first


async def test_what_happens_to_a_vm_by_itself_is_none_of_it(
    api: httpx.AsyncClient, vm: dict[str, Any], server: Server
) -> None:
    first = await tag(api, vm)
    await api.post(f"/api/vms/{vm['id']}/start")

    assert await tag(api, vm) == first
    other = await create(api, server, "other")
    assert await tag(api, other) != first


async def test_a_stale_tag_is_412_and_nothing_is_changed(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    first = await tag(api, vm)
    await put(api, vm, first, description="mine")
    for stale in (first, STALE, f'{STALE}, "x"', f"W/{await tag(api, vm)}"):
        for path, fields in (("", {"description": "yours"}), ("", {}), ("/config", {"memory_mb": 96})):
            answer = await put(api, vm, stale, path, **fields)

            assert answer.status_code == 412, (stale, path)
            assert answer.json()["detail"] == "VM 'my-vm' was changed meanwhile: get it anew for its ETag"
            assert answer.json()["code"] == "precondition_failed"
        gone = await api.delete(f"/api/vms/{vm['id']}", headers={"If-Match": stale})
        assert gone.status_code == 412
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["description"] == "mine"
    assert domains(clean_host) == {"my-vm"}
    assert await Job.all().count() == 2


async def test_a_list_or_a_star_will_do(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    assert (await put(api, vm, "*", description="a")).status_code == 200
    assert (await put(api, vm, f"{STALE}, {await tag(api, vm)}", description="b")).status_code == 200
    two_lines = [("If-Match", STALE), ("If-Match", await tag(api, vm))]
    answer = await api.put(f"/api/vms/{vm['id']}", json={"description": "c"}, headers=two_lines)
    assert (answer.status_code, answer.json()["description"]) == (200, "c")
    assert (await api.delete(f"/api/vms/{vm['id']}", headers={"If-Match": await tag(api, vm)})).status_code == 200
    assert (await put(api, vm, "*", description="d")).status_code == 404


async def test_what_is_no_tag_is_422_and_named(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    for nonsense in ("abc", "", '"a" "b"'):
        answer = await put(api, vm, nonsense, description="x")

        assert answer.status_code == 422, nonsense
        assert [error["field"] for error in answer.json()["errors"]] == ["If-Match"]


async def test_of_two_changes_to_one_version_one_is_made(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    first = await tag(api, vm)

    answers = await asyncio.gather(*(put(api, vm, first, description=text) for text in "abcde"))

    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 200
    assert set(codes[1:]) <= {409, 412}
    (done,) = [answer for answer in answers if answer.status_code == 200]
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["description"] == done.json()["description"]
    assert f"<hostler:description>{done.json()['description']}</" in clean_host.virsh("dumpxml", "my-vm")


async def test_the_tag_is_compared_once_more_when_the_job_begins(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    first = await tag(api, vm)
    outside = contextvars.copy_context()
    async with in_transaction():
        await Machine.select_for_update().get(id=vm["id"])
        # the change has looked at the VM, and waits for its turn to write its job down
        waiting = asyncio.create_task(put(api, vm, first, description="late"), context=outside)
        await asyncio.sleep(0.5)
        await Machine.filter(id=vm["id"]).update(tags=["other"])
    answer = await waiting

    assert answer.status_code == 412
    assert await Job.all().count() == 1
