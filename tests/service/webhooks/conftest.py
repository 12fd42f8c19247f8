# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the webhook tests: a service that may send to loopback, receivers, and something that happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tortoise.transactions import in_transaction

from hostler.app import create_app
from hostler.database import Database
from hostler.events.record import Kind, record_server
from hostler.hosts.models import Server
from hostler.settings import Settings
from tests.service.conftest import ADMIN_PASSWORD, Headers, log_in
from tests.service.webhooks.receiver import Received, Receiver

MakeReceiver = Callable[[], Receiver]


@pytest.fixture
def settings(clean_environment: None, tmp_path: Path, database_url: str) -> Settings:
    """Settings with which receivers on loopback are allowed, and soon given up."""
    return Settings(
        state_dir=tmp_path / "state",
        database_url=database_url,
        admin_password=ADMIN_PASSWORD,
        warm_start=False,
        webhook_destinations=("loopback",),
        webhook_tries=3,
    )


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes hundredths of them."""
    monkeypatch.setattr("hostler.webhooks.couriers.LOOK_SECONDS", 0.02)
    monkeypatch.setattr("hostler.webhooks.courier.FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr("hostler.webhooks.courier.LONGEST_WAIT_SECONDS", 0.1)


@pytest.fixture
def make_receiver() -> Iterator[MakeReceiver]:
    """Make receivers, each on a port of its own."""
    made: list[Receiver] = []

    def make() -> Receiver:
        made.append(Receiver())
        return made[-1]

    yield make
    for receiver in made:
        receiver.stop()


@pytest.fixture
def receiver(make_receiver: MakeReceiver) -> Receiver:
    return make_receiver()


@pytest.fixture
async def api(app: FastAPI, admin_headers: Headers) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an administrator."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test", headers=admin_headers) as client:
        yield client


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A service in the block, and its administrator's client; for tests in which it ends, or is one of several."""
    async with Database(settings) as database:
        await database.migrate()
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test") as client:
            client.headers.update(await log_in(client, "admin", ADMIN_PASSWORD))
            yield client


@pytest.fixture
async def server(app: FastAPI) -> Server:
    return await new_server()


async def new_server(hostname: str = "quiet") -> Server:
    """A server that nobody watches: what happens to it happens when a test says so."""
    return await Server.create(hostname=hostname, libvirt_uri="qemu+tls://192.0.2.9/system", enabled=False)


async def happen(server: Server, times: int = 1, kind: Kind = Kind.SERVER_CHANGED) -> None:
    """Have something happen to a server."""
    for _ in range(times):
        async with in_transaction():
            await record_server(kind, server.id)


async def made(api: httpx.AsyncClient, receiver: Receiver, **fields: Any) -> dict[str, Any]:
    """A new webhook, as its create answers it."""
    answer = await api.post("/api/webhooks", json={"url": receiver.url, **fields})
    assert answer.status_code == 201, answer.text
    webhook: dict[str, Any] = answer.json()
    return webhook


async def came(receiver: Receiver, number: int) -> list[Received]:
    """Wait until that many requests have come, in all."""
    return await asyncio.to_thread(receiver.wait_for, number)


async def shown(api: httpx.AsyncClient, webhook: dict[str, Any]) -> dict[str, Any]:
    """The webhook as it is now."""
    answer = await api.get(f"/api/webhooks/{webhook['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def until(api: httpx.AsyncClient, webhook: dict[str, Any], **state: Any) -> dict[str, Any]:
    """Wait until the webhook's state says that, and return all of the state."""
    for _ in range(1000):
        found: dict[str, Any] = (await shown(api, webhook))["state"]
        if {name: found[name] for name in state} == state:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"its state is not {state} but {found}")


async def deliveries(api: httpx.AsyncClient, webhook: dict[str, Any], state: str = "") -> list[dict[str, Any]]:
    """What became of its events."""
    query = {"per_page": 100} | ({"state": state} if state else {})
    answer = await api.get(f"/api/webhooks/{webhook['id']}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items
