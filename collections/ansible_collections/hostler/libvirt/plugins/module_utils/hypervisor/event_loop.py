# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's event loop, one a process, in a daemon thread.

Keepalive and events work only if it is registered before the first connection is opened, and only while it runs.
"""

from __future__ import annotations

import threading

import libvirt

_start = threading.Lock()
_running = False


def ensure_running() -> None:
    """Start the loop, once in the life of the process."""
    global _running
    with _start:
        if not _running:
            libvirt.virEventRegisterDefaultImpl()
            threading.Thread(target=_run, name="libvirt-events", daemon=True).start()
            _running = True


def _run() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
