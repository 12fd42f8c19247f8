# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads of 100,000 VMs, with authentication, against an empty route that is served in the same way."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import httpx

from bench.empty import serving_nothing
from bench.figures import Figure
from bench.fleet import VMS
from bench.service import Service
from bench.workspace import Workspace
from bench.wrk import CLIENTS, load

SECONDS = 4.0
ROUNDS = 3
"""Loads of each kind, in turns: what else the machine does meets all of them alike."""
SHOW = f'"/api/vms/" .. math.random({VMS})'
LIST = '"/api/vms"'
FIRST = "/api/vms"
PAGES = {
    "deepest page": f"/api/vms?page={VMS // 20}",
    "page in the middle": f"/api/vms?page={VMS // 40}",
    "status": "/api/vms?status=running",
    "status and OS type": "/api/vms?status=paused&os_type=windows",
    "server": "/api/vms?server_id=77",
    "all three": "/api/vms?status=running&server_id=77&os_type=linux",
    "search: start of the name": "/api/vms?search=web-prod",
    "search: middle": "/api/vms?search=staging",
    "search: rare": "/api/vms?search=-0500",
    "search: in every name": "/api/vms?search=example",
    "search: no hit": "/api/vms?search=nowhere",
    "search: one letter": "/api/vms?search=e",
    "search: two letters": "/api/vms?search=db",
    "search: %": "/api/vms?search=%25",
    "search: _": "/api/vms?search=_",
    "search: Büro": "/api/vms?search=b%C3%BCro",
    "search: Cyrillic capitals": "/api/vms?search=%D0%A1%D0%95%D0%A0%D0%92%D0%95%D0%A0",
    "search and status": "/api/vms?search=kafka&status=stopped",
    "by name": "/api/vms?sort=name",
}
_SLOWER_MS = 5.0
_LATENCY_ROUNDS = 25
_RATE, _SHARE = 1000.0, 0.1


def reads(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """On SQLite."""
    with Service(workspace.fleet_state()) as service:
        return _measure(service, "SQLite", with_targets=True)


def reads_postgres(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """On PostgreSQL: recorded."""
    with Service(workspace.state(), workspace.postgres_with_fleet()) as service:
        return _measure(service, "PostgreSQL", with_targets=False)


def _measure(service: Service, database: str, with_targets: bool) -> tuple[list[Figure], list[str]]:
    token = service.token()
    rates: dict[str, list[float]] = {"empty": [], "show": [], "list": []}
    with serving_nothing() as empty:
        for number in range(ROUNDS):
            rates["empty"].append(load(empty, '"/"', SECONDS).per_second)
            rates["show"].append(load(service.url, SHOW, SECONDS, token, seed=number).per_second)
            rates["list"].append(load(service.url, LIST, SECONDS, token).per_second)
    limit = statistics.median(rates["empty"])
    figures = [
        _rate(name, statistics.median(rates[key]), limit, database, with_targets)
        for name, key in (("GET /api/vms/{id}", "show"), ("GET /api/vms", "list"))
    ]
    first, slower = latencies(service.url, token, list(PAGES.values()))
    for (name, path), extra in zip(PAGES.items(), slower, strict=True):
        target = _SLOWER_MS if with_targets and "sort" not in path else None
        figures.append(
            Figure(
                f"Pages of 100,000 VMs on {database}",
                name,
                round(first + extra, 2),
                "ms",
                peer=round(first, 2),
                peer_name="the first page",
                target=None if target is None else round(first + target, 2),
                target_says="" if target is None else "the first page + 5 ms",
            )
        )
    rates_say = f"{database}: {CLIENTS} clients, medians of {ROUNDS} loads of {SECONDS:g} s each, in turns."
    pages_say = (
        "Of pages, one client asks in turns for the page and for the first one; each figure is the first page's median "
        f"and that of {_LATENCY_ROUNDS} differences. Something is committed before each, so that no number of all is "
        "remembered."
    )
    return figures, [rates_say, pages_say]


def _rate(name: str, value: float, limit: float, database: str, with_targets: bool) -> Figure:
    target = max(_RATE, _SHARE * limit)
    return Figure(
        f"Reads of 100,000 VMs on {database}",
        name,
        round(value),
        "requests/s",
        peer=round(limit),
        peer_name="an empty FastAPI route",
        target=round(target) if with_targets else None,
        better="higher",
        target_says="1,000, and a tenth of the empty route" if with_targets else "",
    )


def latencies(url: str, token: str, paths: Sequence[str]) -> tuple[float, list[float]]:
    """How long the first page takes, and how much longer each of the others, in ms."""
    headers = {"Authorization": f"Bearer {token}"}
    firsts: list[float] = []
    extras: list[list[float]] = [[] for _ in paths]
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
        for path in (FIRST, *paths):
            client.get(path).raise_for_status()
        for _ in range(_LATENCY_ROUNDS):
            for path, extra in zip(paths, extras, strict=True):
                _commit(client)
                first = _time(client, FIRST)
                _commit(client)
                extra.append(_time(client, path) - first)
                firsts.append(first)
    return statistics.median(firsts), [statistics.median(one) for one in extras]


def _commit(client: httpx.Client) -> None:
    """Have the service commit something that has nothing to do with VMs: a stream's ticket."""
    client.post("/api/auth/ticket").raise_for_status()


def _time(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    client.get(path).raise_for_status()
    return (time.perf_counter() - began) * 1000
