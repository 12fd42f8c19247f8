# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of VMs by hand-written SQL: with 100,000 of them the ORM takes several times as long as all else together.

It answers what the ORM would (a test holds them against each other), and differs in how it gets there:

- a page's ids are found first, in an index where there is one, and only its rows are read;
- a page in the second half is found from the end, so that the deepest costs what the first does;
- the number of all is remembered for as long as the database stays the same;
- a search asks `hostler.database.search`'s index.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from hostler.database.queries import Query, dialect, read, rows, rows_now, version_now
from hostler.database.search import SHORTEST
from hostler.machines.shown import COLUMNS
from hostler.paging import PageRequest

_REMEMBERED_AT_MOST = 1000
_COMMON = 5000
"""So many hits and more are counted by reading all names: each hit of the index costs several times a name."""

_NEAR = 1000
"""So many rows are passed over in some tens of microseconds."""

Rows = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which VMs: those of which all is true that is not None."""

    status: str | None = None
    server_id: int | None = None
    os_type: str | None = None
    search: str | None = None
    """Literal text in the name, in any case; empty is anything."""
    drifted: bool | None = None
    """Whether others have changed it from what it was asked to be."""
    tags: tuple[str, ...] = ()
    """It has all of these."""
    after_id: int | None = None
    """Only ids that are larger: who reads on from the last one seen misses none for one that has gone meanwhile."""


class _Totals:
    """How many VMs there were of each kind that was asked for, and in which version of the database."""

    def __init__(self) -> None:
        self._known: OrderedDict[Wanted, tuple[Hashable, int]] = OrderedDict()

    def get(self, wanted: Wanted, version: Hashable) -> int | None:
        known = self._known.get(wanted)
        return known[1] if known is not None and known[0] == version else None

    def put(self, wanted: Wanted, version: Hashable, total: int) -> None:
        self._known[wanted] = version, total
        if len(self._known) > _REMEMBERED_AT_MOST:
            self._known.popitem(last=False)


_totals = _Totals()
_totals_now = _Totals()
"""As `_totals`, by the versions that the event loop's connection counts."""


async def fetch(wanted: Wanted, paging: PageRequest, sort: str) -> tuple[Rows, int]:
    """The rows of a page (`hostler.machines.shown.COLUMNS` each), and the number of all that are wanted.

    ``sort`` is a column of the table, with ``-`` before it for the other way round; what is alike in it follows by id.
    """
    plan = _Plan(wanted, paging, sort.removeprefix("-"), sort.startswith("-"), dialect() == "sqlite")
    version = version_now()
    known = None if version is None else _totals_now.get(wanted, version)
    if known is not None and plan.is_near(known):
        found = plan.page_now(known)
        if found is not None and version_now() == version:  # else something was committed meanwhile
            return found, known
    rows, total = await read(plan.steps)
    if version is not None:
        _totals_now.put(wanted, version, total)
    return rows, total


