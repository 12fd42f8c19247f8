# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task in a guest costs over its agent, beside the same over SSH."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.figures import Figure
from bench.workspace import Workspace
from lab.host import Host

ROUNDS = 3
TASKS = 5
"""So many tasks in a play, of which the time of one is taken."""
_TIMES = 1.5
_BOOT_SECONDS = 600
_FILE_BYTES = 10 * 1024 * 1024
_VM = "bench-told"


def guest_agent(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """A command, a line without Python and a large file, each over both in turns, in a guest with Debian."""
    tasks = _Tasks(workspace.folder, workspace.debian_host())
    try:
        tasks.boot()
        figures = _figures(tasks, workspace.folder)
    finally:
        tasks.delete()
    note = (
        f"Medians of {ROUNDS}, in turns. A play of {TASKS} such tasks (of one, for the file) in an emulated guest of"
        " Debian with one CPU, divided by their number; Ansible's own start is in both. SSH keeps its connection"
        " (ControlPersist) and has pipelining, too."
    )
    return figures, [note]


def _figures(tasks: _Tasks, folder: Path) -> list[Figure]:
    (folder / "large").write_bytes(os.urandom(_FILE_BYTES))
    large = {"src": str(folder / "large"), "dest": "/root/l{{ 999999 | random }}"}
    kinds: dict[str, tuple[dict[str, Any], int]] = {
        "ansible.builtin.raw": ({"ansible.builtin.raw": "true"}, TASKS),
        "ansible.builtin.command": ({"ansible.builtin.command": "true"}, TASKS),
        "ansible.builtin.copy of 10 MiB": ({"ansible.builtin.copy": large}, 1),
    }
    figures = []
    for name, (task, count) in kinds.items():
        took: dict[str, list[float]] = {"agent": [], "ssh": []}
        for _ in range(ROUNDS):
            for way, seconds in took.items():
                seconds.append(tasks.take(way, [task] * count) / count)
        value, peer = (statistics.median(took[way]) for way in ("agent", "ssh"))
        target, says = round(peer * _TIMES, 2), f"{_TIMES:g} times SSH"
        figures.append(_figure(name, round(value, 2), round(peer, 2), target, says))
    return figures


def _figure(name: str, value: float, peer: float, target: float, says: str) -> Figure:
    return Figure("A task in a guest", name, value, "s", peer=peer, peer_name="SSH", target=target, target_says=says)


class _Tasks:
    """Plays on one guest, by either way."""

    def __init__(self, folder: Path, host: Host) -> None:
        self._folder = folder
        self._host = host
        self._key = folder / "guest-key"
        self._address = ""
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
            "HOME": str(folder),
            "LIBVIRT_DEFAULT_URI": host.uri,
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        }

    def boot(self) -> None:
        """Have the guest, with a key for its user, an agent and an address."""
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key)]
        subprocess.run(keygen, check=True, capture_output=True)
        options: dict[str, Any] = {
            "name": _VM, "cpu_cores": 1, "memory_mb": 512, "disk_gb": 3, "image": "debian.qcow2",
            "image_mode": "backing", "image_pool": "images", "virt_type": self._host.virt_type,
            "state": "running", "wait_for": "agent",
            "cloud_init": {"ssh_authorized_keys": [self._key.with_suffix(".pub").read_text().strip()]},
            "wait_timeout": _BOOT_SECONDS,
        }  # fmt: skip
        self._play("localhost", {}, [{"hostler.libvirt.vm": options}])
        self._play("localhost", {}, [{"hostler.libvirt.vm": {**options, "wait_for": "port", "wait_port": 22}}])
        shown = self._host.virsh("domifaddr", _VM)
        self._address = next(line.split()[3].partition("/")[0] for line in shown.splitlines() if "ipv4" in line)

    def delete(self) -> None:
        """Leave the host to the next benchmark as it was."""
        self._play("localhost", {}, [{"hostler.libvirt.vm": {"name": _VM, "state": "absent"}}])

    def take(self, way: str, tasks: list[dict[str, Any]]) -> float:
        """Run a play with these tasks, and answer the seconds it took. Raises BenchError if it fails."""
        variables: dict[str, Any] = {"ansible_python_interpreter": "/usr/bin/python3"}
        if way == "agent":
            variables |= {"ansible_connection": "hostler.libvirt.guest_agent"}
        else:
            no_question = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
            variables |= {
                "ansible_host": self._address, "ansible_user": "debian", "ansible_become": True,
                "ansible_ssh_private_key_file": str(self._key), "ansible_ssh_common_args": no_question,
                "ansible_pipelining": True,
            }  # fmt: skip
        return self._play(_VM, variables, tasks)

    def _play(self, host: str, variables: dict[str, Any], tasks: list[dict[str, Any]]) -> float:
        file = self._folder / "play.yml"
        file.write_text(json.dumps([{"hosts": host, "gather_facts": False, "vars": variables, "tasks": tasks}]))
        inventory = ["-i", f"{host},"] if host != "localhost" else []
        began = time.perf_counter()
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), *inventory, file],
            env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise BenchError(f"a play fails: {(done.stdout + done.stderr)[-500:]}")
        return time.perf_counter() - began
