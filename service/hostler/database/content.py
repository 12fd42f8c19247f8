# SPDX-License-Identifier: GPL-3.0-or-later
"""What a table holds, as one number: equal for the same rows, in whichever of the two databases they are.

The databases write times, truths and JSON in ways of their own, so a row is brought into one form first, by the types
that its columns have in PostgreSQL.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any


class ContentDigest:
    """SHA-256 over rows in the order in which they are added; ``kinds`` are PostgreSQL's types of their columns."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = kinds
        self._hash = hashlib.sha256()
        self.rows = 0

    def add(self, row: Sequence[Any]) -> None:
        """Add a row, as sqlite3 or psycopg read it."""
        plain = [None if value is None else _plain(value, kind) for value, kind in zip(row, self._kinds, strict=True)]
        self._hash.update(json.dumps(plain, sort_keys=True).encode("ascii"))
        self._hash.update(b"\n")
        self.rows += 1

    def hexdigest(self) -> str:
        """The number, in hexadecimal."""
        return self._hash.hexdigest()


def _plain(value: Any, kind: str) -> Any:
    if kind == "boolean":
        return bool(value)
    if kind == "bytea":
        return bytes(value).hex()
    if kind == "timestamp with time zone":
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC).isoformat()
    if kind == "jsonb":
        return _json(json.loads(value) if isinstance(value, str) else value)
    return float(value) if kind == "double precision" else value


def _json(value: Any) -> Any:
    # jsonb keeps numbers in a form of its own: 1e2 comes back as 100
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _json(item) for name, item in value.items()}
    return [_json(item) for item in value] if isinstance(value, list) else value
