# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection's modules cost in a play, beside community.libvirt, and on a host with many VMs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import without_vnc
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from bench.errors import BenchError
from bench.figures import Figure
from bench.workspace import Workspace
from lab.cache import cache_folder
from lab.host import Host

FEW, MANY = 50, 5000
ROUNDS = 3
TASKS = 20
"""So many tasks of one kind, of which the time of one is taken."""

_PEER = "ansible==12.3.0"  # the package from PyPI that has community.libvirt; none of its other parts is used
_PEER_NEEDS = "lxml"

Play = list[dict[str, Any]]


def collection(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """Each pair in turns. A play without tasks is subtracted from every play."""
    plays = _Plays(workspace.folder, workspace.host(), _peer_collections())
    names = [f"bench-{number}" for number in range(FEW)]
    with _vms(plays, workspace.host(), names):
        figures = _beside_the_peer(plays, names)
    figures += _many(plays, workspace.host())
    note = (
        f"Medians of {ROUNDS}, in turns, without what a play with no task takes ({plays.empty:.2f} s). The peer"
        f" is community.libvirt of PyPI's {_PEER}, in a loop as it knows no list; one task is a {TASKS}th of {TASKS}."
        f" For {MANY} VMs vm_info makes 9 calls to libvirt (4 for the list, 2 for figures, 3 for the lists of the"
        " connections that read definitions), and one for each VM's definition, of which libvirt has no bulk call."
    )
    return figures, [note]


def _beside_the_peer(plays: _Plays, names: list[str]) -> list[Figure]:
    def loop(**options: str) -> Play:
        return [{"community.libvirt.virt": {"name": "{{ item }}", "uri": plays.uri, **options}, "loop": names}]

    def switch(operation: str) -> Play:
        return [{"hostler.libvirt.vm_power": {"name": names, "operation": operation, "uri": plays.uri}}]

    states = [{"hostler.libvirt.vm_info": {"name": names, "gather": [], "uri": plays.uri}}]
    group = f"{FEW} VMs in a play"
    pairs = [
        (f"state of {FEW} VMs", states, loop(command="status"), 0.1, None),
        (f"start of {FEW} VMs", switch("start"), loop(state="running"), 0.2, switch("force-stop")),
        (f"force-stop of {FEW} VMs", switch("force-stop"), loop(state="destroyed"), 0.2, switch("start")),
    ]
    figures = []
    for name, ours, theirs, share, undo in pairs:
        if name.startswith("force-stop"):
            plays.take(switch("start"))
        value, peer = plays.in_turns(ours, theirs, undo)
        figures.append(_figure(group, name, value, peer, peer * share, f"{share:g} times the peer"))
    one = {"hostler.libvirt.vm_power": {"name": names[0], "operation": "force-stop", "uri": plays.uri}}
    its = {"community.libvirt.virt": {"name": names[0], "state": "destroyed", "uri": plays.uri}}
    value, peer = (took / TASKS for took in plays.in_turns([one] * TASKS, [its] * TASKS, None))
    figures.append(_figure("One task on one VM", "vm_power", value, peer, peer * 1.05, "1.05 times the peer"))
    return figures


def _figure(group: str, name: str, value: float, peer: float, target: float, says: str) -> Figure:
    return Figure(
        group, name, round(value, 3), "s",
        peer=round(peer, 3), peer_name="community.libvirt", target=round(target, 3), target_says=says,
    )  # fmt: skip


def _many(plays: _Plays, host: Host) -> list[Figure]:
    asked: dict[str, dict[str, list[str]]] = {
        "state of each (gather: [])": {"gather": []},
        "state and spec of each": {},
    }
    figures = []
    with defined_domains(host, MANY):
        for name, options in asked.items():
            play: Play = [{"hostler.libvirt.vm_info": {"uri": plays.uri, **options}}]
            value = statistics.median(plays.own(play) for _ in range(ROUNDS))
            figures.append(Figure(f"vm_info of {MANY} defined VMs", name, round(value, 2), "s", target=3.0))
    return figures


class _Plays:
    """Plays on this machine against one libvirt."""

    def __init__(self, folder: Path, host: Host, collections: Path) -> None:
        self.uri = host.uri
        self.virt_type = host.virt_type
        self._file = folder / "play.yml"
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
            "HOME": str(folder),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "PYTHONPATH": str(collections / "python"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        }
        self.empty = 0.0
        self.empty = statistics.median(self.own([]) for _ in range(ROUNDS + 1))

    def take(self, tasks: Play) -> float:
        """Run a play, and answer the seconds it took. Raises BenchError if it fails."""
        self._file.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        began = time.perf_counter()
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), self._file],
            env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        took = time.perf_counter() - began
        if done.returncode:
            raise BenchError(f"a play fails: {(done.stdout + done.stderr)[-500:]}")
        return took

    def own(self, tasks: Play) -> float:
        """The same without what a play with no task takes."""
        return self.take(tasks) - self.empty

    def in_turns(self, ours: Play, theirs: Play, undo: Play | None) -> tuple[float, float]:
        """The medians of both, each after ``undo``."""
        took: tuple[list[float], list[float]] = ([], [])
        for _ in range(ROUNDS):
            for play, seconds in zip((ours, theirs), took, strict=True):
                seconds.append(self.own(play))
                if undo is not None:
                    self.take(undo)
        return statistics.median(took[0]), statistics.median(took[1])


@contextmanager
def _vms(plays: _Plays, host: Host, names: list[str]) -> Iterator[None]:
    """Small VMs with blank disks, off. Without VNC: a lab's host has ports for twenty displays."""
    options = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.0625, "virt_type": plays.virt_type, "uri": plays.uri}
    many = {"vms": [{"name": name, "network_config": {"type": "none"}} for name in names]}
    try:
        plays.take([{"hostler.libvirt.vm": {**options, **many}}])
        with Hypervisor.open(host.uri) as hypervisor:
            for domain in hypervisor.domains():
                hypervisor.redefine(without_vnc(domain.xml(inactive=True, secure=True)))
        yield
    finally:
        plays.take([{"hostler.libvirt.vm": {"uri": plays.uri, "state": "absent", **many}}])


@contextmanager
def defined_domains(host: Host, count: int) -> Iterator[None]:
    """So many domains that are only defined, with a disk and a card each."""
    xml = (
        "<domain type='{type}'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os>"
        "<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        "<source file='/nowhere/{name}.qcow2'/><target dev='vda' bus='virtio'/></disk>"
        "<interface type='user'/></devices></domain>"
    )
    with Hypervisor.open(host.uri) as hypervisor:
        try:
            for number in range(count):
                hypervisor.redefine(xml.format(type=host.virt_type, name=f"bench-many-{number}"))
            yield
        finally:
            for domain in hypervisor.domains():
                domain.undefine()


def _peer_collections() -> Path:
    """The folder with the peer's collections, installed when it is first asked for."""
    folder = cache_folder() / "peer"
    mark = folder / "what"
    if not mark.exists() or mark.read_text() != _PEER:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        for package, into in ((_PEER, folder), (_PEER_NEEDS, folder / "python")):
            subprocess.run([*pip, "--no-deps", "--upgrade", "--target", into, package], check=True, capture_output=True)
        mark.write_text(_PEER)
    return folder
