# SPDX-License-Identifier: GPL-3.0-or-later
"""A way to PostgreSQL of one service's own, which can be cut, or fall silent, while the others keep theirs."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path


class Cable:
    """A unix socket that leads to PostgreSQL's."""

    def __init__(self, folder: Path, target: Path) -> None:
        self.folder = folder
        self._target = str(target / ".s.PGSQL.5432")
        self._whole = threading.Event()
        self._whole.set()
        self._ends: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="cable", daemon=True).start()

    def cut(self) -> None:
        """End all connections, and let nobody connect."""
        self._whole.clear()
        for end in list(self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections be made again."""
        self._whole.set()

    def close(self) -> None:
        """Be gone."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._whole.is_set():
                    near.close()
                    continue
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._ends |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=[one, other], name="cable", daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(65536):
                other.sendall(piece)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.discard(one)
        one.close()
