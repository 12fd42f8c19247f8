# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is lost in the middle of an action: at the worst moments, and at any call to libvirt that it makes."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.images.models import Image
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from lab.host import Host
from tests.service.faults import gate
from tests.service.faults.actions import ACTIONS, IMAGE, NAME, RENAMED, Action, assert_one_truth, prepare, settled
from tests.service.faults.gate import Gate
from tests.service.machines.lab_service import STUCK

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


@dataclass(frozen=True)
class Moment:
    """The ``call``-th call, of one procedure or of any; lost before libvirtd hears of it, or (``deliver``) after."""

    call: int
    procedure: int | None = None
    deliver: bool = False


class Fault:
    """What happens to the host, and how it comes back. If libvirtd only hangs, it does later what it was sent."""

    def __init__(self, kind: str, way: Gate, host: Host) -> None:
        self.begin = {"cut": way.cut, "killed": host.kill_libvirtd, "hanging": host.pause_libvirtd}[kind]
        self.end = {"cut": lambda: None, "killed": host.start_libvirtd, "hanging": host.continue_libvirtd}[kind]


async def lose_it_once(
    action: Action, api: httpx.AsyncClient, server: Server, way: Gate, host: Host, moment: Moment, kind: str = "cut"
) -> bool:
    """Do the action, the host being lost at that moment; false when it is done before it came."""
    vm = await prepare(action, api, server)
    fault = Fault(kind, way, host)
    way.fail_at(moment.call, fault.begin, procedure=moment.procedure, deliver=moment.deliver)
    try:
        async with asyncio.timeout(120):
            answer = await action.ask(api, vm)
    finally:
        failed = way.calm()
        await asyncio.to_thread(fault.end)
    what = f"{action}, {kind} at {moment}: {answer.status_code} {answer.text}"

    # a loss at the watch's own call may not reach the action at all
    assert answer.status_code in (200, 201, 503), what
    if answer.status_code == 503:
        assert answer.json()["detail"] == "Host 'lab1' is unreachable", what
    try:
        await settled(server)
        await assert_one_truth(host)
        try:
            await put_back(action, api, host, answer)
        except AssertionError as error:
            if kind != "killed" or STUCK not in str(error):
                raise
            # a libvirtd that was killed may not let go of what it was starting; its operator restarts it
            await asyncio.to_thread(host.kill_libvirtd)
            await asyncio.to_thread(host.start_libvirtd)
            await settled(server)
            await put_back(action, api, host, answer)
    except AssertionError as error:
        raise AssertionError(what) from error
    if answer.status_code == 503:
        assert not await Job.exclude(state__in=["failed", "succeeded"]).exists(), what
    return failed


async def put_back(action: Action, api: httpx.AsyncClient, host: Host, answer: httpx.Response) -> None:
    """Whatever was left behind can be used and deleted, and then nothing is left."""
    row = await Machine.get_or_none(name__in=[NAME, RENAMED])
    if action.name == "create":
        assert (row is not None) == (answer.status_code == 201)
    if row is not None:
        if row.protected:
            freed = await api.put(f"/api/vms/{row.id}", json={"protected": False})
            assert freed.status_code == 200, freed.text
        for verb in ("force-stop", "start", "force-stop"):
            done = await api.post(f"/api/vms/{row.id}/{verb}")
            assert done.status_code == 200, done.text
        gone = await api.delete(f"/api/vms/{row.id}")
        assert gone.status_code == 200, gone.text
    for image in await Image.filter(name=IMAGE):
        assert answer.status_code == 201 or action.name != "upload"
        removed = await api.delete(f"/api/images/{image.id}")
        assert removed.status_code == 200, removed.text
    assert not await Machine.all().exists()
    await assert_one_truth(host)


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
