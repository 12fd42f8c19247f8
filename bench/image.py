# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast an image gets into a pool, beside ``virsh vol-upload`` of the same file over the same socket."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_image import ensure_image
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_image import WantedImage
from bench.figures import Figure
from bench.workspace import Workspace
from lab.host import Host

MIB = 1024**2
SIZE = 1024 * MIB
ROUNDS = 5
_SHARE = 0.8


def image(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """Both in turns, each into a new volume; what is written is forced to the disk between them, and not timed."""
    host = workspace.host()
    file = workspace.folder / "random.raw"
    with file.open("wb") as out:
        for _ in range(SIZE // MIB):
            out.write(os.urandom(MIB))
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 1):
        for upload, seconds in ((_ours, took[0]), (_theirs, took[1])):
            os.sync()
            spent = _time(lambda: upload(host, file))  # noqa: B023  it is called at once
            if number:  # the first is not like the others: the file is not in memory yet
                seconds.append(spent)
            host.virsh("vol-delete", "bench.raw", "--pool", "default")
    ours, theirs = (SIZE / MIB / statistics.median(seconds) for seconds in took)
    figure = Figure(
        "An image of 1 GiB over the unix socket",
        "image",
        round(ours),
        "MiB/s",
        peer=round(theirs),
        peer_name="virsh vol-upload",
        target=round(theirs * _SHARE),
        better="higher",
        target_says=f"{_SHARE:g} times the peer",
    )
    note = (
        f"Medians of {ROUNDS}, in turns. The module's own work from the open of the connection to its answer, with the"
        " look at what the image is, its SHA-256 and its record; virsh's with the creation of the volume, in two calls"
        " of the program."
    )
    return [figure], [note]


def _time(action: Callable[[], None]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _ours(host: Host, file: Path) -> None:
    with Hypervisor.open(host.uri) as hypervisor:
        ensure_image(hypervisor, WantedImage("bench.raw", path=str(file)), str(file.parent))


def _theirs(host: Host, file: Path) -> None:
    host.virsh("vol-create-as", "default", "bench.raw", "0", "--format", "raw")
    host.virsh("vol-upload", "bench.raw", file, "--pool", "default", timeout=600)