async def ids_of(wanted: Wanted, most: int) -> list[int]:
    """The ids of all that are wanted, in their order; no more than ``most`` of them."""
    plan = _Plan(wanted, PageRequest(), "id", descending=False, sqlite=dialect() == "sqlite")
    source = plan.source(with_vm=False)
    query = f"SELECT {source.number} AS id {source.sql} ORDER BY {source.number} LIMIT ?"
    return [row["id"] for row in await rows(query, *source.values, most)]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the ids of the wanted VMs come from: a FROM clause, conditions with their values, the column of the ids."""

    tables: str = "vm"
    conditions: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    number: str = "vm.id"

    @property
    def sql(self) -> str:
        """From FROM on."""
        return f"FROM {self.tables}" + (f" WHERE {' AND '.join(self.conditions)}" if self.conditions else "")


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a page is found."""

    wanted: Wanted
    paging: PageRequest
    column: str
    descending: bool
    sqlite: bool

    def steps(self, version: Hashable) -> Generator[Query, Rows, tuple[Rows, int]]:
        """The queries, and what comes of them."""
        total = _totals.get(self.wanted, version)
        if total is None:
            total = yield from self._count()
            _totals.put(self.wanted, version, total)
        count, position, backwards = self._place(total)
        if count <= 0:
            return [], total
        found = yield self._page_query(count, position, backwards)
        return (found[::-1] if backwards else found), total

    def is_near(self, total: int) -> bool:
        """Whether the page of ``total`` VMs is read in an index, and few rows are passed over to get there."""
        by_index = self.column == "id" and self.wanted == Wanted()
        return by_index and self._place(total)[1] <= _NEAR

    def page_now(self, total: int) -> Rows | None:
        """The rows of a page that is near, at once; None where that can't be."""
        count, position, backwards = self._place(total)
        if count <= 0:
            return []
        query, values = self._page_query(count, position, backwards)
        found = rows_now(query, *values)
        return found if found is None or not backwards else found[::-1]

    def _place(self, total: int) -> tuple[int, int, bool]:
        """How many rows the page of ``total`` has, how many come before it, and whether counted from the end."""
        first, count = self.paging.offset, min(self.paging.per_page, total - self.paging.offset)
        backwards = first > total // 2
        return count, (total - first - count if backwards else first), backwards

    def _page_query(self, count: int, position: int, backwards: bool) -> Query:
        source = self.source(with_vm=self.column != "id")
        return self._page(source, backwards), (*source.values, count, position)

    def _count(self) -> Generator[Query, Rows, int]:
        source = self.source(with_vm=False)
        if self._asks_index and len(self._folded) > SHORTEST + 1:
            few = f"SELECT COUNT(*) AS n FROM (SELECT 1 {source.sql} LIMIT {_COMMON}) AS few"  # noqa: S608 - no value in it
            found = yield few, source.values
            if found[0]["n"] < _COMMON:
                return int(found[0]["n"])
            source = self.source(with_vm=False, by_index=False)
        found = yield f"SELECT COUNT(*) AS n {source.sql}", source.values
        return int(found[0]["n"])

    def _page(self, source: _Source, backwards: bool) -> str:
        id_order = "DESC" if (self.column == "id" and self.descending) != backwards else "ASC"
        by_column = f"vm.{self.column} {'DESC' if self.descending != backwards else 'ASC'}, "
        order = "" if self.column == "id" else by_column
        return (
            f"SELECT {COLUMNS} FROM (SELECT {source.number} AS id {source.sql}"  # noqa: S608 - no value is in it
            f" ORDER BY {order}{source.number} {id_order} LIMIT ? OFFSET ?) AS page"
            f" JOIN vm ON vm.id = page.id JOIN server ON server.id = vm.server_id ORDER BY {order}vm.id {id_order}"
        )

    @property
    def _folded(self) -> str:
        """What is searched for, as SQLite's index has it."""
        return (self.wanted.search or "").upper()

    @property
    def _asks_index(self) -> bool:
        """Whether SQLite's index is asked: of few characters it knows nothing, and one server's VMs are read sooner."""
        return self.sqlite and len(self._folded) >= SHORTEST and self.wanted.server_id is None

    def source(self, with_vm: bool, by_index: bool = True) -> _Source:
        """Where the ids come from; ``with_vm`` where the VM's own row is needed besides."""
        conditions, values = self._of_vm()
        if not self.wanted.search:
            return _Source("vm", conditions, values)
        if not self.sqlite:
            like = re.sub(r"([\\%_])", r"\\\1", self.wanted.search)
            return _Source("vm", (*conditions, "UPPER(vm.name) LIKE UPPER(?)"), (*values, f"%{like}%"))
        with_vm = with_vm or bool(conditions)
        if by_index and self._asks_index:
            # CROSS: SQLite would look each VM up in the index, where the index knows them all at once
            tables = "vm_search CROSS JOIN vm ON vm.id = vm_search.rowid" if with_vm else "vm_search"
            phrase = '"{}"'.format(self._folded.replace('"', '""'))
            return _Source(tables, ("vm_search MATCH ?", *conditions), (phrase, *values), "vm_search.rowid")
        tables = "vm JOIN vm_folded_name ON vm_folded_name.vm_id = vm.id" if with_vm else "vm_folded_name"
        number = "vm.id" if with_vm else "vm_folded_name.vm_id"
        condition = "instr(vm_folded_name.folded, ?) > 0"
        return _Source(tables, (*conditions, condition), (*values, self._folded), number)

    def _of_vm(self) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """The conditions that the VM's own row has to meet, and their values."""
        wanted = {"vm.status = ?": self.wanted.status, "vm.server_id = ?": self.wanted.server_id}
        wanted |= {"vm.os_type = ?": self.wanted.os_type, "vm.id > ?": self.wanted.after_id}
        given = {condition: value for condition, value in wanted.items() if value is not None}
        without_value = {True: ("vm.drift IS NOT NULL",), False: ("vm.drift IS NULL",), None: ()}[self.wanted.drifted]
        tagged = "EXISTS (SELECT 1 FROM json_each(vm.tags) WHERE json_each.value = ?)"
        if not self.sqlite:
            tagged = "jsonb_exists(CAST(vm.tags AS JSONB), ?)"
        tags = self.wanted.tags
        return (*given, *without_value, *[tagged] * len(tags)), (*given.values(), *tags)
