# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing messages as the 'Standard Webhooks' specification says, so that existing libraries verify them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

SECRET_START = "whsec_"  # noqa: S105 - how one begins, not one
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, by the specification."""


def new_secret() -> str:
    """Return a new secret, in the form in which receivers take it."""
    return SECRET_START + base64.b64encode(secrets.token_bytes(32)).decode()


def checked_secret(secret: str) -> str:
    """Return a secret that is one; raises ValueError, which does not repeat it."""
    try:
        key = _key(secret)
    except (ValueError, binascii.Error):
        key = b""
    if not secret.startswith(SECRET_START) or not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(f"it should be {SECRET_START} and the base64 of {SHORTEST} to {LONGEST} bytes")
    return secret


def signed_headers(keys: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a message: a signature for each of the ``keys``; ``timestamp`` is in seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(_key(key), signed, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(SECRET_START), validate=True)
