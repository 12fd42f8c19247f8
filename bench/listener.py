# SPDX-License-Identifier: GPL-3.0-or-later
"""``python listener.py URI``: prints the name of each domain that something happens to, and when it heard of that.

A process of its own that does nothing else, and imports nothing of ours: what the service is held against.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import libvirt


def main() -> None:
    """Listen for ever; the time is that of the monotonic clock, which all processes share."""
    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.open(sys.argv[1])

    def tell(_connection: Any, domain: Any, _event: int, _detail: int, _opaque: Any) -> None:
        print(domain.name(), time.monotonic(), flush=True)

    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, tell, None)
    print("listening", flush=True)
    while True:
        libvirt.virEventRunDefaultImpl()


if __name__ == "__main__":
    main()
