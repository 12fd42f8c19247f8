# SPDX-License-Identifier: GPL-3.0-or-later
"""Tickets: they open one stream, once and soon, and do nothing else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.accounts import api_tokens, tickets, users
from hostler.accounts.models import ApiToken, StreamTicket, User
from hostler.accounts.opaque import digest
from hostler.errors import Unauthenticated
from hostler.events import streams
from tests.service.conftest import USER_PASSWORD, Headers, MakeUser, log_in
from tests.service.events.stream import opened

pytestmark = pytest.mark.anyio


async def ticket_of(client: httpx.AsyncClient, headers: Headers) -> str:
    answer = await client.post("/api/auth/ticket", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"ticket": answer.json()["ticket"], "expires_in": 30}
    return str(answer.json()["ticket"])


async def status_with(app: FastAPI, **query: Any) -> int:
    async with opened(app, **query) as stream:
        return stream.status


@pytest.fixture
async def session(client: httpx.AsyncClient, make_user: MakeUser) -> Headers:
    """A session of a user who may read and write."""
    await make_user("ada", "read", "write")
    return await log_in(client, "ada", USER_PASSWORD)


@pytest.mark.rule("stream-tickets")
async def test_a_ticket_opens_one_stream_once(app: FastAPI, client: httpx.AsyncClient, session: Headers) -> None:
    ticket = await ticket_of(client, session)

    async with opened(app, ticket=ticket) as stream:
        assert stream.status == 200
        assert (await stream.block()).id == "0"
    assert await status_with(app, ticket=ticket) == 401


async def test_of_two_who_come_at_once_one_gets_in(app: FastAPI, client: httpx.AsyncClient, session: Headers) -> None:
    for _ in range(5):
        ticket = await ticket_of(client, session)
        outcomes = await asyncio.gather(
            *(tickets.redeem(ticket, timedelta(minutes=10)) for _ in range(4)), return_exceptions=True
        )
        assert sorted(isinstance(outcome, Unauthenticated) for outcome in outcomes) == [False, True, True, True]


async def test_a_ticket_of_half_a_minute_ago_is_no_good_and_forgotten(
    app: FastAPI, client: httpx.AsyncClient, session: Headers
) -> None:
    ticket = await ticket_of(client, session)
    row = await StreamTicket.get()
    assert timedelta(seconds=25) < row.expires_at - datetime.now(UTC) <= timedelta(seconds=30)
    await StreamTicket.all().update(expires_at=datetime.now(UTC))

    assert await status_with(app, ticket=ticket) == 401

    await ticket_of(client, session)
    assert await StreamTicket.all().count() == 1


@pytest.mark.rule("stream-tickets")
async def test_no_token_is_taken_from_the_address(
    app: FastAPI, client: httpx.AsyncClient, session: Headers, read_headers: Headers
) -> None:
    for headers in (session, read_headers):
        token = headers["Authorization"].removeprefix("Bearer ")
        for name in ("ticket", "token", "access_token", "authorization"):
            assert await status_with(app, **{name: token}) == 401, name


async def test_a_ticket_opens_nothing_but_streams(client: httpx.AsyncClient, session: Headers) -> None:
    for path in ("/api/vms", "/api/auth/me", "/api/jobs/1"):
        ticket = await ticket_of(client, session)
        assert (await client.get(path, params={"ticket": ticket})).status_code == 401
        assert (await client.get(path, headers={"Authorization": f"Bearer {ticket}"})).status_code == 401
    assert await StreamTicket.all().count() == 3


@pytest.mark.rule("stream-tickets")
async def test_a_ticket_may_what_its_credential_may(
    app: FastAPI, client: httpx.AsyncClient, make_user: MakeUser, session: Headers
) -> None:
    everything = await make_user("everything", "read", "write")
    _, secret = await api_tokens.create_token(everything.id, "narrow", ["write"], ["read", "write"], 1)  # type: ignore[list-item]
    ticket = await ticket_of(client, {"Authorization": f"Bearer {secret}"})
    async with opened(app, ticket=ticket) as stream:
        assert stream.status == 403

    ticket = await ticket_of(client, session)
    ada = await User.get(username="ada")
    await users.change_user(ada.id, permissions=["write"])  # type: ignore[list-item]
    assert await status_with(app, ticket=ticket) == 403


async def test_its_hash_is_all_that_is_kept(client: httpx.AsyncClient, session: Headers) -> None:
    ticket = await ticket_of(client, session)

    row = await StreamTicket.get()

    assert row.ticket_hash == digest(ticket)
    assert ticket not in str(dict(row))


async def test_a_stranger_gets_none(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/auth/ticket")).status_code == 401


class TestEnds:
    """A ticket, and the stream that it opened, end with the credential that it was asked for with."""

    @pytest.fixture(autouse=True)
    def quick_checks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)

    async def end_both(self, app: FastAPI, client: httpx.AsyncClient, headers: Headers, undo: Any) -> None:
        used, unused = await ticket_of(client, headers), await ticket_of(client, headers)
        async with opened(app, ticket=used) as stream:
            await stream.block()
            await asyncio.sleep(0.15)
            assert not stream.answering.done()
            await undo()
            assert await stream.rest() == []
        assert await status_with(app, ticket=unused) == 401

    @pytest.mark.usefixtures("session")
    async def test_a_session_that_logs_out(self, app: FastAPI, client: httpx.AsyncClient) -> None:
        form = {"username": "ada", "password": USER_PASSWORD}
        pair = (await client.post("/api/auth/login", data=form)).json()

        async def log_out() -> None:
            await client.post("/api/auth/logout", json={"refresh_token": pair["refresh_token"]})

        await self.end_both(app, client, {"Authorization": f"Bearer {pair['access_token']}"}, log_out)

    async def test_a_password_that_is_changed(self, app: FastAPI, client: httpx.AsyncClient, session: Headers) -> None:
        ada = await User.get(username="ada")
        await self.end_both(app, client, session, lambda: users.change_user(ada.id, password="another password"))

    async def test_a_user_that_is_deleted(self, app: FastAPI, client: httpx.AsyncClient, session: Headers) -> None:
        ada = await User.get(username="ada")
        await self.end_both(app, client, session, lambda: users.delete_user(ada.id))

    async def test_an_api_token_that_is_revoked(
        self, app: FastAPI, client: httpx.AsyncClient, read_headers: Headers
    ) -> None:
        token = await ApiToken.get()
        await self.end_both(app, client, read_headers, lambda: api_tokens.revoke_token(token))

    async def test_a_sessions_stream_lasts_no_longer_than_an_access_token(
        self, app: FastAPI, client: httpx.AsyncClient, session: Headers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(app.state.accounts.signer, "lifetime", timedelta(seconds=0.2))
        ticket = await ticket_of(client, session)
        async with opened(app, ticket=ticket) as stream:
            assert stream.status == 200
            await stream.rest()
