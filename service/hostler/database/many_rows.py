# SPDX-License-Identifier: GPL-3.0-or-later
"""Inserting many rows into SQLite by few statements.

Python's threads wait for each other at each statement: one for each row takes a thousand rows seconds while another
thread is busy, and a host's VMs are written down while its next ones are read.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

LONGEST = 64
"""How many rows one statement inserts at most: SQLite keeps a program for each length, as long as that many rows."""

_ONE_ROW = re.compile(r"(INSERT [^()?]*\([^()?]*\) VALUES )(\(\?(?:, ?\?)*\))([^?]*)", re.IGNORECASE)


def insert_many(connection: sqlite3.Connection, query: str, values: Sequence[Sequence[Any]]) -> None:
    """Run a statement that inserts one row for each of ``values``; any other one is run for each by itself."""
    found = _ONE_ROW.fullmatch(query)
    if found is None:
        connection.executemany(query, values)
        return
    start, row, end = found.groups()
    begin = 0
    while begin < len(values):
        length = min(1 << ((len(values) - begin).bit_length() - 1), LONGEST)  # a few lengths, so few programs
        several = list(chain.from_iterable(values[begin : begin + length]))
        connection.execute(f"{start}{', '.join([row] * length)}{end}", several)
        begin += length
