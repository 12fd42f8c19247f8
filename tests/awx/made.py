# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts make when it is first asked for: environments with an ansible-core, and collections."""

import subprocess
from pathlib import Path

REPO = Path(__file__).parents[2]


def made_by(script: str, *arguments: str) -> Path:
    """The folder that the repository's script has made, and prints."""
    done = subprocess.run(
        [REPO / "scripts" / script, *arguments], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())
