# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a VM is to be waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError

WAITS = ("off", "address", "agent", "port")


@dataclass(frozen=True)
class WaitFor:
    """That a VM is off, or has an address, an agent, a TCP ``port`` that is open; ``timeout`` in seconds."""

    what: str
    timeout: float
    port: Optional[int] = None


def wait_errors(wanted: WaitFor) -> Iterator[FieldError]:
    """What is wrong with it, by the names of the modules' options."""
    yield from port_errors(wanted.what, wanted.port)
    if wanted.port is not None and not 1 <= wanted.port <= 65535:
        yield FieldError("wait_port", "must be 1 to 65535")
    if wanted.timeout < 0:
        yield FieldError("wait_timeout", "must be at least 0 s")


def port_errors(what: Optional[str], port: Optional[int]) -> Iterator[FieldError]:
    """Of what is waited for, or nothing, and a port: what is wrong with the two together."""
    if what == "port" and port is None:
        yield FieldError("wait_port", "is required to wait for a port")
    if what != "port" and port is not None:
        yield FieldError("wait_port", "goes with wait_for port only")
