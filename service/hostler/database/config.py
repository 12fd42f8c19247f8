# SPDX-License-Identifier: GPL-3.0-or-later
"""From a database URL to Tortoise's configuration.

Tortoise reads ``postgres://`` as asyncpg and knows no backend of ours, so the connection is spelled out here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostler.errors import OperatorError

if TYPE_CHECKING:
    from typing import Any

APP = "hostler"
"""Tortoise's label for all of our models; a relation names ``hostler.User``."""

MODELS = (
    "hostler.accounts.models",
    "hostler.credentials.models",
    "hostler.hosts.models",
    "hostler.images.models",
    "hostler.machines.models",
    "hostler.jobs.models",
    "hostler.events.models",
    "hostler.services.models",
    "hostler.statistics.models",
    "hostler.webhooks.models",
    "hostler.audit.models",
    "hostler.schedules.models",
)
MIGRATIONS = "hostler.database.migrations"
POOL_SIZE = 10
"""Most connections that one process opens to PostgreSQL."""
POOL_SECONDS = 5
"""How long a request waits for a connection, a new one or one of those in use, before it is 503."""
RECONNECT_SECONDS = 2
"""How long the pool tries by itself to replace a lost connection; after that each request tries at once.

Trying for minutes, as it would by default, it waits longer and longer between two attempts, and requests with it.
"""


class DatabaseUrlError(OperatorError):
    """The database URL names nothing that can be used; the message never repeats it, for it may hold a password."""


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A database URL, taken apart: its dialect (``sqlite`` or ``postgres``) and what the backend wants."""

    dialect: str
    engine: str
    credentials: dict[str, Any]

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None for PostgreSQL."""
        return Path(self.credentials["file_path"]) if self.dialect == "sqlite" else None

    def tortoise(self, migrations: str = MIGRATIONS) -> dict[str, Any]:
        """Return Tortoise's configuration; its one connection is named by the dialect.

        The name matters: Tortoise caches SQL by it, and the two dialects' placeholders differ.
        """
        return {
            "connections": {self.dialect: {"engine": self.engine, "credentials": self.credentials}},
            "apps": {
                APP: {"models": list(MODELS), "default_connection": self.dialect, "migrations": migrations},
            },
            "use_tz": True,
            "timezone": "UTC",
        }


def parse(url: str) -> DatabaseUrl:
    """Take a URL apart; raises DatabaseUrlError."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme == "sqlite" and rest and rest != ":memory:":
        return DatabaseUrl(
            "sqlite", "hostler.database.sqlite_backend", {"file_path": str(Path(rest).expanduser().absolute())}
        )
    if separator and scheme in ("postgres", "postgresql"):
        return DatabaseUrl("postgres", "hostler.database.postgres_backend", _postgres_credentials(url))
    raise DatabaseUrlError(
        "The setting database_url should be sqlite:///path/to/file or postgres://user:password@host:port/name"
    )


def _postgres_credentials(url: str) -> dict[str, Any]:
    # libpq's own reading of the URL: percent signs, several hosts, a socket's folder in ?host=, sslmode
    import psycopg.conninfo

    try:
        parts: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise DatabaseUrlError("The setting database_url is not a PostgreSQL URL") from None
    credentials = {
        "user": parts.pop("user", None),
        "password": parts.pop("password", None),
        "database": parts.pop("dbname", None),
        "host": parts.pop("host", None),
        "port": parts.pop("port", None) or 5432,
        "application_name": parts.pop("application_name", None) or "hostler",
        "maxsize": POOL_SIZE,
        "timeout": POOL_SECONDS,
        "reconnect_timeout": RECONNECT_SECONDS,
    }
    if parts:
        credentials["server_settings"] = parts
    return credentials
