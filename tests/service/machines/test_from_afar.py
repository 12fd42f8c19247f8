# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are reached as real ones are: libvirt over TLS and over SSH, and playbooks' modules on the host itself."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server, ServerState
from hostler.settings import Settings
from lab.host import Host
from lab.secure_shell import make_key, public_half
from tests.service.conftest import Headers
from tests.service.machines.lab_service import SMALL, create, domains, engine_of, eventually, registered, volumes

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts are reached by their sockets only"),
]


@pytest.fixture
def settings(settings: Settings, ssh_knows_the_lab: None) -> Settings:
    """Create by the playbook; resize directly, over the service's own connection."""
    dispatch = {"vm_create": "playbook", "vm_resize": "direct"}
    return settings.model_copy(update={"dispatch": dispatch})


@pytest.fixture
def ssh_knows_the_lab(lab_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's user has an ssh that knows the lab's hosts, as that of an operator knows the operator's."""
    folder = lab_host.layout.lab.ssh.parent
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))


async def go_all_the_way(api: httpx.AsyncClient, server: Server, host: Host) -> None:
    """Make a VM, start, stop, resize and delete it, and compare with what the host's own socket says."""
    vm = await create(api, server, "distant", start=True)
    assert host.virsh("domstate", "distant") == "running"
    assert host.virsh("domuuid", "distant") == vm["uuid"]
    for verb, wanted in (("force-stop", "shut off"), ("start", "running"), ("force-stop", "shut off")):
        done = await api.post(f"/api/vms/{vm['id']}/{verb}")
        assert (done.status_code, host.virsh("domstate", "distant")) == (200, wanted), done.text
    done = await api.post(f"/api/vms/{vm['id']}/resize", json={"disk_gb": 0.25})
    assert done.status_code == 200, done.text
    done = await api.delete(f"/api/vms/{vm['id']}")
    assert done.status_code == 200, done.text
    assert (domains(host), volumes(host)) == (set(), set())


async def test_vm_lives_on_a_host_that_is_reached_over_tls(
    app: FastAPI, api: httpx.AsyncClient, clean_host: Host
) -> None:
    server = await registered(app, clean_host, libvirt_uri=clean_host.uris["tls"])
    await go_all_the_way(api, server, clean_host)


async def test_vm_lives_on_a_host_that_is_reached_over_ssh_and_registered_by_rest(
    app: FastAPI,
    api: httpx.AsyncClient,
    client: httpx.AsyncClient,
    admin_headers: Headers,
    clean_host: Host,
) -> None:
    body = {
        "hostname": clean_host.layout.hostname,
        "libvirt_uri": f"qemu+ssh://root@{clean_host.layout.hostname}/system",
        "virt_type": clean_host.virt_type,
        "image_pool": "images",
    }
    made = await client.post("/api/servers", json=body, headers=admin_headers)
    assert made.status_code == 201, made.text
    server = await Server.get(id=made.json()["id"])
    await engine_of(app).watch.call_roll()

    async def is_reached() -> bool:
        await server.refresh_from_db()
        return server.state == ServerState.REACHABLE.value

    await eventually(is_reached, "the service reaches the host")
    await go_all_the_way(api, server, clean_host)


async def test_playbook_runs_its_modules_on_the_host_by_ssh(
    app: FastAPI, api: httpx.AsyncClient, clean_host: Host
) -> None:
    assert clean_host.access
    server = await registered(
        app,
        clean_host,
        hostname=clean_host.layout.hostname,
        ansible_connection="ssh",
        ansible_port=clean_host.access.ports.ssh,
    )
    log = clean_host.layout.folder / "log/sshd.log"
    before = log.read_text().count("Accepted publickey")

    seed = {"hostname": "distant", "user_data": "#cloud-config\npackages: []\n"}
    vm = await create(api, server, "by-module", cloud_init=seed)
    assert clean_host.virsh("domuuid", "by-module") == vm["uuid"]
    assert log.read_text().count("Accepted publickey") > before


async def test_host_that_shows_another_key_is_refused(
    app: FastAPI, api: httpx.AsyncClient, clean_host: Host, tmp_path: Path
) -> None:
    assert clean_host.access
    server = await registered(
        app, clean_host, ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=clean_host.access.ports.ssh
    )
    known = clean_host.layout.lab.ssh_known_hosts
    genuine = known.read_text()
    make_key(tmp_path / "another")
    another = public_half(tmp_path / "another").read_text().strip()
    known.write_text("".join(f"{line.split()[0]} {another}\n" for line in genuine.splitlines()))
    try:
        answer = await api.post("/api/vms", json={"name": "elsewhere", "server_id": server.id, **SMALL})
    finally:
        known.write_text(genuine)
    assert (answer.status_code, answer.json()["code"]) == (503, "host_unreachable"), answer.text
    assert domains(clean_host) == set()
