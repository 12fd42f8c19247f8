# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the chain, and checking it: each entry is what was hashed, and follows from the one before.

It is read in pieces, so a chain of any length takes the same memory.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from hostler.audit.entry import NO_HASH, hash_of, parsed, shown
from hostler.audit.record import PRUNE
from hostler.database import rows
from hostler.errors import OperatorError

_PIECE = 1000
_AFTER = "SELECT * FROM audit_entry WHERE id > ? ORDER BY id LIMIT ?"
_NEWEST = "SELECT id, hash FROM audit_entry ORDER BY id DESC LIMIT 1"
_PRUNED = "SELECT target_id, after FROM audit_entry WHERE action = ? ORDER BY id"
_HEAD_PATTERN = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Head:
    """An entry's number and hash, by which it and all before it are known."""

    id: int
    hash: str

    def __str__(self) -> str:
        return f"{self.id}:{self.hash}"

    @classmethod
    def of(cls, words: str) -> Head:
        """The one that ``str()`` has written; raises OperatorError."""
        found = _HEAD_PATTERN.fullmatch(words.strip().lower())
        if found is None:
            raise OperatorError(f"{words!r} is no head: it is what 'hostler audit head' shows, number:hash")
        return cls(int(found[1]), found[2])


@dataclass(slots=True)
class Verdict:
    """What a check has found."""

    entries: int = 0
    first: Head | None = None
    head: Head | None = None
    """The newest entry that is as it was written."""
    broken: int | None = None
    """The number of the first entry that is not, or that is not there."""
    problem: str | None = None
    """What is wrong with it, one sentence; None if nothing is."""

    def broken_at(self, number: int, problem: str) -> Verdict:
        """The same, of a chain that is broken there."""
        self.broken, self.problem = number, problem
        return self


async def newest() -> Head | None:
    """The newest entry's number and hash, None where there is none."""
    found = await rows(_NEWEST)
    return Head(found[0]["id"], found[0]["hash"]) if found else None


async def entries(after: int = 0) -> AsyncIterator[tuple[dict[str, Any], str]]:
    """Yield all entries after that number, as they were hashed, each with the hash that is stored with it."""
    while True:
        piece: Sequence[Any] = await rows(_AFTER, after, _PIECE)
        for row in piece:
            yield shown(row), row["hash"]
        if len(piece) < _PIECE:
            return
        after = piece[-1]["id"]


async def verify(*heads: Head) -> Verdict:
    """Check the whole chain, and that it has the entries that were its heads once, unless they were pruned.

    Stops at the first entry that is not as it was written.
    """
    verdict = Verdict()
    expected = {head.id: head for head in heads}
    marks: dict[int, str] = {}
    for row in await rows(_PRUNED, PRUNE):
        marks[row["target_id"]] = str((parsed(row["after"]) or {}).get("hash"))
    pruned = max(marks, default=0)
    previous = Head(0, NO_HASH)
    async for entry, stored in entries():
        number = entry["id"]
        if verdict.first is None:
            if pruned < number - 1:
                return verdict.broken_at(pruned + 1, _gone(pruned + 1, number - 1))
            previous = Head(number - 1, NO_HASH if number == 1 else entry["previous_hash"])
            if marks.get(previous.id, previous.hash) != previous.hash:
                return verdict.broken_at(number, "it does not follow from the last entry that was pruned")
        if number != previous.id + 1:
            return verdict.broken_at(previous.id + 1, _gone(previous.id + 1, number - 1))
        if entry["previous_hash"] != previous.hash:
            return verdict.broken_at(number, "it does not follow from the entry before")
        if hash_of(entry) != stored:
            return verdict.broken_at(number, "it was changed after it was written")
        if marks.get(number, stored) != stored:
            return verdict.broken_at(number, "it is not the entry that was there when older ones were pruned")
        if number in expected and expected[number].hash != stored:
            return verdict.broken_at(number, "it is not the entry that was the head")
        previous = Head(number, stored)
        verdict.first, verdict.head = verdict.first or previous, previous
        verdict.entries += 1
    if verdict.first is None:
        # whatever made the table has written the first one with it
        return verdict.broken_at(1, "it is missing, and there is no other")
    for head in heads:
        if head.id > previous.id:
            return verdict.broken_at(previous.id + 1, f"{_gone(previous.id + 1, head.id)}, which was the head")
    return verdict


def _gone(first: int, last: int) -> str:
    return "it is missing" if first == last else f"it and all up to entry {last} are missing"
