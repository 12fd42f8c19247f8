# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a database of this version has the tables and columns of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostler.database.tables import columns_of_tables

if TYPE_CHECKING:
    from tortoise.backends.base.client import BaseDBAsyncClient

_SQLITE = """
SELECT m.name AS table_name, c.name AS column_name FROM sqlite_master m JOIN pragma_table_info(m.name) c
WHERE m.type = 'table'
"""
_POSTGRES = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"


async def tables_present(connection: BaseDBAsyncClient) -> dict[str, set[str]]:
    """The columns of the tables that there are, by their names."""
    query = _SQLITE if connection.capabilities.dialect == "sqlite" else _POSTGRES
    present: dict[str, set[str]] = {}
    for row in await connection.execute_query_dict(query):
        present.setdefault(row["table_name"], set()).add(row["column_name"])
    return present


async def missing(connection: BaseDBAsyncClient) -> list[str]:
    """Return what is not there, tables by their names and columns as ``table.column``."""
    present = await tables_present(connection)
    absent = []
    for table, columns in columns_of_tables().items():
        if table not in present:
            absent.append(table)
        else:
            absent += [f"{table}.{column}" for column in columns if column not in present[table]]
    return sorted(absent)
