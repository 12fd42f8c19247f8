# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions on many VMs: the job above them, and each of theirs, as they are accepted and as they end."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from hostler.accounts.users import create_user
from hostler.audit.origin import acting, stranger
from hostler.bulk.actions import Many, write_down
from hostler.bulk.schemas import ManyBody
from hostler.database import Database
from hostler.hosts.models import Server
from hostler.jobs.cancel import cancel
from hostler.jobs.crew import Crew
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.permission import Caller, Credential, Permission
from hostler.settings import Settings
from tests.service.audit.conftest import audited
from tests.service.schedules.conftest import ended

pytestmark = pytest.mark.anyio


async def test_the_job_above_and_each_of_theirs(everything: httpx.AsyncClient, test_vm: dict[str, Any]) -> None:
    body = {"action": "start", "ids": [test_vm["id"]]}
    answer = await everything.post("/api/vms/actions", json=body, headers={"X-Request-ID": "start-all"})
    assert answer.status_code == 202, answer.text
    await ended(answer.json()["id"])

    parent, child = await audited("vm.many"), await audited("vm.start")

    assert [entry["outcome"] for entry in (*parent, *child)] == ["accepted", "succeeded"] * 2
    for entry in (parent[0], child[0]):
        who = (entry["actor"], entry["auth"], entry["request_id"])
        assert who == ("everything", "session", "start-all")
    for entry in (parent[1], child[1]):
        assert (entry["actor"], entry["request_id"]) == ("everything", "start-all")
    assert {entry["details"]["job_id"] for entry in parent} == {answer.json()["id"]}
    assert {entry["details"]["parent_job_id"] for entry in child} == {answer.json()["id"]}
    assert "parent_job_id" not in parent[0]["details"]
    assert (parent[0]["target_kind"], parent[0]["target_id"]) == ("vm", None)
    assert (child[0]["target_id"], child[0]["target_name"]) == (test_vm["id"], "victim")
    told = {**{name: value for name, value in body.items() if name != "ids"}, "vms": 1}
    assert parent[0]["details"]["parameters"] == told


async def test_canceling_the_job_above_ends_those_that_wait(database: Database, settings: Settings) -> None:
    """Without a service, so that none of them begins."""
    ada = await create_user("ada", "correct horse battery", [Permission.WRITE])
    server = await Server.create(hostname="shelf", libvirt_uri="qemu:///system", enabled=False)
    known = {"server": server, "status": "stopped", "cpu_cores": 1, "memory_mb": 64, "disk_gb": 1}
    vms = [await Machine.create(name=name, uuid=str(uuid.uuid4()), **known) for name in ("one", "two")]
    by_ada = Caller(ada.id, "ada", frozenset(Permission), Credential.SESSION)
    body = ManyBody.model_validate({"action": "start", "ids": [vm.id for vm in vms]})
    parent = await write_down(settings, by_ada, Many(body, {}, vms))
    before = len(await audited())

    by_eve = Caller(7, "eve", frozenset(Permission), Credential.SESSION)
    with acting(stranger("192.0.2.7", "r7").by(by_eve)):
        for _ in range(2):
            await cancel(Crew(1), parent.id)

    assert (await Job.get(id=parent.id)).state == "canceled"
    found = (await audited())[before:]
    assert [(entry["action"], entry["outcome"], entry["target_name"]) for entry in found] == [
        ("job.cancel", "accepted", "vm.many"),
        ("vm.start", "failed", "one"),
        ("vm.start", "failed", "two"),
        ("vm.many", "failed", None),
    ]
    assert {entry["actor"] for entry in found} == {"eve"}
    assert [entry["details"]["state"] for entry in found[1:]] == ["canceled"] * 3
