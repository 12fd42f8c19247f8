# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian image as a guest runs it: cloud-init does what its seed says, and lets the seed's key in."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab.commands import run
from lab.host import Host
from lab.lab import Lab
from lab.secure_shell import make_key, public_half
from tests.lab.guests import Guest, running, wait_until

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="nobody reaches a guest in user-mode networking"),
]

BOOT_SECONDS = 300
"""Emulated, 25 s where nobody else wants the processor."""


def seed(key: Path) -> dict[str, str]:
    user_data = {
        "hostname": "whole",
        "ssh_authorized_keys": [public_half(key).read_text().strip()],
        "write_files": [{"path": "/etc/said", "content": "it's written"}],
        "runcmd": [["sh", "-c", "cat /etc/said >/run/ran"]],
    }
    return {"meta-data": "instance-id: debian-1\n", "user-data": "#cloud-config\n" + json.dumps(user_data)}


def leased(host: Host, guest: Guest) -> str:
    """Answer the guest's address, empty while it has none."""
    lines = host.virsh("domifaddr", guest.name, "--source", "lease").splitlines()
    return lines[0].split()[3].partition("/")[0] if lines else ""


def test_cloud_init_does_what_the_seed_says_on_a_disk_of_any_size(lab: Lab, tmp_path: Path) -> None:
    lab.up(debian=True)
    host = lab.hosts[0]
    make_key(tmp_path / "key")
    disk = tmp_path / "debian.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", host.debian_path, disk, "3G")
    guest = Guest(host, "lab-debian", tmp_path, seed=seed(tmp_path / "key"), disk=disk, memory_mib=512)
    with running(guest):
        wait_until(guest.agent_answers, "the agent answers", BOOT_SECONDS)
        wait_until(lambda: leased(host, guest) != "", "the guest has an address", BOOT_SECONDS)
        # the guest's own key is new, and nobody has seen it before
        trust = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes")
        login = ("ssh", "-F", "none", "-i", str(tmp_path / "key"), *trust, f"debian@{leased(host, guest)}")

        def on_guest(*command: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run([*login, *command], capture_output=True, text=True, timeout=BOOT_SECONDS, check=False)

        wait_until(lambda: on_guest("true").returncode == 0, "the seed's key is let in", BOOT_SECONDS)
        done = on_guest("cloud-init", "status", "--wait", "--long")
        assert "status: done" in done.stdout, done.stdout + guest.console
        assert on_guest("hostname; cat /run/ran; sudo id -un").stdout.splitlines() == ["whole", "it's writtenroot"]
        # as far as the disk goes
        assert int(on_guest("df --output=size -BM / | tail -n 1").stdout.strip().rstrip("M")) > 2800
        assert on_guest("systemctl is-system-running --wait").stdout.strip() == "running", on_guest(
            "systemctl --failed --no-legend"
        ).stdout
        assert guest.agent("guest-get-osinfo")["id"] == "debian"
        assert guest.agent("guest-get-host-name") == {"host-name": "whole"}

        host.virsh("shutdown", guest.name, "--mode", "agent")
        wait_until(lambda: guest.state() == "shut off", "the agent shuts down", BOOT_SECONDS)
