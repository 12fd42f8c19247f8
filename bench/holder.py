# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that holds a connection to each of many hosts, and no more: ``python holder.py``, URIs on its input.

It opens them and reads the states of all their domains, once, as fast as some threads can; says how many seconds that
took; and stays until its input ends.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import libvirt

_THREADS = 32


def main() -> None:
    """Open, read, and hold."""
    uris = json.loads(sys.stdin.readline())
    began = time.monotonic()
    with ThreadPoolExecutor(_THREADS) as threads:
        connections = list(threads.map(libvirt.open, uris))
        for one in threads.map(
            lambda connection: connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE), connections
        ):
            del one
    print(time.monotonic() - began, flush=True)
    sys.stdin.readline()
    del connections


if __name__ == "__main__":
    main()
