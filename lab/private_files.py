# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are their owner's alone from the moment they are there, and whole."""

import os
from pathlib import Path


def write_private(file: Path, content: bytes) -> None:
    """Write a file with mode 0600; a reader sees what was there before or all of the new."""
    unfinished = file.with_name(f"{file.name}.part")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
        written.write(content)
    unfinished.replace(file)
