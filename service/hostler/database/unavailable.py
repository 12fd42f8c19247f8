# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of a database that can't serve just now (gone, locked by another for too long, out of space), or is spoilt."""

from tortoise.exceptions import OperationalError


class DatabaseDamaged(OperationalError):
    """The database holds what no program of ours has written: text that is not UTF-8."""


class DatabaseUnavailable(OperationalError):
    """The statement may be right, the database is not there for it; trying later may help."""
