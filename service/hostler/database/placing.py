# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting a file in its place: readable by its owner only, whole or not at all, also after a loss of power."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from hostler.errors import OperatorError


class PlacingError(OperatorError):
    """A file can't be written, or something is in its place."""


@contextlib.contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """An empty file beside ``path``, to be filled in the block and then `placed`; gone if it was not.

    Raises PlacingError for a folder that can't be written to.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise PlacingError(f"{path} can't be written: {error.strerror}") from None
    try:
        yield draft
    finally:
        for left in (draft, *(draft.with_name(draft.name + end) for end in ("-journal", "-wal", "-shm"))):
            left.unlink(missing_ok=True)


def require_free(path: Path, force: bool) -> None:
    """Raise PlacingError where ``path`` can't be written to, or has a file and nobody said that it may be lost."""
    if path.is_dir():
        raise PlacingError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise PlacingError(f"There is no folder {path.parent}")
    if path.exists() and not force:
        raise PlacingError(f"{path} is there already; --force replaces it")


def placed(draft: Path, path: Path, replacing: bool) -> None:
    """Give the draft its name at once; raises PlacingError where another came first and is not to be replaced."""
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        if replacing:
            draft.replace(path)
        else:
            os.link(draft, path)  # unlike a rename it fails where there is a file by now
    except FileExistsError:
        raise PlacingError(f"{path} is there already; --force replaces it") from None
    except OSError as error:
        raise PlacingError(f"{path} can't be written: {error.strerror}") from None
    sync_folder(path.parent)


def kept_name(path: Path) -> Path:
    """A name beside ``path`` for what is replaced there, that says when; nobody has it."""
    name = f"{path.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    kept, number = path.with_name(name), 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{name}-{number}")
    return kept


def give_owner(path: Path, like: Path) -> None:
    """Have a file belong to whom ``like`` belongs to: root may do this for a service that runs as another user."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder be on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
