# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM whose QEMU stands still in the middle of its start."""

from __future__ import annotations

import contextlib
import signal
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from lab.errors import LabError
from lab.host import Host

# libvirt asks an emulator what it can do before it starts it
_STANDS_STILL = """#!/bin/sh
case "$*" in *-machine\\ none*) exec /usr/bin/qemu-system-x86_64 "$@";; esac
(sleep {seconds}; kill -STOP $$) &
exec /usr/bin/qemu-system-x86_64 "$@"
"""
_AFTER = (0.05, 0.1, 0.07, 0.15, 0.03, 0.3)
"""Seconds: before that libvirt holds the domain's lock and tells nobody anything of it, and after that it runs."""
_STARTING = "paused (starting up)"


def being_started(host: Host, name: str, folder: Path) -> Future[str]:
    """Start it, and come back while it stands still; what ``virsh start`` will say, when its QEMU is killed."""
    threads = ThreadPoolExecutor(1)
    for seconds in _AFTER:
        _give_emulator(_STANDS_STILL.format(seconds=seconds), host, name, folder)
        starting = threads.submit(host.virsh, "start", name)
        for _ in range(10):
            time.sleep(0.3)
            with contextlib.suppress(LabError):  # it waits for the lock
                if host.virsh("domstate", name, "--reason", timeout=2) == _STARTING:
                    threads.shutdown(wait=False)
                    return starting
        with contextlib.suppress(LabError):
            host.guest_process(name).signal(signal.SIGKILL)
        with contextlib.suppress(LabError):
            starting.result()
    raise AssertionError("it is never seen as it starts")


def _give_emulator(script: str, host: Host, name: str, folder: Path) -> None:
    """Have the VM's next start run it: one that libvirt does not know yet."""
    emulator = folder / f"qemu-{uuid.uuid4().hex[:8]}"
    emulator.write_text(script)
    emulator.chmod(0o755)
    xml = host.virsh("dumpxml", name, "--inactive")
    changed = folder / f"{name}.xml"
    before, _, rest = xml.partition("<emulator>")
    changed.write_text(f"{before}<emulator>{emulator}{rest[rest.index('</emulator>') :]}")
    host.virsh("define", str(changed))
