# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP ports of loopback on which a host is reached. They stay the same for as long as the host has a folder."""

import json
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from lab.errors import LabError

LOOPBACK = "127.0.0.1"

_FIRST, _LAST = 20000, 29999
"""Below the ports that the kernel gives to connections which go out (32768 and above; ip(7), ip_local_port_range):
a port of theirs could be taken just while a host's libvirtd is being restarted."""


@dataclass(frozen=True)
class Ports:
    """The ports of one host: of its sshd, and of its libvirtd with TLS and without."""

    ssh: int
    tls: int
    tcp: int

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Answer what the file says, None if there is none. Raises LabError if it makes no sense."""
        try:
            return cls(**json.loads(file.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            raise LabError(f"{file} is damaged; start anew: lab down, lab up") from None

    def write(self, file: Path) -> None:
        """Write it so that a reader sees the old or the new, whole."""
        unfinished = file.with_suffix(".part")
        unfinished.write_text(json.dumps(asdict(self)) + "\n")
        unfinished.replace(file)

    @property
    def free(self) -> bool:
        """Whether nobody listens on any of them."""
        return all(port_is_free(port) for port in asdict(self).values())


def choose_ports(start: int, is_free: Callable[[int], bool] | None = None) -> Ports:
    """Choose three ports that nobody listens on, the first ones from the `start`-th of the range on.

    Raises LabError if the range is full.
    """
    is_free = is_free or port_is_free
    span = _LAST - _FIRST + 1
    found: list[int] = []
    for step in range(span):
        port = _FIRST + (start + step) % span
        if is_free(port):
            found.append(port)
        if len(found) == len(Ports.__dataclass_fields__):
            return Ports(*found)
    raise LabError(f"no three free TCP ports from {_FIRST} to {_LAST} on {LOOPBACK}")


def port_is_free(port: int) -> bool:
    """Answer whether nobody listens on that port of loopback."""
    with socket.socket() as candidate:
        # as servers do it: a port whose old connections linger is free
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
