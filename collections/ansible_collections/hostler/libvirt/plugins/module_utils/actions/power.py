# SPDX-License-Identifier: GPL-3.0-or-later
"""On, off and on again.

Starting and pulling the plug are one call. A graceful stop asks the guest and waits; whoever can't block a thread for
that long asks with `ask_to_stop` and looks with `is_off` as often as it likes. A graceful restart is the same with
`ask_to_reboot` and `Hypervisor.reboots_of`, and `require_on` to see that the guest did not power off instead.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Callable, Generator

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    HostUnreachable,
    MachineNotFound,
    OperationFailed,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import NOT_RUNNING, TRANSIENT, require_awake
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.template import require_no_template
from ansible_collections.hostler.libvirt.plugins.module_utils.status import status_of

Switch = Callable[[Hypervisor, str], bool]
"""What turns the VM with that UUID on or off, and answers whether that changed anything."""

# a guest that is still booting drops the button press without a trace; pressing again is harmless
ASK_AGAIN_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.25
# how long a QEMU that was started right after another is looked at, and how often
SETTLES_SECONDS = 0.3
SETTLING_LOOK_SECONDS = 0.05

Waiting = Generator[None, None, bool]
"""Work that waits for a guest: go on with it every `LOOK_AGAIN_SECONDS`; it answers what a `Switch` does."""


def start(hypervisor: Hypervisor, uuid: str, paused: bool = False) -> bool:
    """Power the VM on; whether that changed anything. A paused VM is on already.

    With ``paused`` its guest stands still until it is resumed.
    """
    domain = hypervisor.domain(uuid)
    if domain.is_active():
        return False
    require_no_template(domain.record(), domain.name, "be started")
    try:
        domain.start(paused)
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
    """Press the VM's power button; False if it was off already. Raises `WrongState` for a guest that can't hear it."""
    domain = hypervisor.domain(uuid)
    if not domain.is_active():
        return False
    require_awake(_status(domain), "shut down")
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


def waited_for(work: Waiting) -> bool:
    """Go on with ``work`` until it has ended, and answer what it does."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return bool(end.value)
        time.sleep(LOOK_AGAIN_SECONDS)


def stop(
    hypervisor: Hypervisor,
    uuid: str,
    timeout: float,
    force: bool = False,
    fence: Callable[[], None] = lambda: None,
) -> bool:
    """Ask the guest to power off and wait ``timeout`` seconds for it; whether that changed anything.

    A guest that is on after that is powered off with ``force``, one that can't hear at once; else `GuestTimeout` or
    `WrongState`, and it stays on.
    """
    return waited_for(stopping(hypervisor, uuid, timeout, force, fence))


def stopping(
    hypervisor: Hypervisor,
    uuid: str,
    timeout: float,
    force: bool = False,
    fence: Callable[[], None] = lambda: None,
    ask: Switch = ask_to_stop,
) -> Waiting:
    """`stop`, for whoever waits for several guests at once.

    ``ask`` does what `ask_to_stop` does, or raises `GuestTimeout` when a QEMU that hangs keeps it waiting.
    """
    try:
        if not ask(hypervisor, uuid):
            return False
    except (WrongState, OperationFailed, GuestTimeout):  # it can't hear, or its QEMU can't be asked
        if not force:
            raise
        return force_stop(hypervisor, uuid)
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
            with suppress(WrongState, GuestTimeout):  # paused meanwhile: it may go on in time
                ask(hypervisor, uuid)
            asked = time.monotonic()
        yield
    return True


def pause(hypervisor: Hypervisor, uuid: str) -> bool:
    """Stop the VM's guest where it stands; whether that changed anything. Raises `WrongState` for one that is off."""
    domain = hypervisor.domain(uuid)
    status = _status(domain)
    if status == "paused":
        return False
    _require_active(domain)
    require_awake(status, "be paused")
    domain.suspend()
    return True


def resume(hypervisor: Hypervisor, uuid: str) -> bool:
    """Let a paused VM go on; whether that changed anything. Raises `WrongState` for one that is off."""
    domain = hypervisor.domain(uuid)
    if _status(domain) != "paused":
        if not domain.is_active():
            raise WrongState(NOT_RUNNING)
        return False
    domain.resume()
    return True


def reset(hypervisor: Hypervisor, uuid: str) -> bool:
    """Press the VM's reset button; True. Raises `WrongState` for one that is off."""
    domain = hypervisor.domain(uuid)
    _require_active(domain)
    try:
        domain.reset()
    except WrongState:
        _require_active(domain)  # it went off meanwhile
        raise
    return True


