# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums of what streams by, made beside the stream: hashing takes as long as a third of the sending."""

from __future__ import annotations

import hashlib
import queue
import threading
from typing import Dict, Optional, Sequence

ALGORITHMS = {"sha256": 64, "sha512": 128}
"""Those that are taken, and how many hexadecimal digits each has."""

_WAITING = 8  # pieces; a stream that is quicker than the hashing waits for it


class Digests:
    """The checksums of all that `update` was given, in order."""

    def __init__(self, algorithms: Sequence[str]) -> None:
        self._hashes = {name: hashlib.new(name) for name in algorithms}
        self._pieces: queue.Queue[Optional[bytes]] = queue.Queue(_WAITING)
        self._worker = threading.Thread(target=self._work, name="digests", daemon=True)
        self._worker.start()

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self._pieces.put(piece)

    def close(self) -> None:
        """Let it end; after that nothing can be taken any more. Twice is no error."""
        if self._worker.is_alive():
            self._pieces.put(None)
            self._worker.join()

    def result(self) -> Dict[str, str]:
        """The checksums in hexadecimal, by algorithm; nothing can be taken any more."""
        self.close()
        return {name: one.hexdigest() for name, one in self._hashes.items()}

    def _work(self) -> None:
        while True:
            piece = self._pieces.get()
            if piece is None:
                return
            for one in self._hashes.values():
                one.update(piece)
