# SPDX-License-Identifier: GPL-3.0-or-later
"""Having a guest reboot, and waiting for it without holding a thread of its host."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import GuestTimeout, HostUnreachable
from hostler.hosts.connection import HostConnection
from hostler.jobs.models import StepState
from hostler.jobs.track import JobTrack
from hostler.machines.operation import fenced


async def reboot(host: HostConnection, uuid: str, track: JobTrack, seconds: float) -> None:
    """Ask the guest to reboot and wait until it does.

    Raises `GuestTimeout` if it has not within ``seconds``: it runs on; `WrongState`, `OperationFailed` for one that
    powered off instead, `HostUnreachable`.
    """
    async with host.listening(lambda hypervisor: hypervisor.reboots_of(uuid)) as watch:
        title = "Ask the guest to restart"
        track.step_started(title)
        await host.call(partial(fenced, track, power.ask_to_reboot, uuid))
        track.step_finished(title, StepState.SUCCEEDED, changed=True)
        title = f"Wait up to {seconds:g} s for the guest"
        track.step_started(title, progress=50)
        deadline = time.monotonic() + seconds
        asked = time.monotonic()
        while True:
            await host.call(partial(power.require_on, uuid=uuid))
            if not watch.is_alive:
                # the connection was lost and made anew, and whether the guest has rebooted meanwhile nobody knows
                raise HostUnreachable(f"Host '{host.hostname}' could not be reached for a moment")
            if watch.by.happened:
                break
            if time.monotonic() >= deadline:
                track.step_finished(title, StepState.FAILED, detail="The guest has not restarted")
                raise GuestTimeout(f"The guest did not restart within {seconds:g} s; the VM is still running")
            if time.monotonic() - asked >= power.ASK_AGAIN_SECONDS:
                await host.call(partial(fenced, track, power.ask_to_reboot, uuid))
                asked = time.monotonic()
            await asyncio.sleep(power.LOOK_AGAIN_SECONDS)
        track.step_finished(title, StepState.SUCCEEDED, changed=True)
