# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler server rebuild``: a database that was lost, made again from the hosts."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import create
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import new_record
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import spec_from
from hostler.cli.servers import tell
from hostler.hosts.rebuild import GAP, HostRebuilt
from hostler.machines.models import Machine
from hostler.settings import Settings
from lab.host import Host
from tests.core.actions.guests import desired, swept
from tests.service.cli.command import Hostler, succeeded
from tests.service.serving import Serve, read_until

lab = pytest.mark.lab


@pytest.fixture
def host(lab_host: Host) -> Iterator[Host]:
    """The lab's host, of which nothing is left after the test."""
    with swept(lab_host.uri):
        yield lab_host


def make(host: Host, name: str, number: int, **spec: Any) -> str:
    """A VM of ours as a service left it that is gone; returns its UUID."""
    wanted = desired(host, name, **spec)
    with Hypervisor.open(host.uri) as hypervisor:
        whole = spec_from(wanted.spec)
        record = dataclasses.replace(new_record(wanted, whole), id=number, owner="Ada")
        plan = create.plan_for(hypervisor, whole, wanted.placement, record, start=False)
        return create.create(hypervisor, plan).uuid


def vms(settings: Settings) -> dict[str, dict[str, Any]]:
    with closing(sqlite3.connect(settings.state_dir / "hostler.sqlite3")) as database:
        database.row_factory = sqlite3.Row
        query = "SELECT vm.*, username FROM vm LEFT JOIN user_account ON user_account.id = owner_id"
        return {row["name"]: dict(row) for row in database.execute(query)}


@lab
def test_all_vms_are_back_with_their_ids_names_tags_owners_and_specs(
    settings: Settings, hostler: Hostler, host: Host
) -> None:
    uuid = make(host, "second", 4711, tags=["a=b"], description="What it is for", os_type="linux", cpu_cores=2)
    make(host, "first", 12)
    make(host, "twin", 12)
    host.virsh("define", _foreign(settings, "others"))
    succeeded(hostler("user", "add", "ada", "-p", "read", "--generate-password"))
    succeeded(hostler("server", "add", "lab1", host.uri, "--image-pool", "images"))

    shown = succeeded(hostler("server", "rebuild"))

    found = vms(settings)
    second = found["second"]
    assert {name: second[name] for name in ("id", "uuid", "description", "username", "os_type", "status")} == {
        "id": 4711,
        "uuid": uuid,
        "description": "What it is for",
        "username": "ada",
        "os_type": "linux",
        "status": "stopped",
    }
    assert json.loads(second["tags"]) == ["a=b"]
    spec = json.loads(second["spec"])
    assert {name: spec[name] for name in ("name", "cpu_cores", "memory_mb", "disk_gb")} == {
        "name": "second",
        "cpu_cores": 2,
        "memory_mb": 128,
        "disk_gb": 0.125,
    }
    assert sorted([found["first"]["id"], found["twin"]["id"]])[0] == 12
    renumbered = next(row for name, row in found.items() if name in ("first", "twin") and row["id"] != 12)
    assert found["others"]["id"] == max(renumbered["id"], 4711) + GAP + 1
    assert (found["others"]["username"], json.loads(found["others"]["spec"])) == (None, {})
    assert shown.splitlines()[0] == "lab1: VMs of ours that are back: 3; VMs of others: 1"
    assert f"VM {renumbered['id']} was 12, which another VM is" in shown
    assert f"VM {found['others']['id']} 'others' is of others" in shown

    again = succeeded(hostler("server", "rebuild", "lab1"))
    assert {name: row["id"] for name, row in vms(settings).items()} == {name: row["id"] for name, row in found.items()}
    assert "was 12" not in again


@lab
def test_a_server_that_is_away_is_named_and_the_others_are_rebuilt(
    settings: Settings, hostler: Hostler, host: Host
) -> None:
    make(host, "here", 3)
    succeeded(hostler("server", "add", "away", "qemu:///system?socket=/nonexistent/socket"))
    succeeded(hostler("server", "add", "lab1", host.uri, "--image-pool", "images"))

    result = hostler("server", "rebuild")

    assert result.returncode == 1
    assert "Not rebuilt, for nobody answers there: away" in result.stderr
    assert vms(settings)["here"]["id"] == 3


def test_it_is_not_done_beside_a_service_and_says_so(hostler: Hostler, serve: Serve) -> None:
    read_until(serve(), "listening on")

    result = hostler("server", "rebuild")

    assert result.returncode == 1
    assert "in use by a running service" in result.stderr or "service" in result.stderr


def test_without_a_server_it_says_what_to_do(hostler: Hostler) -> None:
    result = hostler("server", "rebuild")

    assert result.returncode == 1
    assert "There is no server to rebuild from; add them again with 'hostler server add'" in result.stderr


def _foreign(settings: Settings, name: str) -> str:
    settings.state_dir.mkdir(mode=0o700, exist_ok=True)
    file = settings.state_dir / "foreign.xml"
    file.write_text(
        f"<domain type='qemu'><name>{name}</name><memory>65536</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
    )
    return str(file)


def test_what_others_call_their_vms_never_speaks_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    clear = "\u009b2J"  # XML can hold it, and terminals heed it
    row = Machine(id=7, uuid="x", name=f"a{clear}", server_id=1, cpu_cores=1, memory_mb=1, disk_gb=0.0)
    tell(HostRebuilt("lab1", foreign=[row], unreadable={"u": f"no{clear}"}))

    shown = capsys.readouterr().out
    assert r"VM 7 'a\x9b2J' is of others" in shown
    assert r"u can't be read: no\x9b2J" in shown
    assert all(line.isprintable() for line in shown.splitlines())
