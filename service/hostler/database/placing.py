# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting a file in its place: readable by its owner only, whole or not at all, also after a loss of power."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from hostler.errors import OperatorError


class PlacingError(OperatorError):
    """A file can't be written, or something is in its place."""


@contextlib.contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """The descriptor of a file that has this name and no other.

    Root works in folders of the service's account, which could put a link there and have root change what it leads to.
    Raises PlacingError for a link, a second name, and what is no ordinary file.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PlacingError(f"{path} is a link, which is not followed; remove it") from None
        raise PlacingError(f"{path} can't be opened: {error.strerror}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise PlacingError(f"{path} is not an ordinary file; remove it")
        if found.st_nlink != 1:
            raise PlacingError(f"{path} is a hard link: the file has another name, too; remove this one")
        yield descriptor
    finally:
        os.close(descriptor)


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
    if path.exists() and not path.is_file():
        raise PlacingError(f"{path} is not an ordinary file, and is not replaced")
    if path.exists() and not force:
        raise PlacingError(f"{path} is there already; --force replaces it")


def placed(draft: Path, path: Path, replacing: bool) -> None:
    """Give the draft its name at once; raises PlacingError where another came first and is not to be replaced."""
    with opened(draft, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)
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


def copied(source: Path, draft: Path) -> None:
    """Fill a draft with what is in ``source``, on the disk when it returns."""
    with opened(draft, os.O_WRONLY) as descriptor, source.open("rb") as reader:
        os.ftruncate(descriptor, 0)
        with open(descriptor, "wb", closefd=False) as writer:
            shutil.copyfileobj(reader, writer)
        os.fsync(descriptor)


def give_owner(path: Path, like: Path) -> None:
    """Have a file belong to whom ``like`` belongs to: root may do this for a service that runs as another user."""
    if os.geteuid() == 0:
        owner = like.stat()
        with opened(path, os.O_RDONLY) as descriptor:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder be on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
