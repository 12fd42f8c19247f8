# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisors: whether each answers, how fast, what it runs, and how full its pools were when it was last seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Credentials, Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.host import HostSoftware, host_software
from hostler.bodies import zulu
from hostler.credentials.keeping import Keeper
from hostler.doctor.finding import Finding, failed, ok, warning
from hostler.errors import OperatorError
from hostler.hosts.models import Server
from hostler.sealing import present_sealer
from hostler.settings import Settings

TESTED_LIBVIRT, TESTED_QEMU = (9, 0, 0), (7, 2, 0)
"""The oldest versions that Hostler's tests run on."""
SLOW_SECONDS = 0.25
LITTLE_SHARE, TOO_LITTLE_SHARE = 0.10, 0.02
"""Shares of a pool that are free: with less it is warned of, and with less still new disks, and growing ones, fail."""

_OPEN_SECONDS = 10.0
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class _Answer:
    opened: float
    """Seconds until the connection stood."""
    asked: float
    """Seconds that a question took."""
    software: HostSoftware


async def all_hosts(settings: Settings) -> list[Finding]:
    """Ask every enabled host, some at once."""
    servers = await Server.filter(enabled=True).order_by("id")
    if not servers:
        return [
            warning("hosts", "No server is enabled, so there is no VM to be managed", "hostler server add NAME URI")
        ]
    # threads of their own: asyncio's are few, and one that waits for a dead host is taken for seconds
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="doctor") as threads:
        asked = await asyncio.gather(*(host(settings, server, threads) for server in servers))
    return [finding for findings in asked for finding in findings]


async def host(settings: Settings, server: Server, threads: Executor | None = None) -> list[Finding]:
    """One host: whether it answers, how fast, what it runs."""
    check = f"host {server.hostname}"
    try:
        credentials = None
        if server.credential_id is not None:
            credentials = Keeper(present_sealer(settings), settings.state_dir).opening(server.id)
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(threads, _ask, server.libvirt_uri, credentials)
    except OperatorError as error:  # no key that opens its credential
        return [failed(check, f"Its credential can't be used: {error}", "See 'sealing keys'")]
    except HostlerError as error:
        remedy = f"See that its libvirtd runs and can be reached ('virsh -c {server.libvirt_uri} list' as this user)"
        return [failed(check, f"It can't be reached: {error.message}", remedy)]
    software = answer.software
    runs = f"libvirt {software.libvirt_version}"
    if software.hypervisor_version is not None:
        runs += f", {software.driver} {software.hypervisor_version}"
    took = f"{answer.asked * 1000:.1f} ms, connecting {answer.opened * 1000:.0f} ms"
    found = old_software(check, software)
    if answer.asked > SLOW_SECONDS:
        found.append(warning(check, f"It answers slowly ({took})", "Look at the network between, and at its load"))
    return found or [ok(check, f"It answers ({took}; {runs})")]


def old_software(check: str, software: HostSoftware) -> list[Finding]:
    """Warn of versions that are older than any that Hostler was tried with."""
    found = []
    for name, version, least in (
        ("libvirt", software.libvirt_version, TESTED_LIBVIRT),
        ("QEMU", software.hypervisor_version, TESTED_QEMU),
    ):
        if version is not None and tuple(int(part) for part in version.split(".")) < least:
            tried = ".".join(map(str, least))
            message = f"It runs {name} {version}, older than any that Hostler is tested with ({tried})"
            found.append(warning(check, message, f"Bring it to {name} {tried} or newer"))
    return found


def _ask(uri: str, credentials: Credentials | None) -> _Answer:
    begin = time.monotonic()
    with Hypervisor.open(uri, _OPEN_SECONDS, credentials) as hypervisor:
        opened = time.monotonic()
        hypervisor.resources()
        asked = time.monotonic()
        return _Answer(opened - begin, asked - opened, host_software(hypervisor))


async def all_pools() -> list[Finding]:
    """How full the pools of every enabled host are, from what was last seen of them; nobody is asked."""
    return [one for server in await Server.filter(enabled=True).order_by("id") for one in pools(server)]


def pools(server: Server) -> list[Finding]:
    """How full one host's pools are."""
    check = f"pools of {server.hostname}"
    if server.last_seen is None or not server.pools:
        return [ok(check, "None was seen yet")]
    seen = f"when it was last seen, at {zulu(server.last_seen)}"
    found = []
    for pool in server.pools:
        total, free = _number(pool["total_gb"]), _number(pool["free_gb"])
        room = f"{free:.1f} GiB of {total:.1f} were free {seen}"
        remedy = "Delete what is not needed, or make the pool larger; 'hostler server drain' lets no new VM come"
        if free < total * TOO_LITTLE_SHARE:
            found.append(failed(check, f"Pool '{pool['name']}' is full ({room})", remedy))
        elif free < total * LITTLE_SHARE:
            found.append(warning(check, f"Pool '{pool['name']}' is nearly full ({room})", remedy))
    return found or [ok(check, f"There is room in each of {len(server.pools)}{_least(server.pools)} {seen}")]


def _least(rows: Sequence[dict[str, object]]) -> str:
    shares = [_number(row["free_gb"]) / _number(row["total_gb"]) for row in rows if _number(row["total_gb"])]
    return f", at least {min(shares):.0%} were free" if shares else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
