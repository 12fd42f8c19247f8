# SPDX-License-Identifier: GPL-3.0-or-later
"""The index that finds VMs by any part of their names, in any case.

A plain index knows how names begin, and a search for what stands in the middle would read all of them. Both databases
can index every three characters of a text: SQLite by a full-text table (FTS5, tokenizer ``trigram``), PostgreSQL by an
index of its extension ``pg_trgm``.

SQLite's is a table of its own, which triggers keep true: names are folded to upper case as the service's connections
fold (all alphabets; another program's, A to Z), and the full-text table indexes these. Tortoise loses triggers when it
rebuilds a table, as it loses indexes. So like an index all of it is made by `migrate`, anew from the VMs wherever any
part is missing or not as it should be, and every start of the service checks that it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tortoise.exceptions import OperationalError

from hostler.database.indexes import IndexesMissing
from hostler.errors import OperatorError

if TYPE_CHECKING:
    from tortoise.backends.base.client import BaseDBAsyncClient

SHORTEST = 3
"""The fewest characters that SQLite's index can look for; for fewer the folded names are read."""

_FORGET = """
    INSERT INTO vm_search (vm_search, rowid, folded)
        SELECT 'delete', vm_id, folded FROM vm_folded_name WHERE vm_id = OLD.id;
    DELETE FROM vm_folded_name WHERE vm_id = OLD.id;"""
_KEEP = """
    INSERT INTO vm_folded_name VALUES (NEW.id, UPPER(NEW.name));
    INSERT INTO vm_search (rowid, folded) SELECT vm_id, folded FROM vm_folded_name WHERE vm_id = NEW.id;"""

_SQLITE = {
    "vm_folded_name": "CREATE TABLE vm_folded_name (vm_id INTEGER PRIMARY KEY, folded TEXT NOT NULL)",
    "vm_search": "CREATE VIRTUAL TABLE vm_search USING fts5(folded, content='vm_folded_name', content_rowid='vm_id', "
    "tokenize='trigram case_sensitive 1')",
    "vm_search_created": f"CREATE TRIGGER vm_search_created AFTER INSERT ON vm BEGIN{_KEEP}\nEND",
    "vm_search_renamed": f"CREATE TRIGGER vm_search_renamed AFTER UPDATE OF name ON vm BEGIN{_FORGET}{_KEEP}\nEND",
    "vm_search_deleted": f"CREATE TRIGGER vm_search_deleted AFTER DELETE ON vm BEGIN{_FORGET}\nEND",
}
_UNMAKE = (
    "DROP TRIGGER IF EXISTS vm_search_created",
    "DROP TRIGGER IF EXISTS vm_search_renamed",
    "DROP TRIGGER IF EXISTS vm_search_deleted",
    "DROP TABLE IF EXISTS vm_search",
    "DROP TABLE IF EXISTS vm_folded_name",
)
_FILL = (
    "INSERT INTO vm_folded_name SELECT id, UPPER(name) FROM vm",
    "INSERT INTO vm_search (vm_search) VALUES ('rebuild')",
)
_EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
_POSTGRES = "CREATE INDEX vm_search ON vm USING gin (upper((name)::text) gin_trgm_ops)"


class TrigramsMissing(OperatorError):
    """PostgreSQL lacks its extension, and the service's user may not make it."""


async def missing(connection: BaseDBAsyncClient) -> list[str]:
    """Return the parts that the database lacks, or has otherwise, by name."""
    if connection.capabilities.dialect == "sqlite":
        query, wanted = "SELECT name, sql FROM sqlite_master", _SQLITE
    else:
        query = "SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE schemaname = current_schema()"
        wanted = {"vm_search": _POSTGRES}
    present = {row["name"]: row["sql"] or "" for row in await connection.execute_query_dict(query)}
    return [name for name, statement in wanted.items() if _bare(present.get(name, "")) != _bare(statement)]


async def make_missing(connection: BaseDBAsyncClient) -> list[str]:
    """Make all of it anew from the VMs if any part is missing, and return what was; in the migrations' transaction.

    Raises `TrigramsMissing`.
    """
    absent = await missing(connection)
    if not absent:
        return []
    if connection.capabilities.dialect == "sqlite":
        statements = (*_UNMAKE, *_SQLITE.values(), *_FILL)
    else:
        await _make_extension(connection)
        statements = ("DROP INDEX IF EXISTS vm_search", _POSTGRES)
    for statement in statements:
        await connection.execute_query(statement)
    return absent


async def check(connection: BaseDBAsyncClient) -> None:
    """Raise `IndexesMissing`, naming the parts, unless all are there as they should be."""
    if absent := await missing(connection):
        raise IndexesMissing(
            f"The database lacks what it searches names by ({', '.join(absent)}); "
            "stop the service and run 'hostler migrate'"
        )


async def _make_extension(connection: BaseDBAsyncClient) -> None:
    try:
        await connection.execute_query(_EXTENSION)
    except OperationalError as error:
        raise TrigramsMissing(
            "The database lacks PostgreSQL's extension pg_trgm, and its user may not add it; "
            "have its administrator run 'CREATE EXTENSION pg_trgm' in it"
        ) from error


def _bare(sql: str) -> str:
    """The statement without schemas: PostgreSQL shows the table's, and the extension's where that is hidden."""
    words = sql.split()
    return " ".join(word.rpartition(".")[2] if "." in word and "'" not in word else word for word in words)
