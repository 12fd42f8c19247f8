# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing an entry: in the transaction of what it records, so that neither is there without the other.

The entry is the last thing that its transaction writes (`hostler.database.commits`): it takes its place in the chain
under a lock that every other service waits for, and that is held for no longer than the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog
from tortoise.exceptions import OperationalError

from hostler.audit.entry import FIELDS, NO_HASH, canonical, hash_of, moment, storable, text
from hostler.audit.models import Outcome
from hostler.audit.origin import Origin, origin
from hostler.database import rows, write_many
from hostler.database.commits import written_last
from hostler.database.queries import dialect

log = structlog.get_logger("hostler.audit")

PRUNE = "audit.prune"
"""The action of the entry after which older ones are deleted: `hostler.database.append_only` knows it, too."""

_LOCK = 0x6175646974  # "audit": any number that nobody else locks
_HEAD = "SELECT id, hash FROM audit_entry ORDER BY id DESC LIMIT 1"
_COLUMNS = (*FIELDS, "hash")
_INSERT = (
    f"INSERT INTO audit_entry ({', '.join(_COLUMNS)}) "  # noqa: S608 - our own columns
    f"VALUES ({', '.join('?' for _ in _COLUMNS)})"
)


class Target(NamedTuple):
    """What something was done to."""

    kind: str
    id: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class _Record:
    action: str
    outcome: Outcome
    origin: Origin
    target: Target | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    details: Mapping[str, Any] | None

    def entry(self, number: int, at: datetime, previous: str) -> dict[str, Any]:
        """The entry that this becomes, as it is hashed."""
        kind, target_id, name = self.target or (None, None, None)
        return {
            "id": number,
            "at": moment(at),
            "actor_id": self.origin.actor_id,
            "actor": text(self.origin.actor, 128),
            "auth": self.origin.auth.value,
            "token_prefix": self.origin.token_prefix,
            "token_name": self.origin.token_name,
            "address": None if self.origin.address is None else text(self.origin.address, 64),
            "request_id": self.origin.request_id,
            "action": self.action,
            "target_kind": kind,
            "target_id": target_id,
            "target_name": None if name is None else text(name, 255),
            "outcome": self.outcome.value,
            "before": storable(self.before) or None,
            "after": storable(self.after) or None,
            "details": storable(self.details) or None,
            "previous_hash": previous,
        }


def record(
    action: str,
    outcome: Outcome = Outcome.SUCCEEDED,
    *,
    target: Target | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
    by: Origin | None = None,
) -> None:
    """Have an entry written with the transaction that is open; raises TransactionManagementError outside of one.

    ``before`` and ``after`` have what is changed, and no more. None of the three holds a secret, nor a hash of one.
    """
    written_last(_append, _Record(action, outcome, by or origin(), target, before, after, details))


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of what something was, and is now, the parts in which it differs."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


async def _append(records: Sequence[_Record]) -> Callable[[], None]:
    """Put them at the end of the chain; returns what tells the log of them."""
    if dialect() == "postgres":
        # by itself: a statement that also read the head would read it as it was before the wait
        await rows("SELECT pg_advisory_xact_lock(?)", _LOCK)
    head = await rows(_HEAD)
    number, previous = (head[0]["id"], head[0]["hash"]) if head else (0, NO_HASH)
    written = []
    for one in records:
        number += 1
        at = datetime.now(UTC)
        entry = one.entry(number, at, previous)
        previous = hash_of(entry)
        written.append((entry, at, previous))
    await write_many(_INSERT, [_values(entry, at, own) for entry, at, own in written])
    kept = await rows(_HEAD)
    if not kept or kept[0]["hash"] != previous:
        raise OperationalError(
            "The audit does not keep what is written to it: its table has a trigger that is not ours"
        )
    return lambda: _tell(written)


def _values(entry: Mapping[str, Any], at: datetime, own: str) -> list[Any]:
    row = {**entry, "at": at}
    for name in ("before", "after", "details"):
        row[name] = None if entry[name] is None else canonical(entry[name])
    return [*(row[name] for name in FIELDS), own]


def _tell(written: Sequence[tuple[Mapping[str, Any], datetime, str]]) -> None:
    for entry, _, own in written:
        log.info(
            "audit",
            id=entry["id"],
            hash=own,
            actor=entry["actor"],
            auth=entry["auth"],
            address=entry["address"],
            action=entry["action"],
            target=_words(entry),
            outcome=entry["outcome"],
        )


def _words(entry: Mapping[str, Any]) -> str | None:
    if entry["target_kind"] is None:
        return None
    named = entry["target_name"] if entry["target_id"] is None else entry["target_id"]
    kind: str = entry["target_kind"]
    return kind if named is None else f"{kind} {named}"
