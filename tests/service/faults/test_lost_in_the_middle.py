# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirtd that is killed, or hangs, in the middle of each action."""

from __future__ import annotations

import random

import httpx
import pytest

from hostler.hosts.models import Server
from lab.gate import Gate
from lab.host import Host
from tests.service.faults.actions import ACTIONS, Action, prepare
from tests.service.faults.losing import Moment, lose_it_once, put_back

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["killed", "hanging"])
@pytest.mark.parametrize("action", ACTIONS.values(), ids=str)
async def test_a_libvirtd_that_is_lost_in_the_middle_of_each_action(
    api: httpx.AsyncClient, server: Server, gate: Gate, clean_host: Host, action: Action, kind: str
) -> None:
    vm = await prepare(action, api, server)
    gate.fail_at(10_000, gate.cut)  # never: it only counts
    answer = await action.ask(api, vm)
    assert answer.is_success, answer.text
    calls = gate.calls
    gate.calm()
    await put_back(action, api, clean_host, answer)

    # the watch makes calls, too, and each action has some that it makes only if there is something to do
    call = random.randint(1, max(1, calls * 2 // 3))  # noqa: S311  no secret
    delivered = random.random() < 0.5  # noqa: S311  no secret
    await lose_it_once(action, api, server, gate, clean_host, Moment(call, deliver=delivered), kind)
