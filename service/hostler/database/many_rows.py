# SPDX-License-Identifier: GPL-3.0-or-later
"""Inserting many rows into SQLite by few statements.

Python's threads wait for each other at each statement: one for each row takes a thousand rows seconds while another
thread is busy, and a host's VMs are written down while its next ones are read.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

LONGEST = 64
"""How many rows one statement inserts at most: SQLite keeps a program for each length, as long as that many rows."""

_ONE_ROW = re.compile(r"(INSERT [^()?]*\([^()?]*\) VALUES )(\(\?(?:, ?\?)*\))([^?]*)", re.IGNORECASE)


def insert_many(connection: sqlite3.Connection, query: str, values: Sequence[Sequence[Any]]) -> None:
    """Run a statement that inserts one row for each of ``values``; any other one is run for each by itself."""
    begin = 0
    while begin < len(values):
        length = min(1 << ((len(values) - begin).bit_length() - 1), LONGEST)  # a few lengths, so few programs
        statement = _of_rows(query, length)
        if statement is None:
            connection.executemany(query, values)
            return
        connection.execute(statement, list(chain.from_iterable(values[begin : begin + length])))
        begin += length


@lru_cache(maxsize=256)
def _of_rows(query: str, length: int) -> str | None:
    """``query`` with so many rows after its ``VALUES``, None if it is no such statement."""
    found = _ONE_ROW.fullmatch(query)
    return None if found is None else f"{found[1]}{', '.join([found[2]] * length)}{found[3]}"
