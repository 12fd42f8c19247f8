# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of keys that only its owner can read, made when it is first asked for.

::

    {"active": "2026-01-31-1a2b", "keys": {"2026-01-31-1a2b": "<base64, 32 bytes>"}}

``active`` is used for what is new, and all of them for what is there: to rotate, add a key, make it active, and take
the old one out when nothing depends on it any more.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hostler.errors import OperatorError

KEY_BYTES = 32


class KeyFileError(OperatorError):
    """A file of keys can't be used."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys by their names, one of which is the active one."""

    by_name: Mapping[str, bytes]
    active: str


def load_keys(path: Path, what: str, loss: str) -> Keys:
    """Return the keys of the file, which is made, with one new key, where there is none; its folder has to be there.

    Raises KeyFileError if it can be read by others, or is not what it should be; ``what`` names the keys in its
    sentence, and ``loss`` says what comes of removing the file.
    """
    try:
        with contextlib.suppress(FileExistsError):
            _make(path)
    except OSError as error:
        raise _unreadable(path, what, error) from None
    return read_keys(path, what, loss)


def read_keys(path: Path, what: str, loss: str) -> Keys:
    """As `load_keys`, and makes nothing: where there is no file that is a KeyFileError, too."""
    try:
        return _read(path, what, loss)
    except OSError as error:
        raise _unreadable(path, what, error) from None


def _unreadable(path: Path, what: str, error: OSError) -> KeyFileError:
    return KeyFileError(f"The {what} {path} can't be read: {error.strerror}")


def _make(path: Path) -> None:
    """Write a file with one new key, never shown half-written; raises FileExistsError where there is a file."""
    if path.exists():
        raise FileExistsError
    name = f"{datetime.now(UTC):%Y-%m-%d}-{secrets.token_hex(2)}"
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump({"active": name, "keys": {name: key}}, file)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it fails where another process was first
    finally:
        draft.unlink()


def _read(path: Path, what: str, loss: str) -> Keys:
    found = path.stat().st_mode
    if not stat.S_ISREG(found):
        raise KeyFileError(f"The {what} {path} can't be read: it is no file")
    mode = stat.S_IMODE(found)
    if mode & 0o077:
        raise KeyFileError(f"Others can read the {what} {path} (mode {mode:o}); run 'chmod 600 {path}'")
    try:
        content = json.loads(path.read_text("ascii"))
        keys = {str(name): base64.b64decode(key, validate=True) for name, key in content["keys"].items()}
        active = content["active"]
        if active not in keys or any(len(key) < KEY_BYTES for key in keys.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KeyFileError(
            f"The {what} {path} are not a JSON object with 'active' and 'keys' (base64, {KEY_BYTES} bytes each); "
            f"mend the file, or remove it and {loss}"
        ) from None
    return Keys(keys, active)
