# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says of programs and the collection."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostler.database import Database
from hostler.doctor import programs
from hostler.doctor.finding import Level
from hostler.hosts.models import Server
from hostler.settings import Settings


def test_ansible_starts() -> None:
    found = programs.ansible(programs.search_path())

    assert found.level is Level.OK
    assert "[core 2." in found.message


def test_there_is_no_ansible(tmp_path: Path) -> None:
    assert programs.ansible(str(tmp_path)).level is Level.FAILED


@pytest.mark.parametrize("script", ["#!/bin/sh\necho 'it is broken' >&2\nexit 3\n", "#!/no/such/shell\n"])
def test_ansible_does_not_start(tmp_path: Path, script: str) -> None:
    program = tmp_path / "ansible-playbook"
    program.write_text(script)
    program.chmod(0o755)

    found = programs.ansible(str(tmp_path))

    assert found.level is Level.FAILED
    assert "ends with 3: it is broken" in found.message or "does not start" in found.message


def test_the_collection_is_there(settings: Settings) -> None:
    found = programs.collection(settings, programs.our_playbooks())

    assert found.level is Level.OK
    assert "by playbook: vm_create, vm_resize" in found.message


def test_the_collection_is_not_there_or_not_whole(settings: Settings, tmp_path: Path) -> None:
    assert programs.collection(settings, None).level is Level.FAILED
    (tmp_path / "vm_create.yml").touch()

    found = programs.collection(settings, tmp_path)

    assert found.level is Level.FAILED
    assert "lacks the playbooks vm_resize" in found.message
    direct = settings.model_copy(update={"dispatch": {"vm_resize": "direct"}})
    assert programs.collection(direct, tmp_path).level is Level.OK


@pytest.mark.anyio
async def test_ssh_is_wanted_where_a_server_is_reached_by_it(database: Database, tmp_path: Path) -> None:
    await Server.create(hostname="host1", libvirt_uri="qemu+tls://host1.example.com/system")
    assert (await programs.tools(str(tmp_path))).level is Level.OK

    await Server.create(hostname="host2", libvirt_uri="qemu+ssh://host2.example.com/system")
    await Server.create(hostname="host3", libvirt_uri="qemu:///system", ansible_connection="ssh")
    found = await programs.tools(str(tmp_path))
    assert found.level is Level.FAILED
    assert "host2, host3" in found.message

    (tmp_path / "ssh").touch(0o755)
    assert (await programs.tools(str(tmp_path))).level is Level.OK
