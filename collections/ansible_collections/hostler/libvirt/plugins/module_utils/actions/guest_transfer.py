# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of any size to a guest and from it, piece by piece over its agent, and whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import uuid
from contextlib import contextmanager
from typing import Any, BinaryIO, Dict, Generator, Iterable, Iterator

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_exec import ended, run_to_its_end
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.agent import (
    MOST_SENT,
    ask_agent,
    said,
    said_bytes,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain

_MOST_READ = 1024 * 1024
_RUN_SECONDS = 300  # for a checksum of a large file, and the like

# Arguments: the file beside, its name, its checksum. A folder would take the file in, by the name that it has beside.
# The agent makes files that everybody may write to.
_TAKE_OVER = """
[ ! -d "$2" ] || { echo "$2 is a folder" >&2; exit 1; }
chmod go-w -- "$1" || exit 1
sum=$(sha256sum <"$1") || exit 1
[ "${sum%% *}" = "$3" ] || { echo "what has arrived is not what was sent" >&2; exit 1; }
mv -f -- "$1" "$2"
"""
_SUM = 'sha256sum <"$1"'
_REMOVE = 'rm -f -- "$1"'


def pieces_in(content: bytes) -> Iterator[bytes]:
    """``content`` in pieces that one message carries."""
    return (content[start : start + MOST_SENT] for start in range(0, len(content), MOST_SENT))


def pieces_from(file: BinaryIO) -> Iterator[bytes]:
    """What is read from ``file``, in pieces that one message carries."""
    return iter(lambda: file.read(MOST_SENT), b"")


def send_file(domain: Domain, pieces: Iterable[bytes], path: str) -> None:
    """Have the guest's file ``path`` hold what ``pieces`` (of at most `MOST_SENT` bytes) are together.

    It is written beside, compared by its checksum, and renamed. It is a new file, the agent's user's. Raises
    `OperationFailed` with the guest's reason; then the file is as it was.
    """
    beside = f"{path}.{uuid.uuid4().hex[:12]}.part"
    digest = hashlib.sha256()

    def noted() -> Iterator[bytes]:
        for piece in pieces:
            digest.update(piece)
            yield piece

    try:
        fill_file(domain, beside, noted())
        _run(domain, f"write {path}", _TAKE_OVER, beside, path, digest.hexdigest())
    except HostlerError:
        try:
            _run(domain, "remove a part of a file", _REMOVE, beside)
        except HostlerError:
            pass  # the first failure is what is told
        raise


def receive_file(domain: Domain, path: str) -> Iterator[bytes]:
    """What the guest's file ``path`` holds, in pieces; raises `OperationFailed` at the end if it is not what it was."""
    digest = hashlib.sha256()
    for piece in pieces_of_file(domain, path):
        digest.update(piece)
        yield piece
    found = _run(domain, f"read {path}", _SUM, path).split()
    if not found or found[0].decode() != digest.hexdigest():
        raise OperationFailed(f"Failed to read {path}: it has changed meanwhile")


def pieces_of_file(domain: Domain, path: str) -> Generator[bytes, None, None]:
    """What the guest's file holds. Raises `OperationFailed` with the guest's reason."""
    with opened(domain, path, "rb") as handle:
        while True:
            read = ask_agent(domain, "guest-file-read", {"handle": handle, "count": _MOST_READ})
            piece = said_bytes(read, "buf-b64")
            yield piece
            if said(read, "eof", bool):
                return
            if not piece:
                raise OperationFailed(f"Failed to read {path}: its agent goes on to say nothing", "path")


def fill_file(domain: Domain, path: str, pieces: Iterable[bytes]) -> None:
    """Write ``pieces`` (of at most `MOST_SENT` bytes) into the guest's file, which is emptied first."""
    with opened(domain, path, "wb") as handle:
        for piece in pieces:
            _write(domain, handle, piece)
        ask_agent(domain, "guest-file-flush", {"handle": handle})


@contextmanager
def opened(domain: Domain, path: str, mode: str) -> Iterator[Any]:
    """The agent's handle on the file, closed afterwards."""
    handle = ask_agent(domain, "guest-file-open", {"path": path, "mode": mode})
    try:
        yield handle
    finally:
        ask_agent(domain, "guest-file-close", {"handle": handle})


def _write(domain: Domain, handle: Any, piece: bytes) -> None:
    while piece:
        answer = ask_agent(domain, "guest-file-write", {"handle": handle, "buf-b64": base64.b64encode(piece).decode()})
        written = said(answer, "count", int)
        if not 0 < written <= len(piece):  # it would be asked for ever
            reason = f"it has written {written} bytes of {len(piece)}"
            raise OperationFailed(f"The guest's agent says what makes no sense: {reason}")
        piece = piece[written:]


def _run(domain: Domain, doing: str, script: str, *arguments: str) -> bytes:
    wanted: Dict[str, Any] = {"path": "/bin/sh", "arg": ["-c", script, "sh", *arguments], "capture-output": True}
    told = ended(run_to_its_end(domain, wanted, _RUN_SECONDS))
    if told.exit_code != 0:
        reason = told.stderr.decode(errors="replace").strip() or f"exit code {told.exit_code}"
        raise OperationFailed(f"Failed to {doing} in the guest: {reason}")
    return told.stdout
