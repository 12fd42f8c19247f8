# SPDX-License-Identifier: GPL-3.0-or-later
"""Real hosts that are reached with credentials: over SSH, over TLS, and by the modules of playbooks."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.events.models import Event
from hostler.hosts.models import Server
from hostler.jobs.models import Job, JobLog, JobStep
from hostler.settings import Settings
from lab.host import Host
from lab.secure_shell import public_half
from tests.service.conftest import ADMIN_PASSWORD, log_in
from tests.service.credentials.parts import host_key, tls_parts
from tests.service.machines.lab_service import clean_host, create, engine_of, eventually

__all__ = ["clean_host"]

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts are reached by their sockets only"),
]


@pytest.fixture
def settings(clean_environment: None, tmp_path: Path, database_url: str) -> Settings:
    """A resize is a playbook; what else is done is done directly."""
    return Settings(
        state_dir=tmp_path / "state",
        database_url=database_url,
        admin_password=ADMIN_PASSWORD,
        dispatch={"vm_create": "direct", "vm_resize": "playbook"},
        warm_start=False,
        shutdown_seconds=5,
    )


@pytest.fixture
async def admin(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hostler.test") as client:
        client.headers.update(await log_in(client, "admin", ADMIN_PASSWORD))
        yield client


def ssh_parts(host: Host) -> dict[str, str]:
    """What the lab lets in, and the key that the host shows."""
    return {
        "private_key": host.layout.lab.ssh_key.read_text(),
        "known_hosts": public_half(host.layout.ssh_host_key).read_text(),
    }


def lab_tls_parts(host: Host) -> dict[str, str]:
    folder = host.layout.lab.client_certificate
    names = {"ca_certificate": "cacert.pem", "client_certificate": "clientcert.pem", "client_key": "clientkey.pem"}
    return {part: (folder / name).read_text() for part, name in names.items()}


def uri(host: Host, transport: str) -> str:
    """The host's URI as REST takes it: without a query."""
    assert host.access
    ports = host.access.ports
    user, port = ("root@", ports.ssh) if transport == "ssh" else ("", ports.tls)
    return f"qemu+{transport}://{user}127.0.0.1:{port}/system"


async def added(admin: httpx.AsyncClient, kind: str, parts: dict[str, str]) -> int:
    answer = await admin.post("/api/credentials", json={"name": kind, "kind": kind, **parts})
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["id"]
    return number


async def registered(admin: httpx.AsyncClient, host: Host, transport: str, **fields: Any) -> Server:
    body = {"hostname": "distant", "libvirt_uri": uri(host, transport), "virt_type": host.virt_type, **fields}
    answer = await admin.post("/api/servers", json={"image_pool": "images", **body})
    assert answer.status_code == 201, answer.text
    return await Server.get(id=answer.json()["id"])


async def has_state(server: Server, state: str) -> None:
    async def has_it() -> bool:
        await server.refresh_from_db()
        return server.state == state

    await eventually(has_it, f"the server is {state}: {server.state_reason}", timeout=90)


async def everything_said() -> str:
    """All that the service keeps and tells: jobs, their steps and logs, events."""
    found = [*await Job.all().values(), *await JobStep.all().values(), *await JobLog.all().values()]
    return str([*found, *await Event.all().values()])


def secret_lines(parts: dict[str, str]) -> list[str]:
    key = parts.get("private_key") or parts["client_key"]
    return [line for line in key.splitlines() if len(line) > 30 and "-----" not in line]


def files_with(folder: Path, lines: list[str]) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(line.encode() in path.read_bytes() for line in lines)
    ]


async def go(app: FastAPI, admin: httpx.AsyncClient, server: Server, parts: dict[str, str], log: Any) -> None:
    """Make a VM directly and resize it by a playbook, and see that no secret is left or told anywhere."""
    vm = await create(admin, server, "far")
    resized = await admin.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96})
    assert resized.status_code == 200, resized.text

    lines = secret_lines(parts)
    assert lines
    said = await everything_said()
    shown = "".join([(await admin.get(path)).text for path in ("/api/credentials", "/api/servers", "/api/jobs")])
    printed = "".join(log.readouterr())
    assert not any(line in text for line in lines for text in (said, shown, printed))
    state = engine_of(app).settings.state_dir
    assert files_with(state, lines) == []
    assert list((state / "runs").glob("key-*")) == []


@pytest.mark.rule("credentials-use")
async def test_a_host_is_reached_over_ssh_and_not_while_it_shows_another_key(
    app: FastAPI, admin: httpx.AsyncClient, clean_host: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    parts = ssh_parts(clean_host)
    number = await added(admin, "ssh", {**parts, "known_hosts": host_key()})
    server = await registered(admin, clean_host, "ssh", credential_id=number)

    await has_state(server, "unreachable")
    expected = "Host 'distant' is unreachable: it shows another SSH host key than the one that is expected"
    assert server.state_reason == expected
    answer = await admin.post("/api/vms", json={"name": "x", "cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.1})
    assert (answer.status_code, answer.json()["code"]) == (503, "host_unreachable")

    changed = await admin.put(f"/api/credentials/{number}", json={"known_hosts": parts["known_hosts"]})
    assert changed.status_code == 200
    await has_state(server, "reachable")
    await go(app, admin, server, parts, capfd)


async def test_a_host_is_reached_over_tls(
    app: FastAPI, admin: httpx.AsyncClient, clean_host: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    parts = lab_tls_parts(clean_host)
    number = await added(admin, "tls", {**tls_parts(), "ca_certificate": parts["ca_certificate"]})
    server = await registered(admin, clean_host, "tls", credential_id=number)

    await has_state(server, "unreachable")
    assert server.state_reason is not None
    assert server.state_reason.startswith("Host 'distant' is unreachable: its certificate, or the one it was shown")

    assert (await admin.put(f"/api/credentials/{number}", json=parts)).status_code == 200
    await has_state(server, "reachable")
    await go(app, admin, server, parts, capfd)


@pytest.mark.slow
async def test_a_playbooks_modules_run_on_the_host_with_the_credential(
    app: FastAPI, admin: httpx.AsyncClient, clean_host: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    assert clean_host.access
    parts = ssh_parts(clean_host)
    by_ssh = {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": clean_host.access.ports.ssh,
        "credential_id": await added(admin, "ssh", parts),
    }
    server = await registered(admin, clean_host, "ssh", **by_ssh)
    await has_state(server, "reachable")
    log = clean_host.layout.folder / "log/sshd.log"
    before = log.read_text().count("Accepted publickey")

    await go(app, admin, server, parts, capfd)
    assert log.read_text().count("Accepted publickey") > before

    wrong = await admin.put(f"/api/credentials/{by_ssh['credential_id']}", json={"known_hosts": host_key()})
    assert wrong.status_code == 200
    (vm,) = (await admin.get("/api/vms")).json()["vms"]
    refused = await admin.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 128})
    assert (refused.status_code, refused.json()["code"]) == (503, "host_unreachable"), refused.text
