# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps the audit append-only, whoever is connected to the database: triggers.

No entry is changed. An entry is added to the end of the chain only, with the number and the hash that follow from the
one before. The oldest are deleted only after the chain itself says so, by an entry ``audit.prune`` whose target is the
last of them. An empty table takes any entry first: that is how a copy of a chain begins whose oldest are deleted.

Tortoise loses triggers when it rebuilds a table. So like indexes they are made by `hostler migrate` wherever one is
missing or not as it should be, and every start of the service checks that they are there. Whoever owns the database can
drop them; what was done meanwhile is then for `hostler audit verify` to find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostler.errors import OperatorError

if TYPE_CHECKING:
    from tortoise.backends.base.client import BaseDBAsyncClient


class AuditUnguarded(OperatorError):
    """The database lacks a trigger that keeps the audit append-only."""


_SQLITE = {
    "audit_entry_changed": """\
CREATE TRIGGER audit_entry_changed BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'entries of the audit are never changed'); END""",
    "audit_entry_deleted": """\
CREATE TRIGGER audit_entry_deleted BEFORE DELETE ON audit_entry
WHEN NOT EXISTS (SELECT 1 FROM audit_entry WHERE action = 'audit.prune' AND target_id >= OLD.id)
BEGIN SELECT RAISE(ABORT, 'entries of the audit are deleted only after the audit itself says so'); END""",
    # the first SELECT of an empty table is NULL, and so is what is compared with it
    "audit_entry_added": """\
CREATE TRIGGER audit_entry_added BEFORE INSERT ON audit_entry
WHEN NEW.id <> (SELECT MAX(id) + 1 FROM audit_entry)
OR NEW.previous_hash <> (SELECT hash FROM audit_entry ORDER BY id DESC LIMIT 1)
BEGIN SELECT RAISE(ABORT, 'an entry of the audit follows from the newest one'); END""",
    "audit_entry_prunes": """\
CREATE TRIGGER audit_entry_prunes BEFORE INSERT ON audit_entry
WHEN NEW.action = 'audit.prune' AND (NEW.target_id IS NULL OR NEW.target_id >= NEW.id)
BEGIN SELECT RAISE(ABORT, 'an entry of the audit prunes older ones only'); END""",
}

_FUNCTIONS = {
    "audit_entry_changed": "BEGIN RAISE EXCEPTION 'entries of the audit are never changed'; END",
    "audit_entry_deleted": """
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_entry WHERE action = 'audit.prune' AND target_id >= OLD.id) THEN
        RAISE EXCEPTION 'entries of the audit are deleted only after the audit itself says so';
    END IF;
    RETURN OLD;
END""",
    "audit_entry_truncated": "BEGIN RAISE EXCEPTION 'the audit is never emptied'; END",
    "audit_entry_added": """
BEGIN
    IF NEW.id <> (SELECT MAX(id) + 1 FROM audit_entry)
    OR NEW.previous_hash <> (SELECT hash FROM audit_entry ORDER BY id DESC LIMIT 1) THEN
        RAISE EXCEPTION 'an entry of the audit follows from the newest one';
    END IF;
    IF NEW.action = 'audit.prune' AND (NEW.target_id IS NULL OR NEW.target_id >= NEW.id) THEN
        RAISE EXCEPTION 'an entry of the audit prunes older ones only';
    END IF;
    RETURN NEW;
END""",
}
_POSTGRES = {
    "audit_entry_changed": ("BEFORE UPDATE", "ROW"),
    "audit_entry_deleted": ("BEFORE DELETE", "ROW"),
    "audit_entry_added": ("BEFORE INSERT", "ROW"),
    "audit_entry_truncated": ("BEFORE TRUNCATE", "STATEMENT"),
}
_POSTGRES_PRESENT = """
SELECT t.tgname AS name, p.prosrc AS source, pg_get_triggerdef(t.oid) AS definition,
    COALESCE(p.proconfig = ARRAY[format('search_path=pg_catalog, %I, pg_temp', n.nspname)], FALSE) AS own_path
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgrelid = 'audit_entry'::regclass AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
"""
_POSTGRES_STRANGE = """
SELECT tgname AS name FROM pg_trigger WHERE tgrelid = 'audit_entry'::regclass AND NOT tgisinternal
UNION ALL SELECT rulename FROM pg_rewrite WHERE ev_class = 'audit_entry'::regclass
"""
_POSTGRES_SCHEMA = """
SELECT format('%I', n.nspname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = 'audit_entry'::regclass
"""


async def missing(connection: BaseDBAsyncClient) -> list[str]:
    """Return the triggers that the database lacks, or has otherwise, or has switched off, by name."""
    if connection.capabilities.dialect == "sqlite":
        present = {
            row["name"]: row["sql"]
            for row in await connection.execute_query_dict("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        }
        return [name for name, statement in _SQLITE.items() if present.get(name) != statement]
    found = {row["name"]: row for row in await connection.execute_query_dict(_POSTGRES_PRESENT)}
    return [name for name in _POSTGRES if name not in found or not _is_as_it_should_be(found[name])]


async def strange(connection: BaseDBAsyncClient) -> list[str]:
    """Return the triggers of the audit's table that are not ours, and PostgreSQL's rules, by name.

    Such a one can have an entry vanish as it is written.
    """
    if connection.capabilities.dialect == "sqlite":
        found = await connection.execute_query_dict(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND LOWER(tbl_name) = 'audit_entry'"
        )
        return sorted(row["name"] for row in found if row["name"] not in _SQLITE)
    found = await connection.execute_query_dict(_POSTGRES_STRANGE)
    return sorted(row["name"] for row in found if row["name"] not in _POSTGRES)


def _is_as_it_should_be(row: dict[str, Any]) -> bool:
    when, each = _POSTGRES[row["name"]]
    return bool(
        row["own_path"]
        and row["source"] == _FUNCTIONS[row["name"]]
        and f" {when} ON " in row["definition"]
        and f" FOR EACH {each} EXECUTE FUNCTION " in row["definition"]  # so no condition stands before it
    )


async def make_missing(connection: BaseDBAsyncClient) -> list[str]:
    """Make what is missing, replacing what differs, and return it; run it inside the migrations' transaction."""
    absent = await missing(connection)
    for name in absent:
        if connection.capabilities.dialect == "sqlite":
            await connection.execute_query(f"DROP TRIGGER IF EXISTS {name}")
            await connection.execute_query(_SQLITE[name])
            continue
        when, each = _POSTGRES[name]
        (schema,) = await connection.execute_query_dict(_POSTGRES_SCHEMA)
        # with the session's own path a temporary table of the same name would be asked instead
        await connection.execute_query(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql "
            f"SET search_path = pg_catalog, {schema['name']}, pg_temp AS $${_FUNCTIONS[name]}$$"
        )
        await connection.execute_query(f"DROP TRIGGER IF EXISTS {name} ON audit_entry")
        await connection.execute_query(
            f"CREATE TRIGGER {name} {when} ON audit_entry FOR EACH {each} EXECUTE FUNCTION {name}()"
        )
    return absent


async def check(connection: BaseDBAsyncClient) -> None:
    """Raise `AuditUnguarded`, naming the triggers, unless all are there as they should be."""
    if absent := await missing(connection):
        raise AuditUnguarded(
            f"The database lacks triggers that keep the audit append-only ({', '.join(absent)}); "
            "find out who has dropped them ('hostler audit verify'), stop the service and run 'hostler migrate'"
        )
