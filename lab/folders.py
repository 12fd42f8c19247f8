# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove folders for good."""

import shutil
from pathlib import Path

from lab.errors import LabError


def remove_folder(folder: Path) -> None:
    """Remove a folder and all that is in it; that there is none is no error. Raises LabError if it stays."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise LabError(f"{folder} can't be removed")
