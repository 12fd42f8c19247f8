# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that changes the status of 50 VMs a second, as the service's sync does: ``python -m bench.writer``.

It says when it has begun, goes on until it is told something, and says how many changes a second it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time

from hostler.database import Database
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.operation import set_status
from hostler.settings import Settings

RATE = 50.0
"""Changes a second."""
READY = "changing"
_LONGEST_SECONDS = 120.0


async def main() -> None:
    """Change VMs."""
    told = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    chance = random.Random(1)  # noqa: S311 - any VMs will do
    async with Database(Settings.load()):
        highest = (await Machine.all().order_by("-id").only("id").first()) or Machine(id=0)
        print(READY, flush=True)
        began = time.monotonic()
        count = 0
        while not told.done() and time.monotonic() < began + _LONGEST_SECONDS:
            row = await Machine.get_or_none(id=chance.randint(1, highest.id)).select_related("server")
            if row is not None:
                running = row.status == MachineStatus.RUNNING.value
                await set_status(row, MachineStatus.STOPPED if running else MachineStatus.RUNNING)
                count += 1
            await asyncio.sleep(max(0.0, began + count / RATE - time.monotonic()))
        print(count / (time.monotonic() - began), flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        told.cancel()


if __name__ == "__main__":
    asyncio.run(main())
