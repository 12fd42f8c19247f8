# SPDX-License-Identifier: GPL-3.0-or-later
"""Every index of the database, partial ones included: the one place that says which there are.

Tortoise's migrations drop a partial index without a word (in ``CreateModel`` on SQLite), refuse it (in
``AddConstraint``), and lose any index that they did not make themselves when they rebuild a table. So models and
migrations name none: `migrate` makes what is missing here in the same transaction as the migrations, and every
start of the service checks that all are there and are what they should be, because one of them (`vm_running_job`)
is what keeps two jobs off one VM.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostler.errors import OperatorError

if TYPE_CHECKING:
    from tortoise.backends.base.client import BaseDBAsyncClient


class IndexesMissing(OperatorError):
    """The database lacks an index, or has another one under its name."""


@dataclass(frozen=True, slots=True)
class Index:
    """One index: its name (unique in the database), table, columns in order, whether unique, and for which rows."""

    name: str
    table: str
    columns: tuple[str, ...]
    unique: bool = False
    where: str = ""

    @property
    def sql(self) -> str:
        """The statement that makes it, the same in SQLite and PostgreSQL."""
        columns = ", ".join(f'"{column}"' for column in self.columns)
        return f'CREATE {"UNIQUE " if self.unique else ""}INDEX "{self.name}" ON "{self.table}" ({columns})' + (
            f" WHERE {self.where}" if self.where else ""
        )


EXPECTED = (
    Index("user_name", "user_account", ("username_key",), unique=True),
    Index("refresh_token_hash", "refresh_token", ("token_hash",), unique=True),
    Index("refresh_token_family", "refresh_token", ("family",)),
    Index("refresh_token_user", "refresh_token", ("user_id", "expires_at")),
    Index("api_token_hash", "api_token", ("token_hash",), unique=True),
    Index("api_token_user", "api_token", ("user_id",)),
    Index("stream_ticket_hash", "stream_ticket", ("ticket_hash",), unique=True),
    Index("server_hostname", "server", ("hostname",), unique=True),
    Index("credential_name", "credential", ("name",), unique=True),
    Index("vm_name_of_server", "vm", ("server_id", "name"), unique=True),
    Index("image_name_of_server", "image", ("server_id", "name"), unique=True),
    # not unique: two hosts can have a domain with the same UUID (a copy), and both must be shown
    Index("vm_uuid", "vm", ("uuid",)),
    Index("vm_by_server", "vm", ("server_id", "id")),
    Index("vm_by_status", "vm", ("status", "id")),
    Index("vm_by_os_type", "vm", ("os_type", "id")),
    Index("vm_by_os_type_and_status", "vm", ("os_type", "status", "id")),
    Index("vm_owner", "vm", ("owner_id",)),
    Index("vm_drifted", "vm", ("id",), where="drift IS NOT NULL"),
    # at most one running job of a VM, whoever asks and however many services there are
    Index("vm_running_job", "job", ("vm_id",), unique=True, where="state = 'running' AND vm_id IS NOT NULL"),
    Index(
        "job_idempotency",
        "job",
        ("actor_id", "action", "idempotency_key"),
        unique=True,
        where="idempotency_key IS NOT NULL",
    ),
    # whose turn it is, and what a server is at work on: a VM's history is long, and what is open of it is not
    Index("job_open_of_vm", "job", ("vm_id", "id"), where="finished_at IS NULL"),
    Index("job_open_of_server", "job", ("server_id", "id"), where="finished_at IS NULL"),
    Index("job_by_state", "job", ("state", "id")),
    Index("job_by_vm", "job", ("vm_id", "id")),
    Index("job_by_server", "job", ("server_id", "id")),
    Index("job_by_actor", "job", ("actor_id", "id")),
    Index("job_by_action", "job", ("action", "id")),
    Index("job_parent", "job", ("parent_id",), where="parent_id IS NOT NULL"),
    Index("job_lease", "job", ("lease_expires_at",), where="state = 'running'"),
    Index("upload_mark_of_server", "upload_mark", ("server_id",)),
    Index("upload_mark_of_job", "upload_mark", ("job_id",), unique=True),
    Index("job_step_position", "job_step", ("job_id", "position"), unique=True),
    Index("event_of_vm", "event", ("vm_id", "id"), where="vm_id IS NOT NULL"),
    Index("event_of_job", "event", ("job_id", "id"), where="job_id IS NOT NULL"),
    Index("event_by_time", "event", ("at",)),
    Index("job_log_of_job", "job_log", ("job_id", "id")),
    # unique: several services on one database read the same hosts
    Index("usage_round_of_server", "usage_round", ("server_id", "resolution", "at"), unique=True),
    Index("usage_round_by_age", "usage_round", ("resolution", "at")),
    # an event has one fate at a webhook, however many services may have sent it
    Index("webhook_delivery_event", "webhook_delivery", ("webhook_id", "event_id"), unique=True),
    Index("webhook_delivery_by_state", "webhook_delivery", ("webhook_id", "state", "id")),
    Index("webhook_delivery_by_time", "webhook_delivery", ("tried_at",)),
    Index("audit_by_time", "audit_entry", ("at",)),
    Index("audit_by_action", "audit_entry", ("action", "id")),
    Index("audit_by_actor", "audit_entry", ("actor", "id")),
    Index("audit_by_target", "audit_entry", ("target_kind", "target_id", "id")),
    # whoever looks for these looks among many others
    Index("audit_denied", "audit_entry", ("id",), where="outcome = 'denied'"),
    Index("schedule_name", "schedule", ("name",), unique=True),
    Index("schedule_next", "schedule", ("next_run_at", "id"), where="NOT paused"),
)


async def _definitions(connection: BaseDBAsyncClient) -> dict[str, str]:
    """Return the statement of every index that the database has by its name."""
    if connection.capabilities.dialect == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    else:
        query = "SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE schemaname = current_schema()"
    return {row["name"]: row["sql"] for row in await connection.execute_query_dict(query)}


def _normal(sql: str) -> str:
    """Reduce a statement to what distinguishes it: PostgreSQL shows it with schema, casts and brackets of its own."""
    text = re.sub(r"\bON\s+\w+\.", "ON ", sql.replace('"', ""))
    text = re.sub(r"::(?:text|character varying)", "", text.replace("USING btree ", ""))
    return re.sub(r"[()\s]+", " ", text).strip().lower()


async def missing(connection: BaseDBAsyncClient) -> list[Index]:
    """Return the expected indexes that the database lacks, or has with another definition."""
    present = await _definitions(connection)
    return [index for index in EXPECTED if _normal(present.get(index.name, "")) != _normal(index.sql)]


async def make_missing(connection: BaseDBAsyncClient) -> list[Index]:
    """Make what is missing, replacing what differs, and return it; run it inside the migrations' transaction."""
    made = await missing(connection)
    for index in made:
        await connection.execute_query(f'DROP INDEX IF EXISTS "{index.name}"')
        await connection.execute_query(index.sql)
    return made


async def check(connection: BaseDBAsyncClient) -> None:
    """Raise IndexesMissing, naming them, unless the database has every expected index as it should be."""
    if absent := await missing(connection):
        names = ", ".join(index.name for index in absent)
        raise IndexesMissing(
            f"The database lacks indexes that keep it right and fast ({names}); "
            "stop the service and run 'hostler migrate'"
        )
