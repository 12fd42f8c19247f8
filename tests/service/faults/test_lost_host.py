# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is lost at the worst moments of an action."""

from __future__ import annotations

import httpx
import pytest

from hostler.hosts.models import Server
from lab import gate
from lab.gate import Gate
from lab.host import Host
from tests.service.faults.actions import ACTIONS
from tests.service.faults.losing import Moment, lose_it_once

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

# just before, or just after, what can't be undone: each is a kind of half-done that the next step would have ended
SLOW = pytest.mark.slow
WORST = [
    pytest.param("create", Moment(1, gate.VOLUME_CREATE, deliver=True), id="a disk without a record of it"),
    pytest.param("create", Moment(1, gate.DOMAIN_DEFINE, deliver=True), id="a VM without disks", marks=SLOW),
    pytest.param("create", Moment(1, gate.VOLUME_UPLOAD, deliver=True), id="a seed without content", marks=SLOW),
    pytest.param("create", Moment(1, gate.DOMAIN_CREATE, deliver=True), id="a VM that runs too soon", marks=SLOW),
    pytest.param("delete", Moment(1, gate.VOLUME_DELETE), id="disks without a VM"),
    pytest.param("delete", Moment(2, gate.VOLUME_DELETE), id="a seed without a VM", marks=SLOW),
    pytest.param("delete", Moment(1, gate.DOMAIN_DESTROY, deliver=True), id="a VM that is off", marks=SLOW),
    pytest.param("delete", Moment(1, gate.DOMAIN_UNDEFINE, deliver=True), id="a VM that is gone", marks=SLOW),
    pytest.param("resize", Moment(1, gate.VOLUME_RESIZE, deliver=True), id="a disk that has grown"),
    pytest.param("start", Moment(1, gate.DOMAIN_CREATE, deliver=True), id="a VM that nobody knows to run", marks=SLOW),
    pytest.param("stop", Moment(1, gate.DOMAIN_SHUTDOWN, deliver=True), id="a guest that was asked", marks=SLOW),
    pytest.param("force-stop", Moment(1, gate.DOMAIN_DESTROY, deliver=True), id="a plug that was pulled", marks=SLOW),
]


@pytest.mark.parametrize(("action", "moment"), WORST)
async def test_a_connection_that_is_lost_at_the_worst_moment(
    api: httpx.AsyncClient, server: Server, gate: Gate, clean_host: Host, action: str, moment: Moment
) -> None:
    assert await lose_it_once(ACTIONS[action], api, server, gate, clean_host, moment), "the moment has come"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["killed", "hanging"])
@pytest.mark.parametrize(("action", "moment"), WORST)
async def test_a_libvirtd_that_is_lost_at_the_worst_moment(
    api: httpx.AsyncClient, server: Server, gate: Gate, clean_host: Host, action: str, moment: Moment, kind: str
) -> None:
    assert await lose_it_once(ACTIONS[action], api, server, gate, clean_host, moment, kind), "the moment has come"
