# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler`` that kills itself after a commit of its database: the N-th, once a file says N.

Run by a test, as the program that is the service; what it runs is the service itself, and nothing of that is replaced.
"""

import os
import signal
from pathlib import Path

from hostler.cli.main import main
from hostler.database.commits import told_of_commits

FILE = "HOSTLER_TEST_DIES_BY"


def count(file: Path) -> None:
    """One commit less."""
    try:
        left = int(file.read_text())
    except FileNotFoundError:
        return
    if left <= 1:
        os.kill(os.getpid(), signal.SIGKILL)
    file.write_text(f"{left - 1}")


if __name__ == "__main__":
    with told_of_commits(lambda: count(Path(os.environ[FILE]))):
        main()
