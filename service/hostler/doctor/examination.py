# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks, in the order in which they build on each other. They run beside a service, and change nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from hostler.database import Database
from hostler.doctor import awx, files, hosts, keys, programs, surroundings
from hostler.doctor import database as of_database
from hostler.doctor.finding import Finding, Level, failed, warning
from hostler.settings import Settings

Check = Callable[[], Awaitable[Finding | list[Finding]]]


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything and return what was found."""
    path, ours = programs.search_path(), programs.our_playbooks()
    kernel = surroundings.kernel_clock()
    found = [
        *await _apart("settings", lambda: surroundings.misspelt_variables(os.environ)),
        *await _apart("state directory", lambda: files.state_folder(settings)),
        *await _apart("files", lambda: files.private_files(settings)),
        *await _apart("space", lambda: files.state_space(settings)),
        *await _apart("time zone", lambda: surroundings.time_zone(os.environ)),
        *await _apart("clock", lambda: surroundings.clock(kernel)),
        *await _apart("service", lambda: surroundings.service(settings)),
        *await _apart("signing keys", lambda: keys.signing(settings)),
        *await _apart("ansible-playbook", lambda: programs.ansible(path)),
        *await _apart("collection", lambda: programs.collection(settings, ours)),
        *await _apart("hooks", lambda: files.operators_folders(settings, ours)),
        *await _guarded("awx", lambda: awx.all_templates(settings)),
    ]
    there = await _guarded("database", lambda: of_database.reachable(settings))
    found += there
    # without a state directory the connection would make one
    if there[0].level is not Level.FAILED and settings.state_dir.is_dir():
        found += await _guarded("database", lambda: _content(settings, path))
    return found


async def _content(settings: Settings, path: str) -> list[Finding]:
    async with Database(settings) as database:
        return await _of(database, settings, path)


async def _of(database: Database, settings: Settings, path: str) -> list[Finding]:
    """What the database says, of itself and of everything else."""
    schema = await _guarded("schema", lambda: of_database.schema(database))
    found = [*schema, *await _guarded("integrity", lambda: of_database.integrity(settings))]
    if schema[0].level is Level.FAILED:
        message = "What the database holds was not looked at: its schema is not this version's"
        return [*found, warning("hosts", message, "Mend the schema first")]
    checks: dict[str, Check] = {
        "columns": lambda: of_database.all_columns(database),
        "indexes": lambda: of_database.all_indexes(database),
        "audit": lambda: of_database.audit_guards(database),
        "times": lambda: of_database.times(database),
        "sealing keys": lambda: keys.sealing(settings),
        "tools": lambda: programs.tools(path),
        "hosts": lambda: hosts.all_hosts(settings),
        "pools": hosts.all_pools,
    }
    for name, check in checks.items():
        found += await _guarded(name, check)
    return found


async def _apart(name: str, check: Callable[[], Finding | list[Finding]]) -> list[Finding]:
    """A check that waits for nothing but this machine."""
    return await _guarded(name, lambda: asyncio.to_thread(check))


async def _guarded(name: str, check: Check) -> list[Finding]:
    """What a check has found; one that breaks does not keep the others from looking."""
    try:
        found = await check()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        said = " ".join(str(error).split()) or type(error).__name__
        return [failed(name, f"It could not be looked at: {said}", "See that this runs as the service's user does")]
    return found if isinstance(found, list) else [found]