def power_cycle(hypervisor: Hypervisor, uuid: str, fence: Callable[[], None] = lambda: None) -> bool:
    """Pull the VM's plug and put it in again; True. Changes of its definition take effect by that.

    Raises `WrongState` for one that is off, and for one that would be gone without its power. When it does not start
    again the error says that it is off.
    """
    domain = hypervisor.domain(uuid)
    _require_active(domain)
    if not domain.is_persistent():
        raise WrongState(TRANSIENT)
    force_stop(hypervisor, uuid)
    fence()  # whoever wants it off, and came meanwhile, has it off
    try:
        if not _started_and_stays(hypervisor, uuid):
            fence()
            start(hypervisor, uuid)
    except HostlerError as error:
        if isinstance(error, (HostUnreachable, MachineNotFound)):
            raise
        raise type(error)(f"{error.message}; the VM is off now", error.field) from error
    return True


def _started_and_stays(hypervisor: Hypervisor, uuid: str) -> bool:
    """Start the VM whose QEMU has just been ended, and look whether the new one stays.

    libvirt on a busy host may take the end of the QEMU of before for that of the one that it starts, or has started: it
    ends that then, and calls it crashed. One that powers itself off is meant to be off.
    """
    try:
        start(hypervisor, uuid)
    except OperationFailed:
        return False
    deadline = time.monotonic() + SETTLES_SECONDS
    while time.monotonic() < deadline:
        time.sleep(SETTLING_LOOK_SECONDS)
        if _status(hypervisor.domain(uuid)) == "crashed":
            return False
    return True


def ask_to_reboot(hypervisor: Hypervisor, uuid: str) -> bool:
    """Ask the VM's guest to reboot; True. Raises `WrongState` for one that is off or whose guest can't hear it.

    A guest that does it only after somebody gave up waiting restarts all the same.
    """
    domain = hypervisor.domain(uuid)
    _require_active(domain)
    require_awake(_status(domain), "restart")
    try:
        domain.reboot()
    except WrongState:
        _require_active(domain)
        raise
    return True


def require_on(hypervisor: Hypervisor, uuid: str) -> None:
    """Raise `OperationFailed` if the VM that was asked to reboot is off, by its guest's doing or its on_reboot."""
    if is_off(hypervisor, uuid):
        raise OperationFailed("Failed to restart VM: it powered off instead and is off now")


def restart(
    hypervisor: Hypervisor,
    uuid: str,
    timeout: float,
    force: bool = False,
    fence: Callable[[], None] = lambda: None,
) -> bool:
    """Ask the guest to reboot and wait ``timeout`` seconds until it does; True. With ``force`` cut its power at once.

    Raises `WrongState` for a VM that is off, `GuestTimeout` for a guest that did not reboot in time: it runs on;
    `OperationFailed` for one that powered off instead.
    """
    if force:
        return power_cycle(hypervisor, uuid, fence)
    return waited_for(restarting(hypervisor, uuid, timeout, fence=fence))


def restarting(
    hypervisor: Hypervisor,
    uuid: str,
    timeout: float,
    cut_power: bool = False,
    fence: Callable[[], None] = lambda: None,
    ask: Switch = ask_to_reboot,
) -> Waiting:
    """`restart`, for whoever waits for several guests at once.

    With ``cut_power`` a guest that has not rebooted in time, or can't hear, has its power cut then. ``ask`` does what
    `ask_to_reboot` does, or raises `GuestTimeout` when a QEMU that hangs keeps it waiting.
    """
    with hypervisor.reboots_of(uuid) as reboots:
        try:
            ask(hypervisor, uuid)
        except (WrongState, OperationFailed, GuestTimeout):
            if not cut_power or is_off(hypervisor, uuid):
                raise
            return power_cycle(hypervisor, uuid, fence)
        deadline = time.monotonic() + timeout
        asked = time.monotonic()
        while True:
            require_on(hypervisor, uuid)
            if reboots.happened:
                return True
            if time.monotonic() >= deadline:
                if cut_power:
                    fence()
                    return power_cycle(hypervisor, uuid, fence)
                raise GuestTimeout(f"The guest did not restart within {timeout:g} s; the VM is still running")
            if time.monotonic() - asked >= ASK_AGAIN_SECONDS:
                fence()
                ask(hypervisor, uuid)
                asked = time.monotonic()
            yield


def _status(domain: Domain) -> str:
    state, reason = domain.state_and_reason()
    return status_of(state, reason)


def _require_active(domain: Domain) -> None:
    if not domain.is_active():
        raise WrongState(NOT_RUNNING)
