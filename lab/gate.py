# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between the service and a libvirtd: it passes everything on, and fails at a chosen call.

To the service a gate that fails is a libvirtd that was killed, or that hangs, at that very moment; so the moments of an
action can be tried one by one, which killing a process at a guess can't do. libvirt's protocol is packets that begin
with their length: u32 length, program, version, procedure, type (0 call, 1 reply, 2 event, 3 stream), serial, status.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_PACKET = struct.Struct("!IIIiIIi")
_KEEPALIVE = 0x6B656570
_CALL = 0

# numbers of libvirt's remote protocol, which never change
DOMAIN_CREATE = 9
DOMAIN_DEFINE = 350
DOMAIN_DESTROY = 12
DOMAIN_SHUTDOWN = 33
DOMAIN_UNDEFINE = 231
VOLUME_CREATE = 93
VOLUME_DELETE = 94
VOLUME_RESIZE = 260
VOLUME_UPLOAD = 208


class Gate:
    """A unix socket that leads to a libvirtd's."""

    def __init__(self, uri: str, folder: Path) -> None:
        (self._target,) = parse_qs(urlsplit(uri).query)["socket"]
        self.path = folder / "gate"
        self.uri = f"qemu:///system?socket={self.path}"
        self.calls = 0
        """How many calls have come by since it was last told what to do."""
        self._left: int | None = None
        self._fail: Callable[[], None] = self.cut
        self._deliver = False
        self._procedure: int | None = None
        self._is_open = threading.Event()
        self._is_open.set()
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="gate", daemon=True).start()

    def fail_at(
        self, call: int, fail: Callable[[], None], *, procedure: int | None = None, deliver: bool = False
    ) -> None:
        """Have ``fail`` happen at that call from now, counted from 1; with ``deliver`` libvirtd hears of it before.

        With a ``procedure`` only calls of that count.
        """
        with self._lock:
            self.calls, self._left, self._fail = 0, call, fail
            self._procedure, self._deliver = procedure, deliver

    def calm(self) -> bool:
        """Fail no more; whether it had failed."""
        with self._lock:
            failed = self._left is not None and self._left <= 0
            self._left = None
        self.go_on()
        return failed

    def cut(self) -> None:
        """End every connection; new ones are taken."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """Pass nothing on any more; connections are taken, and nobody answers."""
        self._is_open.clear()

    def go_on(self) -> None:
        """End what `freeze` began."""
        self._is_open.set()

    def close(self) -> None:
        """Be gone."""
        self.calm()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self._target)
            except OSError:  # no libvirtd listens
                near.close()
                far.close()
                continue
            pair = (near, far)
            with self._lock:
                self._pairs.add(pair)
            ends = threading.Barrier(2, partial(self._forget, pair))
            for source, target, counted in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pass, args=(source, target, counted, ends), daemon=True).start()

    def _forget(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            self._pairs.discard(pair)
        for one in pair:
            one.close()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool, ends: threading.Barrier) -> None:
        try:
            while packet := _packet(source):
                fails = counted and self._is_the_one(packet)
                if fails and not self._deliver:
                    self._fail()
                self._is_open.wait()
                target.sendall(packet)
                if fails and self._deliver:
                    self._fail()
        except OSError:
            pass  # the other side is gone
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(threading.BrokenBarrierError):
            ends.wait()

    def _is_the_one(self, packet: bytes) -> bool:
        _, program, _, procedure, kind, _, _ = _PACKET.unpack_from(packet)
        if program == _KEEPALIVE or kind != _CALL:
            return False
        with self._lock:
            self.calls += 1
            if self._left is None or self._procedure not in (None, procedure):
                return False
            self._left -= 1
            return self._left == 0


def _packet(source: socket.socket) -> bytes:
    """The next whole packet; empty at the end."""
    head = _exactly(source, 4)
    if len(head) < 4:
        return b""
    body = _exactly(source, int.from_bytes(head, "big") - 4)
    return head + body


def _exactly(source: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = source.recv(size - len(found))
        if not piece:
            return b""
        found += piece
    return bytes(found)
