# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of VMs' names: made by a migration, kept true by the database, missed where it is not there."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from tortoise.exceptions import IntegrityError
from tortoise.migrations.executor import MigrationTarget

from hostler.database import Database, config, rows, search
from hostler.database.indexes import IndexesMissing
from hostler.database.migrate import migrate
from hostler.hosts.models import Server
from hostler.machines.models import Machine
from hostler.settings import Settings
from tests.service.conftest import DATABASE

pytestmark = pytest.mark.anyio
sqlite_only = pytest.mark.skipif(DATABASE != "sqlite", reason="PostgreSQL keeps its own index true")

NAME = "vm_search"


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with Database(settings) as database:
        await database.migrate()
        yield database


async def put(server: Server, name: str) -> Machine:
    return await Machine.create(server=server, name=name, uuid=str(uuid.uuid4()), cpu_cores=1, memory_mb=1, disk_gb=1)


async def shelf() -> Server:
    return await Server.create(hostname=str(uuid.uuid4()), libvirt_uri="qemu:///system", enabled=False)


async def found(text: str) -> list[int]:
    """What SQLite's index itself says."""
    hits = await rows("SELECT rowid AS id FROM vm_search WHERE vm_search MATCH ? ORDER BY rowid", f'"{text}"')
    return [row["id"] for row in hits]


async def check_integrity(database: Database) -> None:
    """Raise unless the full-text table is what the names say, and the names are the VMs'."""
    await database.connection.execute_query("INSERT INTO vm_search (vm_search, rank) VALUES ('integrity-check', 1)")
    kept = {row["vm_id"]: row["folded"] for row in await rows("SELECT vm_id, folded FROM vm_folded_name")}
    assert kept == {row.id: row.name.upper() for row in await Machine.all()}


@sqlite_only
async def test_a_database_of_before_gets_it_with_all_its_vms(settings: Settings) -> None:
    async with Database(settings) as database:
        apps = database.url.tortoise()["apps"]
        await migrate(database.connection, apps, [MigrationTarget(config.APP, "0003_pool_space")])
        # by hand: the models know of columns that came later
        await rows(
            "INSERT INTO server (id, hostname, libvirt_uri, virt_type, pool, image_pool, network, ansible_connection,"
            " enabled, state, created_at, updated_at) VALUES (1, 'shelf', 'qemu:///system', 'auto', 'default',"
            " 'default', 'default', 'local', 0, 'unknown', '2026-01-01', '2026-01-01')"
        )
        await rows(
            "INSERT INTO vm (id, uuid, server_id, name, status, cpu_cores, memory_mb, disk_gb, vnc_enabled, firmware,"
            " description, tags, autostart, is_foreign, protected, revision, generation, spec, created_at, updated_at)"
            " VALUES (7, 'x', 1, 'Büro-1', 'stopped', 1, 1, 1.0, 1, 'bios', '', '[]', 0, 0, 0, 0, 0, '{}',"
            " '2026-01-01', '2026-01-01')"
        )
        assert await search.missing(database.connection) != []

    async with Database(settings).for_service() as database:
        assert await found("BÜRO") == [7]
        await check_integrity(database)


@sqlite_only
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["create", "rename", "delete", "touch"]),
            st.integers(0, 4),
            st.text("abcÄß %_'\"-", max_size=8),
        )
    )
)
@budget(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_it_follows_whatever_is_done_to_the_vms(database: Database, deeds: list[tuple[str, int, str]]) -> None:
    server = await shelf()
    there: dict[int, Machine] = {}
    for deed, number, name in deeds:
        known = there.get(number)
        if deed == "create" and known is None:
            there[number] = await put(server, f"{number}{name}")
        elif known is not None and deed == "rename":
            await Machine.filter(id=known.id).update(name=f"{number}{name}")
        elif known is not None and deed == "touch":
            await Machine.filter(id=known.id).update(status="running")
        elif known is not None and deed == "delete":
            await known.delete()
            del there[number]

    await check_integrity(database)


@sqlite_only
async def test_what_was_rolled_back_is_not_found(database: Database) -> None:
    server = await shelf()
    with pytest.raises(IntegrityError):
        await Machine.bulk_create(
            [
                Machine(server=server, name=name, uuid=str(uuid.uuid4()), cpu_cores=1, memory_mb=1, disk_gb=1)
                for name in ("first", "second", "first")
            ]
        )

    assert await found("FIRST") == []
    await check_integrity(database)


@sqlite_only
async def test_another_program_can_write_too(database: Database, settings: Settings) -> None:
    row = await put(await shelf(), "before")

    with closing(sqlite3.connect(settings.state_dir / "hostler.sqlite3")) as other, other:
        other.execute("UPDATE vm SET name = 'from outside' WHERE id = ?", [row.id])
    other.close()

    assert (await found("BEFORE"), await found("OUTSIDE")) == ([], [row.id])


@sqlite_only
@pytest.mark.parametrize(
    "loss",
    [
        "DROP TRIGGER vm_search_created",
        "DROP TRIGGER vm_search_renamed",
        "DROP TRIGGER vm_search_deleted",
        "DROP TABLE vm_search",
    ],
)
async def test_a_lost_part_is_noticed_and_all_is_made_anew(database: Database, loss: str) -> None:
    server = await shelf()
    await put(server, "before")
    await database.connection.execute_query(loss)
    if "TABLE" not in loss:  # and so it is not true any more
        await Machine.filter(name="before").delete()
        await put(server, "after")

    with pytest.raises(IndexesMissing, match=loss.split()[-1]):
        await search.check(database.connection)
    await database.migrate()

    await search.check(database.connection)
    await check_integrity(database)


async def test_a_service_does_not_start_without_it(database: Database, settings: Settings) -> None:
    kind = "TABLE" if DATABASE == "sqlite" else "INDEX"
    await database.connection.execute_query(f"DROP {kind} {NAME}")
    await database.disconnect()

    with pytest.raises(IndexesMissing, match=f"{NAME}.*hostler migrate"):
        async with Database(settings).for_service():
            pass
