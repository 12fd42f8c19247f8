# SPDX-License-Identifier: GPL-3.0-or-later
"""Many rows are inserted by few statements, all of them and in their order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.database.many_rows import LONGEST, insert_many

TABLE = "CREATE TABLE thing (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, number INT)"
INSERT = "INSERT INTO thing (name, number) VALUES (?, ?)"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(TABLE)
    yield connection
    connection.close()


def statements_of(connection: sqlite3.Connection) -> list[str]:
    """The statements that it runs from now on."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    return statements


@given(number=st.integers(0, 5 * LONGEST))
def test_all_rows_are_there_in_their_order(number: int) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(TABLE)
    wanted = [(f"a ? and (?, ?) of {one}", one) for one in range(number)]

    insert_many(connection, INSERT, wanted)

    assert connection.execute("SELECT name, number FROM thing ORDER BY id").fetchall() == wanted
    connection.close()


def test_a_thousand_rows_take_some_twenty_statements(connection: sqlite3.Connection) -> None:
    statements = statements_of(connection)

    insert_many(connection, INSERT, [(str(one), one) for one in range(1000)])

    assert len(statements) == 1000 // LONGEST + (1000 % LONGEST).bit_count()


def test_what_follows_the_values_is_kept(connection: sqlite3.Connection) -> None:
    statements = statements_of(connection)

    insert_many(connection, INSERT + " ON CONFLICT DO NOTHING", [("a", 1), ("b", 2), ("a", 3), ("c", 4)])

    assert connection.execute("SELECT number FROM thing ORDER BY id").fetchall() == [(1,), (2,), (4,)]
    assert len(statements) == 2  # with the SELECT


def test_another_statement_is_run_for_each_by_itself(connection: sqlite3.Connection) -> None:
    insert_many(connection, INSERT, [("a", 1), ("b", 2)])

    insert_many(connection, "UPDATE thing SET number = ? WHERE name = ?", [(10, "a"), (20, "b")])
    insert_many(connection, "INSERT INTO thing (name, number) SELECT ?, ?", [("c", 3), ("d", 4)])

    assert connection.execute("SELECT number FROM thing ORDER BY id").fetchall() == [(10,), (20,), (3,), (4,)]
