# SPDX-License-Identifier: GPL-3.0-or-later
"""Which migrations there are, as their files say."""

from pathlib import Path

from hostler.database import migrations

NAMES = sorted(path.stem for path in Path(migrations.__path__[0]).glob("[0-9]*.py"))
