# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's event loop, one a process, in a daemon thread.

Keepalive and events work only if it is registered before the first connection is opened, and only while it runs.
"""

from __future__ import annotations

import threading

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor import last_error
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt

_start = threading.Lock()
_running = False


def ensure_running() -> None:
    """Start the loop, and silence the library, once in the life of the process."""
    global _running
    with _start:
        if not _running:
            # it prints every error on stderr unless told not to; ours are raised, and logged by whoever catches them
            libvirt.registerErrorHandler(last_error.note, None)
            libvirt.virEventRegisterDefaultImpl()
            threading.Thread(target=_run, name="libvirt-events", daemon=True).start()
            _running = True


def _run() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
