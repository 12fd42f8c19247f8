# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the chain, and checking it: each entry is what was hashed, and follows from the one before.

It is read in pieces, so a chain of any length takes the same memory.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hostler.audit.entry import NO_HASH, hash_of, parsed, shown
from hostler.audit.record import PRUNE
from hostler.database import rows
from hostler.database.unavailable import DatabaseDamaged
from hostler.errors import OperatorError

_PIECE = 1000
_AFTER = "SELECT * FROM audit_entry WHERE id > ? ORDER BY id LIMIT ?"
_NUMBERS_AFTER = "SELECT id FROM audit_entry WHERE id > ? ORDER BY id LIMIT ?"
_ONE = "SELECT * FROM audit_entry WHERE id = ?"
_BEFORE_FIRST = "SELECT id FROM audit_entry WHERE id < 1 ORDER BY id LIMIT 1"
_NEWEST = "SELECT id, hash FROM audit_entry ORDER BY id DESC LIMIT 1"
_PRUNED = "SELECT id, target_id, after FROM audit_entry WHERE action = ? ORDER BY id"
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


@dataclass(frozen=True, slots=True)
class _Mark:
    """What an entry ``audit.prune`` says of the last entry that was to be deleted."""

    said_by: int
    hash: str


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
    not_compared: dict[Head, int] = field(default_factory=dict)
    """Heads of entries that are deleted and whose hash nothing says any more, each with the entry that pruned it."""

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
    async for row in _rows(after):
        if isinstance(row, int):
            raise OperatorError(f"Entry {row} of the audit can't be read: 'hostler audit verify' says more")
        yield shown(row), row["hash"]


async def _rows(after: int = 0) -> AsyncIterator[Any]:
    """Yield the entries after that number, and the number of one that can't be read."""
    while True:
        piece: Sequence[Any] = await _piece(after)
        for row in piece:
            yield row
        if len(piece) < _PIECE:
            return
        last = piece[-1]
        after = last if isinstance(last, int) else last["id"]


async def _piece(after: int) -> Sequence[Any]:
    with contextlib.suppress(DatabaseDamaged):
        return await rows(_AFTER, after, _PIECE)
    found: list[Any] = []
    for row in await rows(_NUMBERS_AFTER, after, _PIECE):
        try:
            found += await rows(_ONE, row["id"])
        except DatabaseDamaged:
            found.append(row["id"])
    return found


async def verify(*heads: Head) -> Verdict:
    """Check the whole chain, and that it has the entries that were its heads once.

    One that was pruned is compared where the chain still says its hash; else it is among the ``not_compared``. Stops at
    the first entry that is not as it was written. What is written meanwhile is checked, too.
    """
    verdict = Verdict()
    expected: dict[int, set[str]] = {}
    for head in heads:
        expected.setdefault(head.id, set()).add(head.hash)
    for row in await rows(_BEFORE_FIRST):
        return verdict.broken_at(row["id"], "it was not written by the service, whose numbers begin with 1")
    marks = await _marks()
    previous = Head(0, NO_HASH)
    async for row in _rows():
        if isinstance(row, int):
            return verdict.broken_at(row, "it holds what is no text, so it was changed after it was written")
        number = row["id"]
        if number != previous.id + 1:
            marks = await _marks()  # older ones may have been pruned since
            pruned = max(marks, default=0)
            if not isinstance(number, int) or pruned < number - 1:
                first = max(pruned, previous.id) + 1
                return verdict.broken_at(first, _gone(first, number - 1 if isinstance(number, int) else first))
            mark = marks.get(number - 1)
            previous = Head(number - 1, row["previous_hash"] if mark is None else mark.hash)
        problem = _problem(row, previous, marks, expected)
        if problem is not None:
            return verdict.broken_at(number, problem)
        previous = Head(number, row["hash"])
        verdict.first, verdict.head = verdict.first or previous, previous
        verdict.entries += 1
    if verdict.first is None:
        # whatever made the table has written the first one with it
        return verdict.broken_at(1, "it is missing, and there is no other")
    for number in sorted(expected):
        if number > previous.id:
            return verdict.broken_at(previous.id + 1, f"{_gone(previous.id + 1, number)}, which was the head")
    return await _compare_pruned(verdict, [head for head in heads if head.id < verdict.first.id])


async def _compare_pruned(verdict: Verdict, heads: Sequence[Head]) -> Verdict:
    """Compare heads of entries that are not there any more with what the chain says of them."""
    marks = await _marks() if heads else {}
    for head in sorted(heads, key=lambda one: one.id):
        mark = marks.get(head.id)
        if mark is None:
            verdict.not_compared[head] = min((one.said_by for last, one in marks.items() if last >= head.id), default=0)
        elif mark.hash != head.hash:
            return verdict.broken_at(head.id, f"it is not the entry that entry {mark.said_by} has pruned")
    return verdict


def _problem(row: Any, previous: Head, marks: Mapping[int, _Mark], expected: Mapping[int, set[str]]) -> str | None:
    """What is wrong with an entry that comes after ``previous``, None if nothing is."""
    number, stored = row["id"], row["hash"]
    if row["previous_hash"] != previous.hash:
        return "it does not follow from the entry before"
    try:
        own = hash_of(shown(row))
    except (ValueError, TypeError):  # a file may be made to hold anything in any column
        own = None
    if own != stored:
        return "it was changed after it was written"
    if number in marks and marks[number].hash != stored:
        return "it is not the entry that was there when older ones were pruned"
    if expected.get(number, {stored}) != {stored}:
        return "it is not the entry that was the head"
    return None


async def _marks() -> dict[int, _Mark]:
    """What the chain says of the last entries that were to be deleted, by their numbers."""
    marks = {}
    try:
        pruned = await rows(_PRUNED, PRUNE)
    except DatabaseDamaged:
        return {}  # whoever comes to that entry finds it
    for row in pruned:
        try:
            after = parsed(row["after"]) or {}
        except ValueError:
            continue  # whoever comes to that entry finds it
        if isinstance(row["target_id"], int):
            marks[row["target_id"]] = _Mark(row["id"], str(after.get("hash")))
    return marks


def _gone(first: int, last: int) -> str:
    return "it is missing" if first == last else f"it and all up to entry {last} are missing"
