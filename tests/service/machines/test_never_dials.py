# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading asks no hypervisor: with a host that hangs, every GET answers from the database."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from lab.host import Host
from tests.service.hostile.every_route import operations
from tests.service.machines.lab_service import create

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


@pytest.mark.rule("never-dials")
async def test_with_a_host_that_hangs_everything_can_be_read(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    vm = await create(api, server, "read-me")
    job = await Job.filter(vm_id=vm["id"]).first()
    assert job is not None
    ids = {"vm_id": vm["id"], "server_id": server.id, "job_id": job.id}
    paths = [
        operation.path
        for operation in operations(app)
        if operation.method == "GET"
        and re.match("/api/(vms|servers|jobs|images)", operation.path)
        and not operation.path.endswith("/events")  # which go on for ever
    ]
    assert {"/api/vms", "/api/vms/{vm_id}", "/api/vms/{vm_id}/config", "/api/servers", "/api/jobs"} <= set(paths)
    (image,) = (await api.get("/api/images")).json()["items"]
    ids["image_id"] = image["id"]

    clean_host.pause_libvirtd()
    try:
        async with asyncio.timeout(5):
            answers = [await api.get(path.format(**ids)) for path in paths]
    finally:
        clean_host.continue_libvirtd()

    assert [(path, answer.status_code) for path, answer in zip(paths, answers, strict=True)] == [
        (path, 200) for path in paths
    ]


@pytest.mark.rule("never-dials")
async def test_what_has_to_ask_a_host_that_hangs_is_503(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    vm = await create(api, server, "ask-me")

    clean_host.pause_libvirtd()
    try:
        async with asyncio.timeout(15):
            answer = await api.get(f"/api/vms/{vm['id']}/config?xml=true")
    finally:
        clean_host.continue_libvirtd()

    assert answer.status_code == 503
    assert server.hostname in answer.json()["detail"]
