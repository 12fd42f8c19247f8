# SPDX-License-Identifier: GPL-3.0-or-later
"""A service in the test's own process: its database a new SQLite file, its clients httpx over ASGI.

``client`` is nobody; the headers ``admin_headers``, ``write_headers`` and ``read_headers`` make it somebody.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pwd
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import structlog
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from hostler.accounts import api_tokens, passwords, users
from hostler.accounts.models import User
from hostler.app import create_app
from hostler.database import Database
from hostler.permission import Permission
from hostler.settings import Settings
from tests.service.postgres import PROGRAMS, PostgresServer

ADMIN_PASSWORD = "an admin's password"
USER_PASSWORD = "correct horse battery"

DATABASE = os.environ.get("HOSTLER_TEST_DATABASE", "sqlite")
"""sqlite or postgres: on which database the tests' services work (make test-all tries both)."""

Headers = dict[str, str]
MakeUser = Callable[..., Awaitable[User]]


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting from outside reaches the test."""
    for name in list(os.environ):
        if name.startswith("HOSTLER_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("hostler.settings.SYSTEM_CONFIG", tmp_path / "no-such.toml")


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> Iterator[None]:
    """Argon2 at its cheapest: these tests hash hundreds of passwords, and none of them is worth guessing."""
    cheap = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hashing", PasswordHash((cheap,)))
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private PostgreSQL, for all tests of the run."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL's programs are not installed")
    # it refuses to run as root, and can't enter pytest's own folders as another
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="hostler-postgres-"))
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    server = PostgresServer(folder, user)
    try:
        server.run("initdb", "-D", str(folder / "data"), "-U", "hostler", "-A", "trust", "-E", "UTF8", "--no-sync")
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of an empty database."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return postgres_server.url(name)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """A database of the test's own; empty is the SQLite file in its state folder."""
    return str(request.getfixturevalue("postgres_url")) if DATABASE == "postgres" else ""


@pytest.fixture
def settings(clean_environment: None, tmp_path: Path, database_url: str) -> Settings:
    """The settings of a service whose state is the test's own."""
    return Settings(
        state_dir=tmp_path / "state",
        database_url=database_url,
        admin_password=ADMIN_PASSWORD,
        warm_start=False,  # a process for each test of more than a second, of which none would take a run
    )


@pytest.fixture(scope="session")
def new_database(quick_passwords: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as the first start leaves it, to be copied: a first start takes a fifth of a second."""
    settings = Settings(state_dir=tmp_path_factory.mktemp("template"), admin_password=ADMIN_PASSWORD)

    async def start_once() -> None:
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            pass

    asyncio.run(start_once())
    return settings.state_dir / "hostler.sqlite3"


@pytest.fixture
async def app(settings: Settings, new_database: Path) -> AsyncIterator[FastAPI]:
    """A running service: database migrated, administrator made."""
    if settings.database_url.startswith("sqlite"):
        settings.make_state_dir()
        shutil.copy(new_database, settings.state_dir / new_database.name)
    else:
        async with Database(settings) as database:
            await database.migrate()
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a credential."""
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test") as client:
        yield client


async def log_in(client: httpx.AsyncClient, username: str, password: str) -> Headers:
    """Log in and return the headers of the session."""
    answer = await client.post("/api/auth/login", data={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
async def admin_headers(client: httpx.AsyncClient) -> Headers:
    """The session of the first administrator, who may do everything."""
    return await log_in(client, "admin", ADMIN_PASSWORD)


@pytest.fixture
def make_user(app: FastAPI) -> MakeUser:
    """Make a user: ``await make_user("ada", "read", "write")``; its password is USER_PASSWORD."""

    async def make(username: str, *permissions: str) -> User:
        return await users.create_user(username, USER_PASSWORD, [Permission(name) for name in permissions])

    return make


async def _token_headers(make_user: MakeUser, username: str, *permissions: str) -> Headers:
    user = await make_user(username, *permissions)
    scopes = [Permission(name) for name in permissions]
    _, secret = await api_tokens.create_token(user.id, "tests", scopes, scopes, 1)
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
async def write_headers(make_user: MakeUser) -> Headers:
    """The API token of a user who may read and write."""
    return await _token_headers(make_user, "writer", "read", "write")


@pytest.fixture
async def read_headers(make_user: MakeUser) -> Headers:
    """The API token of a user who may only read."""
    return await _token_headers(make_user, "reader", "read")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What holds itself stays: what is let go of goes because nobody has it."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def log_undone() -> Iterator[None]:
    """Undo at the test's end what it makes of the process's log."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    # a logger that was used meanwhile has kept what it was configured to do
    kind = type(structlog.get_logger())
    for name, module in list(sys.modules.items()):
        if name.startswith("hostler."):
            for one in vars(module).values():
                if isinstance(one, kind):
                    vars(one).pop("bind", None)
