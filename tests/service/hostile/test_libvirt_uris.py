# SPDX-License-Identifier: GPL-3.0-or-later
"""Over REST, a libvirt URI never runs a program, reads a file or opens a socket of the service's machine.

What `checked_uri` lets in is tested beside it; here the whole service is asked, and what would have run leaves a mark.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.hosts.models import Server
from tests.service.conftest import Headers
from tests.service.hosts.test_uri import HOSTILE
from tests.service.machines.lab_service import engine_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that exists once something was run."""
    return tmp_path / "executed"


@pytest.fixture
def program(mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that leaves the mark; ssh, nc and netcat on PATH are the same one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("program", "ssh", "nc", "netcat", "virt-ssh-helper"):
        file = folder / name
        file.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{mark}'\nexit 1\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "program"


def was_run(mark: Path) -> bool:
    return mark.exists()


def spells(program: Path, mark: Path) -> list[str]:
    """URIs that would run the program, or ssh with options that run it."""
    return [
        f"qemu+ext:///system?command={program}",
        f"qemu+ext://host/system?command={program}",
        f"test+ext:///default?command={program}",
        f"QEMU+EXT:///system?command={program}",
        f"qemu+EXT:///system?command={program}",
        f"qemu+ssh://host/system?command={program}",
        f"qemu+ssh://host/system?netcat={program}",
        f"qemu+ssh://host/system?proxy=netcat&netcat={program}",
        f"qemu+ssh://host/system?keyfile={program}",
        f"qemu+ssh://host/system?sshauth=agent&command={program}",
        f"qemu+ssh://-oProxyCommand={program}/system",
        f"qemu+ssh://-oProxyCommand={program}@host/system",
        f"qemu+ssh://root@-oProxyCommand={program}/system",
        f"qemu+ssh://-oProxyCommand=touch${{IFS}}{mark}/system",
        f"qemu+ssh://host%20-oProxyCommand={program}/system",
        f"qemu+ssh://host\t-oProxyCommand={program}/system",
        f"qemu+ssh://host\n-oProxyCommand={program}/system",
        f"qemu+ssh://$({program})/system",
        f"qemu+ssh://`{program}`/system",
        f"qemu+ssh://host;{program}/system",
        f"qemu+ssh://{{{{ lookup('pipe', '{program}') }}}}/system",
        f"qemu+unix:///system?socket={mark}",
        f"qemu+tls://host/system?pkipath={mark}",
        f"test://{mark}.xml",
        "test:///default",
        "qemu:///system?socket=/run/libvirt/libvirt-sock",
        "qemu:///embed?root=/tmp",
        "ssh://host/system",
        "",
        "qemu:///system\x00",
        "qemu:///system" + "/" * 4000,
        "\U0001f4a9:///system",
        "qemu+ssh://\u202ehost/system",
    ]


async def assert_refused(answer: httpx.Response, uri: str) -> None:
    assert answer.status_code == 422, f"{uri!r}: {answer.status_code} {answer.text}"
    named = {error["field"] for error in answer.json().get("errors", [])}
    assert named == {"libvirt_uri"}, uri
    assert "executed" not in answer.text, "what was sent is not repeated"


@pytest.mark.rule("uri-is-code")
async def test_a_hostile_uri_is_refused_on_every_way_in_and_runs_nothing(
    app: FastAPI, client: httpx.AsyncClient, admin_headers: Headers, program: Path, mark: Path
) -> None:
    # disabled, so that nothing dials it before it is changed
    sound = {"hostname": "sound", "libvirt_uri": "qemu+tls://127.0.0.1:1/system", "enabled": False}
    made = await client.post("/api/servers", headers=admin_headers, json=sound)
    assert made.status_code == 201

    for uri in spells(program, mark) + HOSTILE:
        new = {"hostname": "evil", "libvirt_uri": uri, "enabled": True}
        await assert_refused(await client.post("/api/servers", headers=admin_headers, json=new), uri)
        change = {"libvirt_uri": uri, "enabled": True}
        await assert_refused(
            await client.put(f"/api/servers/{made.json()['id']}", headers=admin_headers, json=change), uri
        )

    assert await Server.all().values_list("hostname", "libvirt_uri", "enabled") == [
        ("sound", sound["libvirt_uri"], False)
    ]
    await engine_of(app).watch.call_roll()
    await asyncio.sleep(0.3)  # a watch that dialled something would have by now
    assert not was_run(mark)


async def test_the_mark_is_left_by_what_would_run(program: Path, mark: Path) -> None:
    with pytest.raises(HostUnreachable):
        Hypervisor.open(spells(program, mark)[0])

    assert was_run(mark)


@pytest.mark.parametrize(
    "fields",
    [
        {"ansible_host": "-oProxyCommand=touch"},
        {"ansible_host": "host -oProxyCommand=touch"},
        {"ansible_host": "{{ lookup('pipe', 'id') }}"},
        {"ansible_host": "host\nansible_connection=local"},
        {"ansible_user": "-l"},
        {"ansible_user": "root -o"},
        {"ansible_user": "{{ lookup('pipe', 'id') }}"},
        {"ansible_port": "22 -o"},
        {"ansible_port": 0},
        {"ansible_port": 65536},
        {"ansible_connection": "community.docker.docker"},
        {"hostname": "host ansible_ssh_common_args=-oProxyCommand=touch"},
        {"hostname": "../../etc"},
        {"hostname": "{{ 7 * 7 }}"},
        {"hostname": "-host"},
        {"hostname": ""},
        {"hostname": "h" * 254},
        {"hostname": "höst"},
        {"pool": "../default"},
        {"pool": ""},
        {"image_pool": "images\n"},
        {"network": "net/../other"},
        {"virt_type": "xen"},
    ],
    ids=str,
)
async def test_how_ansible_reaches_a_server_takes_no_options_and_no_templates(
    client: httpx.AsyncClient, admin_headers: Headers, fields: dict[str, Any]
) -> None:
    body = {"hostname": "host1", "libvirt_uri": "qemu:///system", "ansible_connection": "ssh", **fields}

    answer = await client.post("/api/servers", headers=admin_headers, json=body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == list(fields)
    assert await Server.all().count() == 0
