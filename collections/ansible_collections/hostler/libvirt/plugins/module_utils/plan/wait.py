# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a VM is to be waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

WAITS = ("off", "address", "agent", "port")


@dataclass(frozen=True)
class WaitFor:
    """That a VM is off, or has an address, an agent, a TCP ``port`` that is open; ``timeout`` in seconds."""

    what: str
    timeout: float
    port: Optional[int] = None
