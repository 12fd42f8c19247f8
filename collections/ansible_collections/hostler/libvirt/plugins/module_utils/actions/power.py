# SPDX-License-Identifier: GPL-3.0-or-later
"""On and off.

Starting and pulling the plug are one call. A graceful stop asks the guest and waits; whoever can't block a thread for
that long asks with `ask_to_stop` and looks with `is_off` as often as it likes.
"""

from __future__ import annotations

import time
from typing import Callable

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import GuestTimeout, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor

Switch = Callable[[Hypervisor, str], bool]
"""What turns the VM with that UUID on or off, and answers whether that changed anything."""

# a guest that is still booting drops the button press without a trace; pressing again is harmless
ASK_AGAIN_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.25


def start(hypervisor: Hypervisor, uuid: str) -> bool:
    """Power the VM on; whether that changed anything. A paused VM is on already."""
    domain = hypervisor.domain(uuid)
    if domain.is_active():
        return False
    try:
        domain.start()
    except WrongState:
        if domain.is_active():  # somebody else was quicker
            return False
        raise
    return True


def force_stop(hypervisor: Hypervisor, uuid: str) -> bool:
    """Pull the VM's plug; whether that changed anything."""
    domain = hypervisor.domain(uuid)
    if not domain.is_active():
        return False
    try:
        domain.destroy()
    except WrongState:
        if domain.is_active():
            raise
        return False
    return True


def ask_to_stop(hypervisor: Hypervisor, uuid: str) -> bool:
    """Press the VM's power button; False if it was off already."""
    domain = hypervisor.domain(uuid)
    if not domain.is_active():
        return False
    try:
        domain.shutdown()
    except WrongState:
        if domain.is_active():
            raise
        return False
    return True


def is_off(hypervisor: Hypervisor, uuid: str) -> bool:
    """Whether the VM is off; one that was never defined is gone when it is off."""
    domain = hypervisor.find_domain(uuid)
    return domain is None or not domain.is_active()


def stop(
    hypervisor: Hypervisor,
    uuid: str,
    timeout: float,
    force: bool = False,
    fence: Callable[[], None] = lambda: None,
) -> bool:
    """Ask the guest to power off and wait ``timeout`` seconds for it; whether that changed anything.

    A guest that is on after that is powered off with ``force``; else `GuestTimeout`, and it stays on.
    """
    if not ask_to_stop(hypervisor, uuid):
        return False
    deadline = time.monotonic() + timeout
    asked = time.monotonic()
    while not is_off(hypervisor, uuid):
        if time.monotonic() >= deadline:
            fence()
            if force:
                force_stop(hypervisor, uuid)
                return True
            raise GuestTimeout(f"The guest did not shut down within {timeout:g} s; the VM is still running")
        if time.monotonic() - asked >= ASK_AGAIN_SECONDS:
            fence()
            ask_to_stop(hypervisor, uuid)
            asked = time.monotonic()
        time.sleep(LOOK_AGAIN_SECONDS)
    return True
