# SPDX-License-Identifier: GPL-3.0-or-later
"""Losing a host in the middle of an action, and seeing that nothing is lost by that."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx

from hostler.hosts.models import Server
from hostler.images.models import Image
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from lab.gate import Gate
from lab.host import Host
from tests.service.faults.actions import IMAGE, NAME, RENAMED, Action, assert_one_truth, prepare, settled
from tests.service.machines.lab_service import STUCK


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
        if row.protected or action.name == "change":  # what half of a change has done, a look may still find out
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
