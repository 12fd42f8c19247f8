# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory of many hosts costs: read from them, and from its cache."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.collection import defined_domains
from bench.errors import BenchError
from bench.figures import Figure
from bench.workspace import Workspace
from lab.host import Host

HOSTS, VMS = 10, 500
ROUNDS = 3
_SLOWER_SECONDS = 2.0
_FROM_CACHE_SECONDS = 0.5

# what Ansible does with a source of its inventory, from when it is started until the hosts are there
_READ = """
import sys, time
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
began = time.perf_counter()
print(len(InventoryManager(DataLoader(), sources=[sys.argv[1]]).hosts), time.perf_counter() - began)
"""


def inventory(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """One host alone, then ten hosts, in turns; then ten from the cache."""
    host = workspace.host()
    one = _config(workspace.folder, "one", host, 1, cache=False)
    ten = _config(workspace.folder, "ten", host, HOSTS, cache=False)
    cached = _config(workspace.folder, "cached", host, HOSTS, cache=True)
    with defined_domains(host, VMS):
        alone, together = [], []
        for _ in range(ROUNDS):
            alone.append(_read(workspace.folder, one, VMS))
            together.append(_read(workspace.folder, ten, HOSTS * VMS))
        _read(workspace.folder, cached, HOSTS * VMS)
        kept = [_read(workspace.folder, cached, HOSTS * VMS) for _ in range(ROUNDS)]
    slowest, value, from_cache = (statistics.median(took) for took in (alone, together, kept))
    group = f"Inventory of {HOSTS} hosts with {VMS} VMs each"
    figures = [
        Figure(
            group, "read from the hosts", round(value, 2), "s",
            peer=round(slowest, 2), peer_name="one host alone",
            target=round(slowest + _SLOWER_SECONDS, 2), target_says=f"that and {_SLOWER_SECONDS:g} s",
        ),
        Figure(group, "read from the cache", round(from_cache, 2), "s", target=_FROM_CACHE_SECONDS),
    ]  # fmt: skip
    note = (
        f"Medians of {ROUNDS}, without the start of Ansible itself: from when it looks at the inventory until its"
        f" {HOSTS * VMS} hosts are there. The {HOSTS} hosts are one libvirtd under {HOSTS} names, so each of them is"
        " slower than alone; the domains are of QEMU's driver, and off."
    )
    return figures, [note]


def _config(folder: Path, name: str, host: Host, count: int, *, cache: bool) -> Path:
    # libvirt ignores the number; to the cache each is another host
    hypervisors = [{"name": f"host{number}", "uri": f"{host.uri}&number={number}"} for number in range(count)]
    options: dict[str, Any] = {
        "plugin": "hostler.libvirt.vms",
        "hypervisors": hypervisors,
        "hostnames": "name_host",
        "cache": cache,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(folder / "inventory-cache"),
    }
    file = folder / f"{name}.vms.yml"
    file.write_text(json.dumps(options))
    return file


def _read(folder: Path, config: Path, expected: int) -> float:
    """The seconds that Ansible took to read that inventory. Raises BenchError if VMs are missing."""
    done = subprocess.run(
        [sys.executable, "-c", _READ, config],
        env={**os.environ, "HOME": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found, _, took = done.stdout.partition(" ")
    if found != str(expected):
        raise BenchError(f"an inventory has {found or 'no'} VMs, not {expected}: {done.stderr[-500:]}")
    return float(took)
