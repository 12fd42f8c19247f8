# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of what outlives a lab: packages, images, the answer of the accelerator's probe."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError

REPOSITORY = Path(__file__).resolve().parent.parent


def cache_folder() -> Path:
    """Answer the cache's folder, made if need be: ``$HOSTLER_CACHE/lab``, else ``.cache/lab`` of the repository."""
    folder = Path(os.environ.get("HOSTLER_CACHE") or REPOSITORY / ".cache").absolute() / "lab"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"no cache folder: {error}; set HOSTLER_CACHE to a folder of your own") from None
    if not os.access(folder, os.W_OK):
        raise LabError(f"the cache folder {folder} is another user's; set HOSTLER_CACHE to a folder of your own")
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone; another waits. The lock ends with the process, however that ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
