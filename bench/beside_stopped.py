# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host whose libvirtd hangs costs those who want nothing of it, and how long it is taken for something else."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx

from bench.errors import BenchError
from bench.figures import Figure
from bench.guests import SMALL, delete_vm, make_vm
from bench.service import Service
from bench.workspace import Workspace
from lab.host import Host

ROUNDS = 15
_FACTOR = 1.2
_UNREACHABLE_SECONDS, _TRUE_AGAIN_SECONDS = 15.0, 5.0
_LONGEST_SECONDS = 60.0
_SETTLE_SECONDS = 0.3
_GROUP = "Beside a host that is stopped (SIGSTOP)"
_TURNS = "A host that is stopped, and goes on"

Took = dict[str, list[float]]


def beside_stopped(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """Two hosts: libvirtd of one is stopped, and the other's VM is asked for, started and forced off meanwhile."""
    well, sick = workspace.two_hosts()
    with Service(workspace.state(), dispatch='{"vm_create": "direct"}') as service:
        for host in (well, sick):
            service.command("server", "add", host.name, host.uri, "--virt-type", host.virt_type)
        headers = {"Authorization": f"Bearer {service.token()}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=60, trust_env=False) as client:
            servers = {one["hostname"]: one["id"] for one in client.get("/api/servers").json()["items"]}
            for number in servers.values():
                _wait(partial(_is_online, client, number), "the hosts are reached")
            vms = {
                host.name: make_vm(client, f"bench-{host.name}", {**SMALL, "server_id": servers[host.name]})
                for host in (well, sick)
            }
            try:
                before = _rounds(client, vms[well.name], vms[sick.name])
                during, unreachable, again = _stopped(client, sick, servers[sick.name], vms, well.name)
            finally:
                sick.continue_libvirtd()
                _wait(partial(_is_online, client, servers[sick.name]), "the host is back")
                for vm in vms.values():
                    delete_vm(client, vm)
    figures = [
        Figure(
            _GROUP,
            name,
            round(statistics.median(during[name]), 1),
            "ms",
            peer=round(statistics.median(before[name]), 1),
            peer_name="the same while both hosts are well",
            target=round(_FACTOR * statistics.median(before[name]), 1),
            target_says="1.2 times the same while both are well",
        )
        for name in before
    ]
    for name, value, target in (
        ("until it is unreachable", unreachable, _UNREACHABLE_SECONDS),
        ("until its VM is true again", again, _TRUE_AGAIN_SECONDS),
    ):
        figures.append(Figure(_TURNS, name, round(value, 1), "s", target=target, target_says=f"{target:g} s"))
    return figures, [f"Medians of {ROUNDS}, the first ones while it is not known yet that the host hangs."]


def _stopped(
    client: httpx.Client, sick: Host, server: int, vms: dict[str, Any], well: str
) -> tuple[Took, float, float]:
    """What everything took meanwhile; seconds from the stop to unreachable, and from the end of it to what is true."""
    sick.pause_libvirtd()
    began = time.monotonic()
    during: Took = {}
    unreachable: float | None = None
    for _ in range(ROUNDS):
        _round(client, vms[well], vms[sick.name], during)
        if unreachable is None and _state(client, server) == "unreachable":
            unreachable = time.monotonic() - began
    if unreachable is None:
        _wait(lambda: _state(client, server) == "unreachable", "the host is seen to hang")
        unreachable = time.monotonic() - began
    sick.continue_libvirtd()
    began = time.monotonic()
    _wait(lambda: _status(client, vms[sick.name]) == "stopped", "its VM is true again")
    return during, unreachable, time.monotonic() - began


def _rounds(client: httpx.Client, mine: dict[str, Any], other: dict[str, Any]) -> Took:
    took: Took = {}
    _round(client, mine, other, {})  # the first is not like the others: files are read
    for _ in range(ROUNDS):
        _round(client, mine, other, took)
    return took


def _round(client: httpx.Client, mine: dict[str, Any], other: dict[str, Any], took: Took) -> None:
    def get(path: str) -> Callable[[], object]:
        return lambda: client.get(path).raise_for_status()

    def post(verb: str) -> Callable[[], object]:
        return lambda: client.post(f"/api/vms/{mine['id']}/{verb}").raise_for_status()

    for name, action in (
        ("GET /api/vms", get("/api/vms")),
        ("GET /api/vms/{id}, of the other host", get(f"/api/vms/{mine['id']}")),
        ("GET /api/vms/{id}, of that host", get(f"/api/vms/{other['id']}")),
        ("POST /start on the other host", post("start")),
        ("POST /force-stop on the other host", post("force-stop")),
    ):
        began = time.perf_counter()
        action()
        took.setdefault(name, []).append((time.perf_counter() - began) * 1000)
        if name.startswith("POST"):
            time.sleep(_SETTLE_SECONDS)  # the watch looks at what became of it


def _state(client: httpx.Client, server: int) -> str:
    return str(client.get(f"/api/servers/{server}").json()["state"])


def _is_online(client: httpx.Client, server: int) -> bool:
    return _state(client, server) == "reachable"


def _status(client: httpx.Client, vm: dict[str, Any]) -> str:
    return str(client.get(f"/api/vms/{vm['id']}").json()["status"])


def _wait(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise BenchError(f"not within {_LONGEST_SECONDS:g} s: {what}")
        time.sleep(0.02)
