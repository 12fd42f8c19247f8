# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a host that is lost at any call of an action to libvirt."""

from __future__ import annotations

import random

import httpx
import pytest

from hostler.hosts.models import Server
from lab.gate import Gate
from lab.host import Host
from tests.service.faults.actions import ACTIONS, Action
from tests.service.faults.losing import Moment, lose_it_once

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS.values(), ids=str)
async def test_a_connection_that_is_lost_at_any_moment(
    api: httpx.AsyncClient, server: Server, gate: Gate, clean_host: Host, action: Action
) -> None:
    # each run tries others, about one in six; what fails names its own
    call = random.randint(1, 6)  # noqa: S311  no secret
    while await lose_it_once(
        action,
        api,
        server,
        gate,
        clean_host,
        Moment(call, deliver=random.random() < 0.5),  # noqa: S311  no secret
    ):
        call += random.randint(4, 8)  # noqa: S311  no secret
        assert call < 1000
