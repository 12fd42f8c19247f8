# SPDX-License-Identifier: GPL-3.0-or-later
"""What creating a VM costs by playbook, directly, and by the core alone, against the plainest run of ansible-runner."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import httpx

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import create as core_create
from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete as core_delete
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import spec_from
from bench.errors import BenchError
from bench.figures import Figure
from bench.guests import SMALL, add_server, delete_vm, make_vm
from bench.service import Service
from bench.workspace import Workspace
from hostler.settings import Settings
from lab.host import Host

ROUNDS = 7
_TARGET_SECONDS = 0.8
_WARM_START = "warm_start"
"""The setting by which playbooks run in a process that has Ansible loaded; not every version has it."""
_SETTLE_SECONDS = 3.0


def create(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """Each way in turns, so that all of them meet the same machine."""
    host = workspace.host()
    ways = {"create by playbook, cold": {}, "create directly": {"dispatch": '{"vm_create": "direct"}'}}
    if _WARM_START in Settings.model_fields:
        ways["create by playbook, cold"] = {_WARM_START: "false"}
        ways = {"create by playbook, warm": {_WARM_START: "true"}, **ways}
    took: dict[str, list[float]] = {"core": [], "runner": [], **{way: [] for way in ways}}
    for way, settings in ways.items():
        with Service(workspace.state(), **settings) as service:
            add_server(service, host)
            headers = {"Authorization": f"Bearer {service.token()}"}
            with httpx.Client(base_url=service.url, headers=headers, timeout=120, trust_env=False) as client:
                time.sleep(_SETTLE_SECONDS)  # what starts warm has warmed up
                for number in range(ROUNDS + 1):
                    rounds = {way: _over_api(client), "core": _by_core(host), "runner": _plain_runner()}
                    if number:  # the first is not like the others: files are read
                        for name, seconds in rounds.items():
                            took[name].append(seconds)
    bare, runner = statistics.median(took["core"]), statistics.median(took["runner"])
    figures = []
    for way in ways:
        own = statistics.median(took[way]) - bare
        is_target = way == next(iter(ways)) and "playbook" in way
        figures.append(
            Figure(
                "Creating a VM: what is not libvirt's own work",
                way,
                round(own, 3),
                "s",
                peer=round(runner, 3),
                peer_name="ansible_runner.run with one module",
                target=_TARGET_SECONDS if is_target else None,
                target_says="0.8 s" if is_target else "",
            )
        )
    figures.append(Figure("The module over AnsiballZ", "hostler.libvirt.vm", _ansiballz_kib(), "KiB"))
    says = (
        f"Medians of {ROUNDS}. Libvirt's own work is the core's create of the same VM on an open connection, "
        f"{bare:.3f} s."
    )
    return figures, [says]


def _over_api(client: httpx.Client) -> float:
    began = time.perf_counter()
    vm = make_vm(client, f"bench-{uuid.uuid4().hex[:8]}", SMALL)
    took = time.perf_counter() - began
    delete_vm(client, vm)
    return took


def _by_core(host: Host) -> float:
    """The core's plan and create, on a connection that is open."""
    spec = spec_from({"name": f"bench-{uuid.uuid4().hex[:8]}", **SMALL})
    record = Record(uuid=str(uuid.uuid4()), created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    placement = Placement("default", "images", "default", host.virt_type)
    with Hypervisor.open(host.uri) as hypervisor:
        began = time.perf_counter()
        core_create.create(hypervisor, core_create.plan_for(hypervisor, spec, placement, record))
        took = time.perf_counter() - began
        core_delete.delete(hypervisor, record.uuid)
    return took


def _plain_runner() -> float:
    """One module task by ansible_runner.run, in a folder of its own; the library is loaded before the clock runs."""
    code = (
        "import sys, time, ansible_runner\n"
        "began = time.perf_counter()\n"
        "run = ansible_runner.run(private_data_dir=sys.argv[1], quiet=True, inventory='h ansible_connection=local "
        "ansible_python_interpreter=' + sys.executable, playbook=[{'hosts': 'all', 'gather_facts': False, "
        "'tasks': [{'ansible.builtin.ping': {}}]}])\n"
        "print(time.perf_counter() - began if run.rc == 0 else 'failed')\n"
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="hostler-runner-") as folder:
        done = subprocess.run(
            [sys.executable, "-c", code, folder],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        return float(done.stdout)
    except ValueError:
        raise BenchError(f"the plain run of ansible-runner fails: {done.stdout or done.stderr}") from None


def _ansiballz_kib() -> float:
    """What Ansible sends to a host for one task of the module: the file that it leaves when it is told to keep it."""
    with tempfile.TemporaryDirectory(prefix="hostler-ansiballz-") as folder:
        subprocess.run(
            [
                Path(sys.executable).with_name("ansible"), "localhost", "-c", "local",
                *("-e", f"ansible_python_interpreter={sys.executable}"), *("-m", "hostler.libvirt.vm"),
            ],
            env={**os.environ, "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_REMOTE_TEMP": folder},
            capture_output=True,
            check=False,  # it fails, since it is told nothing
        )  # fmt: skip
        sent = list(Path(folder).rglob("AnsiballZ_vm.py"))
        if not sent:
            raise BenchError("Ansible has kept no AnsiballZ file")
        return round(sent[0].stat().st_size / 1024, 1)
