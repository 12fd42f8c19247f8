# SPDX-License-Identifier: GPL-3.0-or-later
"""Opaque secrets: API tokens, refresh tokens, tickets. 238 random bits each, of which only a hash is stored.

A plain SHA-256 will do for them, unlike for passwords: there is nothing to guess. Their beginnings tell them apart,
and let secret scanners (and our own log) recognise them.
"""

from __future__ import annotations

import hashlib
import secrets
import string

API_TOKEN_START = "hostler_"  # noqa: S105 - how one begins, not one
REFRESH_TOKEN_START = "hostler_refresh_"  # noqa: S105 - how one begins, not one
TICKET_START = "hostler_ticket_"

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 40


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_api_token() -> tuple[str, str]:
    """Return a new API token and its prefix, which may be shown: ``hostler_1aB2cD3e``."""
    prefix = API_TOKEN_START + _random_text(8)
    return f"{prefix}_{_random_text(_LENGTH)}", prefix


def new_refresh_token() -> str:
    """Return a new refresh token."""
    return REFRESH_TOKEN_START + _random_text(_LENGTH)


def new_ticket() -> str:
    """Return a new ticket of a stream."""
    return TICKET_START + _random_text(_LENGTH)


def digest(token: str) -> str:
    """Return what is stored of a token, and what it is found by: 64 hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
