# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler worker``."""

from __future__ import annotations


def worker() -> None:
    """Carry out jobs that wait for their turn, until it is told to stop (SIGTERM, Ctrl+C). It needs PostgreSQL.

    Any number of workers may run beside the services of one database, with the same settings. Jobs in progress are
    finished first.
    """
    from hostler import logs
    from hostler.settings import Settings
    from hostler.worker import run

    settings = Settings.load()
    logs.configure(settings)
    run(settings)
