# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock that keeps a second service off one SQLite file.

It is an advisory lock on a file beside the database, held for as long as the service runs and dropped by the kernel
when it dies. Commands beside the service don't take it (SQLite itself orders their writes), except for a migration.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hostler.database.placing import opened
from hostler.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator


class DatabaseInUse(OperatorError):
    """Another service works on this SQLite file."""


@contextlib.contextmanager
def service_lock(database: Path) -> Iterator[None]:
    """Hold the lock of ``database`` in the block; raises DatabaseInUse, naming the process that holds it.

    Raises PlacingError where the lock can't be made, or something else has its name.
    """
    database = database.resolve()  # by whatever links it is reached, it is one
    path = database.with_name(database.name + ".lock")
    with opened(path, os.O_RDWR | os.O_CREAT) as descriptor:
        if os.geteuid() == 0:  # a command that root types must leave nothing that keeps the service's user out
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            raise DatabaseInUse(
                f"Another hostler service (process {holder}) uses the database {database}; stop it first, or give this "
                "one a state directory of its own (HOSTLER_STATE_DIR)"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        try:
            yield
        finally:
            # said aloud: a child just forked may hold the descriptor a moment longer than we do
            fcntl.flock(descriptor, fcntl.LOCK_UN)
