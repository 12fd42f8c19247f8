# SPDX-License-Identifier: GPL-3.0-or-later
"""1,000 jobs at once on 500 VMs of 20 hosts, asked for by 50 clients: one process, a service and workers."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from bench.errors import BenchError
from bench.figures import Figure
from bench.fleet import settings_for
from bench.job_worker import JobWorker
from bench.postgres import Postgres
from bench.service import Service
from bench.workspace import Workspace
from hostler.database import Database
from hostler.database import rows as select
from hostler.hosts.models import Server
from lab.host import Host

HOSTS, EACH, CLIENTS = 20, 25, 50
VERBS = ("start", "force-stop")
_JOBS = HOSTS * EACH * len(VERBS)
_FACTOR = 2.0
_LONGEST_SECONDS = 600.0
_DOMAIN = """<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
<name>{name}</name><uuid>{uuid}</uuid><memory unit='KiB'>65536</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>hvm</type></os><test:runstate>5</test:runstate></domain>
"""


@dataclass(frozen=True)
class _Took:
    """Seconds until all were accepted, and until all had ended; which processes carried them out."""

    accepted: float
    ended: float
    processes: int


def jobs(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """On SQLite; on PostgreSQL by the service alone, by one worker, and by three."""
    host = workspace.host()
    took = {"SQLite, the service": _on(workspace, host, "", workers=0)}
    for name, workers in (("PostgreSQL, the service", 0), ("one worker", 1), ("three workers", 3)):
        with Postgres() as postgres:
            took[name] = _on(workspace, host, postgres.url, workers=workers)
    one = _JOBS / took["one worker"].ended
    figures = [
        Figure(f"{_JOBS:,} jobs at once: throughput", name, round(_JOBS / each.ended, 1), "jobs/s", better="higher")
        for name, each in took.items()
        if name != "three workers"
    ]
    three = round(_JOBS / took["three workers"].ended, 1)
    figures.append(
        Figure(
            f"{_JOBS:,} jobs at once: throughput", "three workers", three, "jobs/s",
            target=round(_FACTOR * one, 1), better="higher", target_says="twice that of one worker",
        )
    )  # fmt: skip
    figures += [
        Figure(f"{_JOBS:,} jobs at once: until all are accepted", name, round(each.accepted, 2), "s")
        for name, each in took.items()
    ]
    says = (
        f"{CLIENTS} clients ask for {' and '.join(VERBS)} of each of {HOSTS * EACH} VMs on {HOSTS} hosts of libvirt's "
        "test driver, with `Prefer: respond-async`. All were answered, each was done once, those of a VM in their "
        "order. With workers the service carries out none."
    )
    return figures, [says]


def _on(workspace: Workspace, host: Host, url: str, workers: int) -> _Took:
    state = workspace.state()
    nodes = state / "nodes"
    nodes.mkdir(parents=True)
    for folder in (workspace.folder, state):
        folder.chmod(0o711)
    asyncio.run(_register(state, nodes, host, url))
    with (
        Service(state, url, **({"takes_jobs": "false"} if workers else {})) as service,
        contextlib.ExitStack() as stack,
    ):
        for number in range(workers):
            stack.enter_context(JobWorker(service, state / f"worker{number}.log"))
        token = service.token()
        return asyncio.run(_take(state, service, url, token))


async def _register(state: Path, nodes: Path, host: Host, url: str) -> None:
    socket = host.uri.partition("socket=")[2]
    async with Database(settings_for(state, url)) as database:
        await database.migrate()
        for number in range(HOSTS):
            node = nodes / f"node{number:02}.xml"
            vms = "".join(_DOMAIN.format(name=f"vm-{number:02}-{one:02}", uuid=uuid.uuid4()) for one in range(EACH))
            node.write_text(f"<node>{vms}</node>")
            await Server.create(
                hostname=f"node{number:02}", libvirt_uri=f"test+unix://{node}?socket={socket}", virt_type="qemu"
            )


async def _take(state: Path, service: Service, url: str, token: str) -> _Took:
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(
        base_url=service.url, headers=headers, timeout=120, trust_env=False, limits=limits
    ) as client:
        vms = await _vms(client)
        began = time.monotonic()
        await asyncio.gather(*(_ask(client, vms[number::CLIENTS]) for number in range(CLIENTS)))
        accepted = time.monotonic() - began
        while (await client.get("/api/jobs", params={"state": "queued"})).json()["total"] or (
            await client.get("/api/jobs", params={"state": "running"})
        ).json()["total"]:
            if time.monotonic() - began > _LONGEST_SECONDS:
                raise BenchError("the jobs do not end")
            await asyncio.sleep(0.05)
        ended = time.monotonic() - began
    async with Database(settings_for(state, url)):
        return _Took(accepted, ended, _checked(await select("SELECT * FROM job ORDER BY id")))


async def _vms(client: httpx.AsyncClient) -> list[int]:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        found: list[int] = []
        while page := (
            await client.get("/api/vms", params={"after_id": found[-1] if found else 0, "per_page": 100})
        ).json()["vms"]:
            found += [vm["id"] for vm in page if vm["status"] == "stopped"]
        if len(found) == HOSTS * EACH:
            return found
        await asyncio.sleep(0.2)
    raise BenchError("the hosts' VMs do not appear")


async def _ask(client: httpx.AsyncClient, vms: Sequence[int]) -> None:
    for verb in VERBS:
        for vm in vms:
            answer = await client.post(f"/api/vms/{vm}/{verb}", headers={"Prefer": "respond-async"})
            if answer.status_code != httpx.codes.ACCEPTED:
                raise BenchError(f"{verb} was answered {answer.status_code}: {answer.text}")


def _checked(written: Sequence[Any]) -> int:
    """Hold each job to have been done once and in its turn, and answer how many processes carried them out."""
    if len(written) != _JOBS or any(job["state"] != "succeeded" for job in written):
        raise BenchError(f"{sum(job['state'] == 'succeeded' for job in written)} of {_JOBS} jobs succeeded")
    of_vm: dict[int, list[Any]] = {}
    for job in written:
        of_vm.setdefault(job["vm_id"], []).append(job)
    for mine in of_vm.values():
        if len(mine) != len(VERBS) or any(job["attempt"] != 1 for job in mine):
            raise BenchError(f"a VM has {len(mine)} jobs")
        if any(earlier["finished_at"] > later["started_at"] for earlier, later in pairwise(mine)):
            raise BenchError("the jobs of a VM were not done in their order")
    return len({job["lease_owner"] for job in written})
