# SPDX-License-Identifier: GPL-3.0-or-later
"""When the definitions of a host's VMs are read again, in their turn: of some changes libvirt tells nobody."""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_PARTS = 5
"""In so many parts all definitions of a host are read: each time takes a list of all its domains, too."""
_MOST_A_SECOND = 40
"""Of all hosts together: each is a call, and at rest nearly all that a service with 100,000 VMs has to do."""


@dataclass(frozen=True)
class Clock:
    """In how many seconds what no event tells of is looked at: states, by one call, and each VM's definition."""

    resync: float
    reread: float


class Rereading:
    """Of one host; ``vms`` is how many VMs each host has, all hosts', and kept up to date here."""

    def __init__(self, server_id: int, clock: Clock, vms: dict[int, int]) -> None:
        self.clock = clock
        self._server_id = server_id
        self._vms = vms
        self._known: dict[str, int] = {}
        self._waiting: deque[str] = deque()
        # as if it had been then: hosts that come into sight together are not to be read together
        self._read_at = time.monotonic() - random.uniform(0, clock.reread / _PARTS)  # noqa: S311  no secret

    def saw(self, fingerprints: Mapping[str, int]) -> None:
        """These definitions were read: a number for each, by UUID."""
        self._known.update(fingerprints)

    def is_due(self, vms: int) -> bool:
        """Whether some are to be read now, of so many VMs that the host has; mostly not."""
        self._vms[self._server_id] = vms
        return time.monotonic() >= self._read_at + self._pause()

    def take(self, there: Collection[str]) -> list[str]:
        """The UUIDs of those that are to be read now, of these that the host has."""
        now, pause = time.monotonic(), self._pause()
        late = now - self._read_at - pause
        self._read_at = now - (late if late < pause else 0)
        self._known = {uuid: number for uuid, number in self._known.items() if uuid in there}
        if not self._waiting:
            self._waiting = deque(sorted(there))
        share = math.ceil(len(there) * min(pause / self._all(), 1))
        return [self._waiting.popleft() for _ in range(min(share, len(self._waiting)))]

    def redefined(self, fingerprints: Mapping[str, int]) -> list[str]:
        """The UUIDs of those that are to be looked at, of those that were read again."""
        # one that was not read before can't be told to be what was looked at
        found = [uuid for uuid, number in fingerprints.items() if self._known.get(uuid) != number]
        self._known.update(fingerprints)
        return found

    def _all(self) -> float:
        """In how many seconds all are read."""
        return max(self.clock.reread, sum(self._vms.values()) / _MOST_A_SECOND)

    def _pause(self) -> float:
        """Seconds between two parts."""
        return max(self.clock.resync, self._all() / _PARTS)

    def end(self) -> None:
        """The host is watched no more."""
        self._vms.pop(self._server_id, None)
