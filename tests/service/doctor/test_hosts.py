# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says of hosts: libvirt's test driver is one that answers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.host import HostSoftware
from hostler.credentials import actions
from hostler.credentials.keeping import Keeper
from hostler.credentials.models import CredentialKind
from hostler.database import Database
from hostler.doctor import hosts
from hostler.doctor.finding import Level
from hostler.hosts.models import Server
from hostler.settings import Settings
from tests.service.credentials.parts import ssh_parts

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("database")]

ANSWERS = "test:///default"
SILENT = "qemu:///system?socket=/no/such/socket"


async def host(uri: str, hostname: str = "host1", **fields: object) -> Server:
    return await Server.create(hostname=hostname, libvirt_uri=uri, **fields)


async def test_no_host_at_all(settings: Settings) -> None:
    await host(SILENT, enabled=False)

    (found,) = await hosts.all_hosts(settings)

    assert found.level is Level.WARNING
    assert found.remedy == "hostler server add NAME URI"


async def test_some_answer_and_some_do_not(settings: Settings) -> None:
    await host(ANSWERS)
    await host(SILENT, "host2")
    await host(SILENT, "disabled", enabled=False)

    answering, silent = await hosts.all_hosts(settings)

    assert (answering.check, answering.level) == ("host host1", Level.OK)
    assert "ms" in answering.message
    assert "libvirt " in answering.message
    assert (silent.check, silent.level) == ("host host2", Level.FAILED)
    assert "/no/such/socket" in silent.message


async def test_one_that_answers_slowly(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "SLOW_SECONDS", 0)

    (found,) = await hosts.host(settings, await host(ANSWERS))

    assert found.level is Level.WARNING
    assert "slowly" in found.message


async def test_one_that_runs_what_is_older_than_what_is_tested(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "TESTED_LIBVIRT", (99, 0, 0))

    (found,) = await hosts.host(settings, await host(ANSWERS))

    assert found.level is Level.WARNING
    assert found.remedy == "Bring it to libvirt 99.0.0 or newer"


@pytest.mark.parametrize(
    ("libvirt", "qemu", "warned"),
    [("9.0.0", "7.2.0", 0), ("10.0.0", "10.0.1", 0), ("8.10.9", "7.2.0", 1), ("8.0.0", "6.2.0", 2), ("9.0.0", None, 0)],
)
async def test_versions_are_numbers(libvirt: str, qemu: str | None, warned: int) -> None:
    found = hosts.old_software("host host1", HostSoftware("host1", "QEMU", libvirt, qemu))

    assert [one.level for one in found] == [Level.WARNING] * warned


async def test_a_credential_that_can_not_be_opened(settings: Settings) -> None:
    credential = await actions.add(Keeper.of(settings), "site", CredentialKind.SSH, ssh_parts())
    server = await host("qemu+ssh://root@host1.example.com/system", credential=credential)
    assert settings.sealing_keys_file is not None
    settings.sealing_keys_file.unlink()

    (gone,) = await hosts.host(settings, server)
    assert gone.level is Level.FAILED
    assert gone.message.startswith("Its credential can't be used: ")
    assert not settings.sealing_keys_file.exists()

    Keeper.of(settings)  # makes another key
    (other,) = await hosts.host(settings, server)
    assert other.level is Level.FAILED
    assert "the sealing key is not the one" in other.message


async def test_a_credential_is_used_on_the_way(settings: Settings) -> None:
    credential = await actions.add(Keeper.of(settings), "site", CredentialKind.SSH, ssh_parts())
    server = await host("qemu+ssh://root@127.0.0.1:1/system", credential=credential)

    (found,) = await hosts.all_hosts(settings)

    assert found.check == f"host {server.hostname}"
    assert "Connection refused" in found.message  # ssh itself says so


def pool(name: str, total: float, free: float) -> dict[str, object]:
    return {"name": name, "total_gb": total, "free_gb": free}


@pytest.mark.parametrize(
    ("rows", "level", "said"),
    [
        ([], Level.OK, "None was seen yet"),
        ([pool("a", 100.0, 50), pool("b", 100, 20)], Level.OK, "each of 2, at least 20% were free when"),
        ([pool("a", 100.0, 50.0), pool("b", 100, 9.9)], Level.WARNING, "Pool 'b' is nearly full (9.9 GiB of 100.0"),
        ([pool("a", 100.0, 1.9)], Level.FAILED, "Pool 'a' is full (1.9 GiB of 100.0 were free when it was last seen"),
        ([pool("empty", 0, 0)], Level.OK, "There is room"),
    ],
)
async def test_pools(rows: list[dict[str, object]], level: Level, said: str) -> None:
    await host(SILENT, pools=rows, last_seen=datetime.now(UTC))

    (found,) = await hosts.all_pools()  # nobody is asked

    assert (found.check, found.level) == ("pools of host1", level)
    assert said in found.message


async def test_a_host_that_was_never_seen(database: Database, tmp_path: Path) -> None:
    await host(SILENT)

    (found,) = await hosts.all_pools()

    assert found.level is Level.OK
