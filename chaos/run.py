# SPDX-License-Identifier: GPL-3.0-or-later
"""One run: hosts, a service, those who work on them, and what goes wrong; then the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.fleet import settings_for
from bench.job_worker import JobWorker
from bench.service import Service
from chaos.callers import OURS, Caller
from chaos.crashes import Crashes
from chaos.faults import Faults
from chaos.listener import Listener
from chaos.stage import Stage, set_up
from chaos.strangers import Stranger
from chaos.usage import UsageOf, Use
from chaos.verdict import Vm, all_vms, differences, stray_disks, wrong_events
from chaos.worker import Worker
from hostler.database import Database, rows
from lab.gate import Gate
from lab.host import Host

CALLERS = 4
_END_SECONDS = 180.0
_SETTLE_SECONDS = 180.0
_HEARD_SECONDS = 60.0
_REREAD = "20"  # seconds in which each definition is read again: libvirt tells nobody of autostart


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    minutes: float
    hosts: int
    seed: int
    with_faults: bool = True
    postgres: bool = False


@dataclass
class Outcome:
    """What came of it."""

    seconds: float = 0.0
    settled_after: float = 0.0
    """Seconds after the end of all faults, until all was shown as it is."""
    vms: int = 0
    events: int = 0
    connections: int = 0
    """That the listener made."""
    slowest: float = 0.0
    """Seconds that a caller waited at most."""
    did: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    used: list[Use] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def run(plan: Plan) -> Outcome:
    """Do it, in a folder of its own. Raises what ended it before its time."""
    with contextlib.ExitStack() as stack:
        stage = stack.enter_context(set_up(plan.hosts, plan.postgres))
        gates = {host.name: stack.enter_context(_gate(host)) for host in stage.hosts}
        settings = {"dispatch": '{"vm_create": "direct"}', "reread_seconds": _REREAD}
        service, worker = stack.enter_context(stage.service_and_worker(**settings))
        return _work(plan, stage, gates, service, worker)


def _work(plan: Plan, stage: Stage, gates: dict[str, Gate], service: Service, worker: JobWorker | None) -> Outcome:
    hosts = stage.hosts
    for host in hosts:
        service.command("server", "add", host.name, gates[host.name].uri, "--virt-type", host.virt_type)
    token = service.token()
    listener = Listener(service.url, token)
    listener.begin()
    with httpx.Client(
        base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
    ) as client:
        servers = {one["hostname"]: int(one["id"]) for one in client.get("/api/servers").json()["items"]}
        callers = [Caller(number, service.url, token, list(servers.values()), plan.seed) for number in range(CALLERS)]
        strangers = [Stranger(host, stage.folder, plan.seed) for host in hosts]
        faults = [Faults(host, gates[host.name], plan.seed) for host in hosts] if plan.with_faults else []
        crashes = [Crashes(service, worker, stage.postgres, plan.seed)] if plan.with_faults else []
        usage = UsageOf(lambda: service.pid)
        outcome = Outcome()
        began = time.monotonic()
        workers: list[Worker] = [*callers, *strangers, *faults, *crashes]
        try:
            _let_work([usage, *workers], plan.minutes * 60)
        finally:
            for fault in faults:
                fault.mend()
        for one in (*workers, usage):
            one.join(_END_SECONDS)
        outcome.seconds = time.monotonic() - began
        _judge(outcome, client, hosts, servers, callers)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            written = asyncio.run(_events(service.state, stage.url))
            heard = listener.heard_until(max(written, default=0), _HEARD_SECONDS)
            shown = all_vms(client)
            # a guest may still end by itself, or a host's memory change: what was read is to be of one moment
            if asyncio.run(_events(service.state, stage.url)) == written or time.monotonic() > deadline:
                break
        listener.end()
        outcome.wrong += wrong_events(heard, written, shown)
    for caller in callers:
        caller.close()
    outcome.events, outcome.connections, outcome.used = len(heard), listener.connections, usage.seen
    outcome.slowest = max(caller.slowest for caller in callers)
    outcome.answers = sum((caller.did for caller in callers), Counter())
    outcome.did = sum((stranger.did for stranger in strangers), Counter())
    outcome.faults = sum((fault.did for fault in (*faults, *crashes)), Counter())
    return outcome


def _let_work(workers: Sequence[Worker], seconds: float) -> None:
    for worker in workers:
        worker.begin()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not any(worker.failed for worker in workers):
        time.sleep(0.5)
    for worker in workers:
        worker.stop()


def _judge(
    outcome: Outcome, client: httpx.Client, hosts: Sequence[Host], servers: dict[str, int], callers: Sequence[Caller]
) -> None:
    """Wait until all is shown as it is, and say what never is."""
    began = time.monotonic()
    while True:
        shown = all_vms(client)
        wrong = _untrue(shown, hosts, servers) + _unfinished(client)
        if not wrong or time.monotonic() > began + _SETTLE_SECONDS:
            break
        time.sleep(0.5)
    outcome.settled_after, outcome.vms = time.monotonic() - began, len(shown)
    outcome.wrong += wrong
    there = {vm["id"] for vm in shown if vm["status"] != "error"}
    for caller in callers:
        outcome.wrong += caller.wrong
        outcome.wrong += [
            f"{name} ({number}) was made, and is lost" for number, name in caller.have.items() if number not in there
        ]
        outcome.wrong += [f"{number} was deleted, and is there" for number in caller.deleted if number in there]


def _untrue(shown: Sequence[Vm], hosts: Sequence[Host], servers: dict[str, int]) -> list[str]:
    found: list[str] = []
    for host in hosts:
        mine = [vm for vm in shown if vm["server"]["id"] == servers[host.name]]
        found += differences(host, mine) + stray_disks(host, OURS)
    return found


def _unfinished(client: httpx.Client) -> list[str]:
    found = []
    for state in ("queued", "running"):
        answer = client.get("/api/jobs", params={"state": state, "per_page": 100})
        answer.raise_for_status()
        found += [f"job {job['id']} ({job['action']}) is still {state}" for job in answer.json()["items"]]
    return found


async def _events(state: Path, url: str) -> list[int]:
    async with Database(settings_for(state, url)):
        return [int(row["id"]) for row in await rows("SELECT id FROM event ORDER BY id")]


@contextlib.contextmanager
def _gate(host: Host) -> Iterator[Gate]:
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket has to be short
        gate = Gate(host.uri, Path(folder))
        try:
            yield gate
        finally:
            gate.close()
