# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command says when it fails."""

from __future__ import annotations

import sys

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from hostler.database import DatabaseUnavailable
from hostler.database.unavailable import DatabaseDamaged
from hostler.errors import OperatorError, ServiceError


def sentence(error: Exception) -> str | None:
    """Return the sentence of an error that we foresaw; None for one that deserves its stack."""
    if isinstance(error, DatabaseUnavailable):
        return f"The database is not available: {error}"
    if isinstance(error, DatabaseDamaged):
        return f"The database holds what is no text ({error}); 'hostler doctor' says more"
    if isinstance(error, (OperatorError, ServiceError, HostlerError)):
        return str(error)
    if isinstance(error, UnicodeEncodeError) and any(error.object in argument for argument in sys.argv[1:]):
        # bytes that are no UTF-8 become halves of characters (PEP 383), which no database takes
        return f"The argument {error.object!a} is no text in UTF-8"
    return None
