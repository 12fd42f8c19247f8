# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in a guest, read and written over its agent."""

from __future__ import annotations

import hashlib
import posixpath
import re
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Dict, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_exec import (
    Command,
    Ended,
    execute,
    is_windows,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_transfer import (
    fill_file,
    opened,
    pieces_in,
    pieces_of_file,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    HostlerError,
    InvalidSpec,
    OperationFailed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain

MOST_HELD = 64 * 1024 * 1024
"""Of how many bytes a guest's file may be. What a path leads to is the guest's to say, be it a file without end."""

_MOST_SHOWN = 64 * 1024  # of a diff, which people read
_MISSING = ("No such file or directory", "The system cannot find the")

# Arguments: the folder, the file beside, which the agent would make one that everybody reads and writes to.
_MAKE_BESIDE = 'ls -d -- "$1" >/dev/null && rm -f -- "$2" && umask 077 && set -C && : >"$2"'
# The file that is there keeps its owner, its mode, its links and its extended attributes. A new one whose mode is yet
# to be set is its owner's alone until then.
_TAKE_OVER = """
[ -z "$3" ] || [ -e "$2" ] || umask 077
cat "$1" > "$2" && rm -f "$1"
"""


def read_file(domain: Domain, path: str, most: int = MOST_HELD) -> Optional[bytes]:
    """What the file holds, None where there is none.

    Raises `OperationFailed` with the guest's reason, and for a file of more than ``most`` bytes.
    """
    try:
        content = bytearray()
        with closing(pieces_of_file(domain, path)) as pieces:
            for piece in pieces:
                content += piece
                if len(content) > most:
                    raise OperationFailed(f"Failed to read {path}: it has more than {most} bytes", "path")
        return bytes(content)
    except OperationFailed as error:
        if any(words in error.message for words in _MISSING):
            return None
        raise


def read_existing(domain: Domain, path: str) -> bytes:
    """As `read_file`, but a file that is not there is an error: `InvalidSpec`."""
    content = read_file(domain, validate_path(path))
    if content is None:
        raise InvalidSpec([FieldError("path", "there is no such file in the guest")])
    return content


def is_there(domain: Domain, path: str) -> bool:
    """Whether there is such a file, folder or other thing in the guest."""
    try:
        with opened(domain, path, "rb"):
            return True
    except OperationFailed as error:
        if any(words in error.message for words in _MISSING):
            return False
        raise


@dataclass(frozen=True)
class Placed:
    """What a file was and is: content and permissions (octal digits); None where it was not, or they don't matter."""

    before: Optional[bytes]
    after: bytes
    mode_before: Optional[str]
    mode_after: Optional[str]

    @property
    def changed(self) -> bool:
        """Whether anything of it differs."""
        return self.before != self.after or self.mode_before != self.mode_after

    def diff(self) -> Dict[str, Any]:
        """What differs, as texts."""
        sides: Dict[str, Any] = {"before": {}, "after": {}}
        if self.before != self.after:
            sides["before"]["content"], sides["after"]["content"] = _shown(self.before), _shown(self.after)
        if self.mode_before != self.mode_after:
            sides["before"]["mode"], sides["after"]["mode"] = self.mode_before, self.mode_after
        return sides


def place(domain: Domain, path: str, content: bytes, mode: Optional[str] = None, check: bool = False) -> Placed:
    """Have the file hold ``content``, with the permissions ``mode``; with ``check`` only say what that would change.

    Raises `InvalidSpec`, and what `read_file` and `write_file` do.
    """
    path = validate_path(path)
    wanted_mode = None if mode is None else validate_mode(mode)
    before = read_file(domain, path)
    mode_before = file_mode(domain, path) if wanted_mode is not None and before is not None else None
    if not check:
        if before != content:
            write_file(domain, path, content, private=wanted_mode is not None)
        if wanted_mode is not None and file_mode(domain, path) != wanted_mode:
            set_file_mode(domain, path, wanted_mode)
    return Placed(before, content, mode_before, wanted_mode)


def validate_path(path: str) -> str:
    """``path`` if it names one file, wherever the agent is; raises `InvalidSpec`."""
    if not re.match(r"^(/|[A-Za-z]:[\\/])", path) or "\0" in path:
        raise InvalidSpec([FieldError("path", "must be absolute, without a NUL")])
    return path


def validate_mode(mode: str) -> str:
    """``mode`` as `file_mode` says it; raises `InvalidSpec`."""
    if not re.fullmatch(r"[0-7]{3,5}", mode):
        raise InvalidSpec([FieldError("mode", "must be octal digits, such as '0644'")])
    return f"{int(mode, 8):o}"


def write_file(domain: Domain, path: str, content: bytes, private: bool = False) -> None:
    """Have the file hold ``content``; one that is there keeps its owner and mode, a new one may be ``private``.

    It is written beside and then taken over by the guest itself, so that a connection which ends half-way leaves what
    was there; in Windows it is written in place. Raises `OperationFailed` with the guest's reason.
    """
    if is_windows(domain):
        fill_file(domain, path, pieces_in(content))
        return
    folder = posixpath.join(posixpath.dirname(path), ".")
    beside = f"{path}.{hashlib.sha256(content).hexdigest()[:16]}.part"
    try:
        _run(domain, "find the file's folder", "/bin/sh", "-c", _MAKE_BESIDE, "sh", folder, beside)
        fill_file(domain, beside, pieces_in(content))
        _run(domain, "write the file", "/bin/sh", "-c", _TAKE_OVER, "sh", beside, path, "private" * private)
    except HostlerError:
        _forget(domain, beside)
        raise


def file_mode(domain: Domain, path: str) -> str:
    """The file's permissions, in octal digits."""
    return _run(domain, "read the file's mode", "stat", "-c", "%a", "--", path).stdout.decode().strip()


def set_file_mode(domain: Domain, path: str, mode: str) -> None:
    """Give the file the permissions ``mode``, in octal digits."""
    _run(domain, "set the file's mode", "chmod", "--", mode, path)


def _run(domain: Domain, doing: str, *argv: str) -> Ended:
    ended = execute(domain, Command(argv), windows=False)  # whose programs these are not
    if ended.exit_code != 0:
        reason = ended.stderr.decode(errors="replace").strip() or f"exit code {ended.exit_code}"
        raise OperationFailed(f"Failed to {doing} in the guest: {reason}")
    return ended


def _shown(content: Optional[bytes]) -> Optional[str]:
    if content is None:
        return None
    try:
        return content.decode() if len(content) <= _MOST_SHOWN else f"({len(content)} bytes)"
    except UnicodeDecodeError:
        return f"({len(content)} bytes)"


def _forget(domain: Domain, path: str) -> None:
    try:
        execute(domain, Command(("rm", "-f", "--", path)), windows=False)
    except HostlerError:
        pass  # the first failure is what is told
