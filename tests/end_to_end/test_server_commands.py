# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler server`` beside a running service, which notices by itself."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from lab.host import Host
from tests.end_to_end.conftest import RunningService, eventually

pytestmark = pytest.mark.lab


def refused(service: RunningService, *arguments: str) -> str:
    """What a command says that fails: one sentence, no stack."""
    done = subprocess.run(
        [sys.executable, "-m", "hostler", *arguments],
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr.strip()


def test_a_server_is_added_disabled_enabled_and_removed_beside_the_service(
    service: RunningService, lab_host: Host
) -> None:
    assert service.command("server", "add", "elsewhere", "qemu:///system?socket=/nonexistent/socket") == (
        "Server 2 'elsewhere' added\n"
    )
    eventually(lambda: service.get("/api/servers/2")["state"] == "unreachable", "the new server is dialled", 10)
    assert service.get("/api/servers/2")["state_reason"] == "Host 'elsewhere' is unreachable"

    service.command("server", "disable", "elsewhere")
    listed = service.command("server", "list").splitlines()
    assert re.split(r"\s{2,}", listed[0].strip())[:3] == ["ID", "HOSTNAME", "STATE"]
    assert [line.split()[:3] for line in listed[1:]] == [["1", "lab1", "reachable"], ["2", "elsewhere", "disabled"]]
    answer = service.post("/api/servers/2/refresh")
    assert (answer.status_code, answer.json()["detail"]) == (503, "Host 'elsewhere' is disabled")

    service.command("server", "remove", "elsewhere")
    assert service.client.get("/api/servers/2").status_code == 404


def test_a_disabled_host_is_let_alone_and_an_enabled_one_is_seen_again(service: RunningService, lab_host: Host) -> None:
    body = {"server_id": 1, "cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.1, "network_config": {"type": "none"}}
    vm = service.post("/api/vms", name="sleeper", **body).json()

    service.command("server", "disable", "lab1")
    try:
        answer = service.post("/api/vms", name="never", **body)
        assert answer.status_code == 503
        assert answer.json()["detail"] == "VM operations are not available - libvirt not configured"
        lab_host.virsh("start", "sleeper")
    finally:
        service.command("server", "enable", "lab1")

    eventually(lambda: service.get(f"/api/vms/{vm['id']}")["status"] == "running", "the host is seen again", 10)
    assert "Server 'lab1' has 1 VM:" in refused(service, "server", "remove", "lab1")


def test_a_refresh_by_command_counts_what_it_finds(service: RunningService, lab_host: Host) -> None:
    assert service.command("server", "refresh", "lab1").startswith("0 VMs: 0 appeared, 0 changed,")


def test_what_can_not_be_is_said_in_one_sentence(service: RunningService) -> None:
    uri = "qemu:///system?socket=/nonexistent/socket"

    assert "'no-such'" in refused(service, "server", "disable", "no-such")
    assert "'no-such'" in refused(service, "server", "remove", "no-such")
    assert "'no-such'" in refused(service, "server", "refresh", "no-such")
    assert "'lab1' already exists" in refused(service, "server", "add", "lab1", uri)
    assert "hostname" in refused(service, "server", "add", "not a name", uri)
    assert "hostname" in refused(service, "server", "add", "{{ evil }}", uri)
    assert "virt_type" in refused(service, "server", "add", "fine", uri, "--virt-type", "xen")
    assert "pool" in refused(service, "server", "add", "fine", uri, "--pool", "a/b")
    assert "libvirt_uri" in refused(service, "server", "add", "fine", "x" * 1025)
    assert [server["hostname"] for server in service.get("/api/servers")["items"]] == ["lab1"]
