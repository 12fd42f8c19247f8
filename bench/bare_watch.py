# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that asks each of many hosts what a service at rest asks them, and no more: ``python bare_watch.py``.

It reads the hosts' URIs from its input, makes libvirt's calls in the service's order and at its pace, throws away what
they answer, and prints which part of a core that takes.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from typing import NamedTuple

import libvirt

RESYNC_SECONDS = 30.0
"""The service's default, as are these: statistics twice as often, and now and then a fifth of the definitions."""
_STATISTICS_EACH = 2
_READ_EACH, _SHARE = 17, 5  # of 100,000 VMs, of which 40 a second are read
_KEEPALIVE = (4, 2)
_MEASURED_SECONDS = 60.0
_FIGURES = (
    libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)
_LISTS = (
    libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART,
    libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT,
    libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE,
)


class _Held(NamedTuple):
    """The two connections that a host at rest has: one hears its events, the other is asked."""

    listening: libvirt.virConnect
    asked: libvirt.virConnect


def main() -> None:
    """Open, and ask for a while."""
    uris = json.loads(sys.stdin.readline())
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_run_events, daemon=True).start()
    held = [_open(uri) for uri in uris]
    pause = RESYNC_SECONDS / len(held)
    began, used, number = time.monotonic(), time.process_time(), 0
    while time.monotonic() < began + _MEASURED_SECONDS:
        turn, place = divmod(number, len(held))
        _compare(held[place].asked, and_definitions=(turn + place) % _READ_EACH == 0)
        for nth in range(_STATISTICS_EACH):
            _measure(held[(_STATISTICS_EACH * number + nth) % len(held)].asked)
        number += 1
        time.sleep(max(0.0, began + number * pause - time.monotonic()))
    print(100 * (time.process_time() - used) / (time.monotonic() - began), flush=True)


def _run_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _open(uri: str) -> _Held:
    held = _Held(libvirt.open(uri), libvirt.open(uri))
    for connection in held:
        connection.setKeepAlive(*_KEEPALIVE)
    held.listening.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda *_event: None, None)
    return held


def _compare(connection: libvirt.virConnect, *, and_definitions: bool) -> None:
    """The states of all, some of their definitions in their turn, and what the host and its pools have free."""
    states = connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)
    if and_definitions:
        _read([domain for domain, _state in states][: len(states) // _SHARE], connection)
    connection.getInfo()
    connection.getFreeMemory()
    for pool in connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        pool.info()
    for pool in connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        pool.isActive()
        pool.listAllVolumes()


def _read(share: list[libvirt.virDomain], connection: libvirt.virConnect) -> None:
    connection.listAllDomains()
    connection.domainListGetStats(share, libvirt.VIR_DOMAIN_STATS_STATE)
    for which in _LISTS:
        connection.listAllDomains(which)
    for domain in share:
        domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)


def _measure(connection: libvirt.virConnect) -> None:
    with contextlib.suppress(libvirt.libvirtError):  # the test driver has none
        connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    with contextlib.suppress(libvirt.libvirtError):  # nor these
        connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS)
    connection.getAllDomainStats(_FIGURES, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE)
    for pool in connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        pool.info()


if __name__ == "__main__":
    main()
