# SPDX-License-Identifier: GPL-3.0-or-later
"""How much later than a bare listener of libvirt's events the API shows what ``virsh`` did."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import NamedTuple

import httpx
import libvirt

from bench.errors import BenchError
from bench.figures import Figure
from bench.guests import add_server
from bench.service import Service
from bench.workspace import Workspace
from hostler.paging import LARGEST_PAGE
from lab.host import Host

GUESTS = 500
CHANGED = 20
ROUNDS = 5
_GROUP = "What virsh did, over the API"
_TAKEN_IN_SECONDS = 120.0
_SHOWN_SECONDS = 20.0
_LISTENER = Path(__file__).with_name("listener.py")

_DOMAIN = """<domain type='{virt_type}'><name>{name}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><graphics type='vnc' autoport='yes'/></devices></domain>
"""


class Heard(NamedTuple):
    """An event: the domain's name, and the second of the monotonic clock in which it was heard of."""

    name: str
    at: float


def follow(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """Guests are started paused and destroyed in turn, by virsh, while one request after the other asks for them."""
    host = workspace.host()
    names = [f"follow-{number:03}" for number in range(GUESTS)]
    _define(host, names)
    try:
        with Service(workspace.state()) as service, _listening(host) as heard:
            add_server(service, host)
            with httpx.Client(
                base_url=service.url,
                headers={"Authorization": f"Bearer {service.token()}"},
                trust_env=False,
                timeout=60,
            ) as client:
                ids = _taken_in(client)
                later: list[float] = []
                for _ in range(ROUNDS):
                    for name in names[:CHANGED]:
                        later.append(_change(host, client, heard, ids, name, "start", "paused"))
                    for name in names[:CHANGED]:
                        later.append(_change(host, client, heard, ids, name, "destroy", "stopped"))
    finally:
        _undefine(host, names)
    later.sort()
    found = {
        "median": (statistics.median(later), 50.0),
        "99th percentile": (later[-max(len(later) // 100, 1)], 200.0),
    }
    figures = [
        Figure(_GROUP, name, round(value * 1000, 1), "ms", target=target, target_says=f"{target:g} ms")
        for name, (value, target) in found.items()
    ]
    says = (
        f"Later than a process that only listens heard of it; {GUESTS} guests are defined, {CHANGED} of them started "
        f"paused and destroyed in turn, {len(later)} changes in all. The API is asked for the guest all the time."
    )
    return figures, [says]


def _define(host: Host, names: list[str]) -> None:
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        for name in names:
            connection.defineXML(_DOMAIN.format(name=name, virt_type=host.virt_type))


def _undefine(host: Host, names: list[str]) -> None:
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        for name in names:
            domain = connection.lookupByName(name)
            if domain.isActive():
                domain.destroy()
            domain.undefine()


@contextlib.contextmanager
def _listening(host: Host) -> Iterator[Queue[Heard]]:
    """What a process of its own hears, which does nothing else."""
    command = [sys.executable, str(_LISTENER), host.uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe, as asked for
        lines = process.stdout
        lines.readline()  # that it listens
        heard: Queue[Heard] = Queue()

        def read() -> None:
            for line in lines:
                name, at = line.split()
                heard.put(Heard(name, float(at)))

        Thread(target=read, daemon=True).start()
        try:
            yield heard
        finally:
            process.terminate()


def _taken_in(client: httpx.Client) -> dict[str, int]:
    """The ids of all guests by name, once the service has them."""
    deadline = time.monotonic() + _TAKEN_IN_SECONDS
    while client.get("/api/vms?per_page=1").json()["total"] < GUESTS:
        if time.monotonic() > deadline:
            raise BenchError("the service does not take the guests in")
        time.sleep(0.2)
    pages = range(1, GUESTS // LARGEST_PAGE + 1)
    found = [client.get(f"/api/vms?per_page={LARGEST_PAGE}&page={page}").json()["vms"] for page in pages]
    return {vm["name"]: vm["id"] for page in found for vm in page}


def _change(
    host: Host, client: httpx.Client, heard: Queue[Heard], ids: dict[str, int], name: str, verb: str, status: str
) -> float:
    """Change a guest, and answer how many seconds after the listener the API showed it."""
    with contextlib.suppress(Empty):
        while True:
            heard.get_nowait()
    arguments = ["start", name, "--paused"] if verb == "start" else [verb, name]
    command = ["virsh", "-c", host.uri, *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as virsh:
        deadline = time.monotonic() + _SHOWN_SECONDS
        while client.get(f"/api/vms/{ids[name]}").json()["status"] != status:
            if time.monotonic() > deadline:
                raise BenchError(f"the API does not show that {name} is {status}")
        shown = time.monotonic()
        virsh.wait(_SHOWN_SECONDS)
    while (event := heard.get(timeout=_SHOWN_SECONDS)).name != name:
        pass
    return shown - event.at
