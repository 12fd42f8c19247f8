# SPDX-License-Identifier: GPL-3.0-or-later
"""The administrator of an empty database."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi import FastAPI

from hostler.accounts.models import User
from hostler.app import create_app
from hostler.settings import Settings
from tests.service.conftest import ADMIN_PASSWORD, log_in

pytestmark = pytest.mark.anyio


async def can_log_in(app: FastAPI, password: str) -> bool:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hostler.test") as client:
        answer = await client.post("/api/auth/login", data={"username": "admin", "password": password})
        return answer.status_code == 200


async def test_a_generated_password_is_shown_by_the_first_start_only(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_app(Settings(state_dir=settings.state_dir))
    async with app.router.lifespan_context(app):
        shown = re.search(r"password  (\S+)", capsys.readouterr().out)
        assert shown is not None
        assert await can_log_in(app, shown[1])

    again = create_app(Settings(state_dir=settings.state_dir))
    async with again.router.lifespan_context(again):
        assert "password" not in capsys.readouterr().out
        assert await can_log_in(again, shown[1])


async def test_a_given_password_is_not_shown(app: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    output = capsys.readouterr()

    assert ADMIN_PASSWORD not in output.out + output.err
    assert await can_log_in(app, ADMIN_PASSWORD)


async def test_a_later_start_ignores_the_given_password(settings: Settings) -> None:
    for password in ("the first password", "the second password"):
        app = create_app(Settings(state_dir=settings.state_dir, admin_password=password))
        async with app.router.lifespan_context(app):
            assert await can_log_in(app, "the first password")


async def test_the_first_administrator_may_do_everything(client: httpx.AsyncClient) -> None:
    headers = await log_in(client, "admin", ADMIN_PASSWORD)

    me = (await client.get("/api/auth/me", headers=headers)).json()

    assert me["permissions"] == ["read", "write", "admin"]
    assert await User.all().count() == 1
