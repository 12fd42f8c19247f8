# SPDX-License-Identifier: GPL-3.0-or-later
"""An entry as it is hashed, which is how the API shows it: a JSON object in its canonical form (RFC 8785).

Whoever has the objects can check the chain without this program: docs/audit.md says how.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hostler.logs import redact

FIELDS = (
    "id",
    "at",
    "actor_id",
    "actor",
    "auth",
    "token_prefix",
    "token_name",
    "address",
    "request_id",
    "action",
    "target_kind",
    "target_id",
    "target_name",
    "outcome",
    "before",
    "after",
    "details",
    "previous_hash",
)
"""What is hashed; the entry's columns, without the hash itself."""
NO_HASH = "0" * 64
"""What the first entry has as the hash of the one before."""

_JSON = ("before", "after", "details")
_LARGEST_INTEGER = 2**53 - 1
_SHORT = (1e-4, 1e16)  # between these all languages write a number alike, without an exponent


def canonical(value: Any) -> str:
    """A JSON value in the form of RFC 8785: names sorted, no blanks, texts in UTF-8."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_of(entry: Mapping[str, Any]) -> str:
    """The hash that an entry with these `FIELDS` has."""
    return hashlib.sha256(canonical({name: entry[name] for name in FIELDS}).encode()).hexdigest()


def shown(row: Any) -> dict[str, Any]:
    """The entry of a row of the database, as it was hashed."""
    entry = {name: row[name] for name in FIELDS}
    entry["at"] = moment(entry["at"])
    for name in _JSON:
        entry[name] = parsed(entry[name])
    return entry


def parsed(stored: str | dict[str, Any] | None) -> dict[str, Any] | None:
    """An object of the database: SQLite has its text, PostgreSQL gives the object."""
    found: dict[str, Any] | None = json.loads(stored) if isinstance(stored, str) else stored
    return found


def moment(at: datetime | str) -> str:
    """A time as it is hashed: UTC, with microseconds; SQLite gives its text."""
    parsed = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    return parsed.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def storable(value: Any) -> Any:
    """A JSON value as any database and any language has it alike, and without what looks like a secret."""
    return redact(_alike(value))


def text(value: str, longest: int) -> str:
    """A text that any database takes, no longer than its column."""
    clean = value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def _alike(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {text(str(name), 255): _alike(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_alike(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, datetime):
        return moment(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= _LARGEST_INTEGER else str(int(value))
    if isinstance(value, float):
        return _number(value)
    return text(str(value), 65536)


def _number(value: float) -> int | float | str:
    if math.isfinite(value) and value.is_integer() and abs(value) <= _LARGEST_INTEGER:
        return int(value)
    smallest, largest = _SHORT
    return value if smallest <= abs(value) < largest else str(value)
