# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the doctor's tests: a database that no service works on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hostler.database import Database
from hostler.settings import Settings
from tests.service.cli.command import hostler
from tests.service.serving import serve

__all__ = ["database", "hostler", "serve"]


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with Database(settings) as database:
        await database.migrate()
        yield database
