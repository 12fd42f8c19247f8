# SPDX-License-Identifier: GPL-3.0-or-later
"""What a direct action costs over the API, against the same libvirt calls on an open connection."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import httpx
import libvirt

from bench.figures import Figure
from bench.guests import SMALL, add_server, delete_vm, make_vm
from bench.service import Service
from bench.workspace import Workspace

ROUNDS = 15
_SETTLE_SECONDS = 0.3
_FACTOR, _EXTRA_MS = 1.10, 10.0


def direct(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """``start`` and ``force-stop`` of one guest, in turns with the bare calls."""
    host = workspace.host()
    took: dict[str, list[float]] = {"start": [], "bare start": [], "force-stop": [], "bare force-stop": []}
    with Service(workspace.state(), dispatch='{"vm_create": "direct"}') as service:
        add_server(service, host)
        token = service.token()
        with httpx.Client(
            base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
        ) as client:
            vm = make_vm(client, "bench-direct", SMALL)
            connection = libvirt.open(host.uri)
            domain = connection.lookupByUUIDString(vm["uuid"])

            def over_api(verb: str) -> None:
                client.post(f"/api/vms/{vm['id']}/{verb}").raise_for_status()

            try:
                for number in range(ROUNDS + 1):
                    for name, action in (
                        ("bare start", domain.create),
                        ("bare force-stop", domain.destroy),
                        ("start", lambda: over_api("start")),
                        ("force-stop", lambda: over_api("force-stop")),
                    ):
                        milliseconds = _time(action)
                        if number:  # the first round is not like the others: files are read
                            took[name].append(milliseconds)
                        time.sleep(_SETTLE_SECONDS)  # the watch looks at what became of it
            finally:
                connection.close()
            delete_vm(client, vm)
    figures = []
    for verb in ("start", "force-stop"):
        bare = statistics.median(took[f"bare {verb}"])
        figures.append(
            Figure(
                "Direct actions",
                f"POST /{verb}",
                round(statistics.median(took[verb]), 1),
                "ms",
                peer=round(bare, 1),
                peer_name="the bare libvirt call",
                target=round(_FACTOR * bare + _EXTRA_MS, 1),
                target_says="1.10 times the bare call + 10 ms",
            )
        )
    return figures, [f"Medians of {ROUNDS}, in turns, of one guest of {SMALL['memory_mb']} MiB ({host.virt_type})."]


def _time(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000
