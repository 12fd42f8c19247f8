# SPDX-License-Identifier: GPL-3.0-or-later
"""100,000 VMs in a database, made in bulk through the service's own models, as its sync would have written them."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tortoise.transactions import in_transaction

from hostler.database import Database
from hostler.hosts.models import Server, ServerState
from hostler.machines.models import Machine, MachineStatus
from hostler.settings import Settings

VMS = 100_000
SERVERS = 200
_BATCH = 2000
_SEED = 20260101

_ROLES = ("web", "db", "cache", "mail", "build", "kafka", "dns", "ci-runner", "Büro", "сервер")
_PLACES = ("prod", "test", "staging", "dev")
_SYSTEMS = (("linux", "Debian 12"), ("linux", "Ubuntu 24.04"), ("windows", "Windows Server 2022"), (None, None))
_STATUSES = (*[MachineStatus.RUNNING] * 14, *[MachineStatus.STOPPED] * 5, MachineStatus.PAUSED)


def fill(settings: Settings) -> None:
    """Migrate the settings' database and put the VMs into it; nobody watches their servers."""
    asyncio.run(_fill(settings))


def settings_for(state: Path, database_url: str = "") -> Settings:
    """The settings of a service on that folder, whatever the environment says."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Settings(state_dir=state, database_url=database_url)


async def _fill(settings: Settings) -> None:
    async with Database(settings) as database:
        await database.migrate()
        async with in_transaction():
            await Server.bulk_create(list(_servers()))
        servers = await Server.all().order_by("id")
        rows: list[Machine] = []
        for row in _machines(servers):
            rows.append(row)
            if len(rows) == _BATCH:
                await Machine.bulk_create(rows)
                rows = []
        await Machine.bulk_create(rows)
        if settings.database_url.startswith("postgres"):
            await database.connection.execute_query("VACUUM ANALYZE")  # as autovacuum has by the next minute


def _servers() -> Iterator[Server]:
    for number in range(1, SERVERS + 1):
        yield Server(
            hostname=f"host{number:03}.example.com",
            libvirt_uri=f"qemu+tls://host{number:03}.example.com/system",
            enabled=False,
            state=ServerState.REACHABLE.value,
            host_uuid=str(uuid.UUID(int=number)),
        )


def _machines(servers: list[Server]) -> Iterator[Machine]:
    chance = random.Random(_SEED)  # noqa: S311 - the same VMs in every run
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(VMS):
        os_type, os_version = chance.choice(_SYSTEMS)
        status = chance.choice(_STATUSES)
        on = status is not MachineStatus.STOPPED
        moment = began + timedelta(seconds=number, microseconds=chance.randrange(1_000_000))
        yield Machine(
            uuid=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            server_id=servers[chance.randrange(len(servers))].id,
            name=f"{chance.choice(_ROLES)}-{chance.choice(_PLACES)}-{number:06}.example.com",
            status=status.value,
            cpu_cores=chance.choice((1, 2, 4, 8)),
            memory_mb=chance.choice((512, 1024, 2048, 4096, 16384)),
            disk_gb=chance.choice((10.0, 20.0, 40.0, 2.2, 0.125)),
            ip_address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" if on else None,
            ip_source="lease" if on else None,
            mac_address=f"52:54:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
            os_type=os_type,
            os_version=os_version,
            vnc_port=5900 + number % 500 if on else None,
            network_type="nat",
            description="Made for the benchmark" if number % 3 else "",
            tags=["bench", chance.choice(_PLACES)] if number % 2 else [],
            autostart=bool(number % 5 == 0),
            protected=bool(number % 50 == 0),
            foreign=os_type is None,
            last_seen=moment,
            created_at=moment,
            updated_at=moment,
        )
