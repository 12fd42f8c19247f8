# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command says when it fails."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from hostler.database import DatabaseUnavailable
from hostler.errors import OperatorError, ServiceError


def sentence(error: Exception) -> str | None:
    """Return the sentence of an error that we foresaw; None for one that deserves its stack."""
    if isinstance(error, DatabaseUnavailable):
        return f"The database is not available: {error}"
    if isinstance(error, (OperatorError, ServiceError, HostlerError)):
        return str(error)
    return None
