# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that is this process's by its row, and that it is not at, is settled as if the process had been killed."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.jobs.ledger import PROCESS
from hostler.jobs.models import Job
from hostler.machines.orphans import look
from lab.host import Host
from tests.service.jobs.test_one_at_a_time import stopping, vm
from tests.service.machines.lab_service import create, engine_of

__all__ = ["vm"]

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


async def test_an_orphan_is_settled_at_the_second_look_and_its_vm_is_free(
    app: FastAPI, api: httpx.AsyncClient, server: Server
) -> None:
    there = await create(api, server, "there")
    orphan = await Job.create(
        action="vm_start", executor="direct", state="running", vm_id=there["id"], vm_uuid=there["uuid"],
        vm_name="there", server_id=server.id, lease_owner=PROCESS, started_at=datetime.now(UTC),
    )  # fmt: skip
    assert (await api.post(f"/api/vms/{there['id']}/start")).status_code == 409

    seen = await look(engine_of(app), set())
    await orphan.refresh_from_db()
    assert (seen, orphan.state) == ({orphan.id}, "running")
    await look(engine_of(app), seen)

    await orphan.refresh_from_db()
    assert (orphan.state, orphan.error_code) == ("failed", "cut_off")
    assert (await api.post(f"/api/vms/{there['id']}/start")).status_code == 200


async def test_a_job_that_is_under_way_is_none(
    app: FastAPI, api: httpx.AsyncClient, vm: dict[str, object], clean_host: Host
) -> None:
    waiting = await stopping(api, dict(vm))

    assert await look(engine_of(app), set()) == set()

    clean_host.virsh("destroy", "deaf")
    assert (await waiting).status_code == 200
