# SPDX-License-Identifier: GPL-3.0-or-later
"""``Idempotency-Key`` of every other write of a VM: done once, answered alike."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from lab.host import Host
from tests.service.machines.lab_service import create, domains

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.rule("idempotency")]

numbers = itertools.count()


def key() -> dict[str, str]:
    return {"Idempotency-Key": f"key {next(numbers)}"}


@pytest.fixture
async def vm(api: httpx.AsyncClient, server: Server) -> dict[str, Any]:
    """A VM that runs."""
    return await create(api, server, "once", start=True)


async def test_a_reset_that_is_asked_for_ten_times_is_one(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    headers = key()

    answers = await asyncio.gather(*(api.post(f"/api/vms/{vm['id']}/reset", headers=headers) for _ in range(10)))

    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert {answer.text for answer in answers} == {answers[0].text}
    assert await Job.filter(action="vm_reset").count() == 1


async def test_each_verb_is_answered_again_though_the_vm_is_another_by_then(
    api: httpx.AsyncClient, vm: dict[str, Any]
) -> None:
    path = f"/api/vms/{vm['id']}"
    asked = [
        ("restart?force=true", key()),
        ("stop?timeout=1&force=true", key()),
        ("start", key()),
        ("force-stop", key()),
    ]
    first = [await api.post(f"{path}/{verb}", headers=headers) for verb, headers in asked]
    again = [await api.post(f"{path}/{verb}", headers=headers) for verb, headers in asked]

    assert {answer.status_code for answer in first} == {200}, [answer.text for answer in first]
    assert [answer.json() for answer in again] == [answer.json() for answer in first]
    assert (await api.get(path)).json()["status"] == "stopped"
    assert await Job.exclude(action="vm_create").count() == 4


async def test_a_failure_is_told_again_and_not_tried_again(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    headers = key()
    path = f"/api/vms/{vm['id']}/stop?timeout=1"

    first, again = await api.post(path, headers=headers), await api.post(path, headers=headers)

    assert (first.status_code, first.json()["code"]) == (504, "guest_timeout")
    assert (again.status_code, again.json()["detail"]) == (504, first.json()["detail"])
    assert await Job.filter(action="vm_stop").count() == 1


async def test_a_change_under_its_key_heeds_the_version_of_the_first_time(
    api: httpx.AsyncClient, vm: dict[str, Any]
) -> None:
    path = f"/api/vms/{vm['id']}"
    headers = {**key(), "If-Match": (await api.get(path)).headers["ETag"]}
    body = {"description": "once"}

    first, again = [await api.put(path, json=body, headers=headers) for _ in range(2)]

    assert (first.status_code, again.status_code) == (200, 200), again.text
    assert again.json()["description"] == "once"
    assert await Job.filter(action="vm_update").count() == 1
    other = await api.put(path, json={"description": "other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_delete_is_answered_again_when_its_vm_is_gone(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    headers = key()
    path = f"/api/vms/{vm['id']}"

    first, again = await api.delete(path, headers=headers), await api.delete(path, headers=headers)
    by_uuid = await api.delete(f"/api/vms/{vm['uuid']}", headers=headers)

    assert first.status_code == 200
    assert again.json() == by_uuid.json() == first.json()
    assert domains(clean_host) == set()
    assert (await api.delete(path, headers=key())).status_code == 404
    assert (await api.delete("/api/vms/999", headers=headers)).status_code == 404
    other = await api.delete(f"{path}?delete_disks=false", headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_means_one_vm(api: httpx.AsyncClient, server: Server, vm: dict[str, Any]) -> None:
    headers = key()
    other = await create(api, server, "other")
    await api.post(f"/api/vms/{vm['id']}/force-stop", headers=headers)

    answer = await api.post(f"/api/vms/{other['id']}/force-stop", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
