# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a VM is to be waited for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterator, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts, field_errors

WAITS = ("off", "address", "agent", "port")


@dataclass(frozen=True)
class WaitFor:
    """That a VM is off, or has an address, an agent, a TCP ``port`` that is open."""

    what: str
    timeout: float = field(metadata=facts("How long it is waited for.", unit="s", minimum=0))
    port: Optional[int] = field(default=None, metadata=facts("The TCP port.", minimum=1, maximum=65535))


def wait_errors(wanted: WaitFor) -> Iterator[FieldError]:
    """What is wrong with it, by the names of the modules' options."""
    yield from port_errors(wanted.what, wanted.port)
    for error in field_errors(wanted):
        yield FieldError(f"wait_{error.field}", error.message)


def port_errors(what: Optional[str], port: Optional[int]) -> Iterator[FieldError]:
    """Of what is waited for, or nothing, and a port: what is wrong with the two together."""
    if what == "port" and port is None:
        yield FieldError("wait_port", "is required to wait for a port")
    if what != "port" and port is not None:
        yield FieldError("wait_port", "goes with wait_for port only")
