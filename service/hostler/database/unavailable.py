# SPDX-License-Identifier: GPL-3.0-or-later
"""The error of a database that can't serve just now: gone, locked by another for too long, or out of space."""

from tortoise.exceptions import OperationalError


class DatabaseUnavailable(OperationalError):
    """The statement may be right, the database is not there for it; trying later may help."""
