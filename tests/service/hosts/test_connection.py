# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's connection to a host: shared, bounded, made anew, given up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Iterator

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostTimeout, HostUnreachable, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.watching import Sign, watching
from hostler.hosts.connection import HostConnection, HostConnections, Lane
from lab.host import Host
from tests.service.machines.lab_service import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


@pytest.fixture
def host(lab_host: Host) -> Iterator[HostConnection]:
    connection = HostConnection("lab1", lab_host.uri, threads=1)
    yield connection
    connection.close()


@pytest.fixture
def busy() -> Iterator[threading.Event]:
    """What a thread of the host may wait for; it comes at the end of the test at the latest."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_connection_serves_one_call_after_the_other(host: HostConnection) -> None:
    first, second = await asyncio.gather(host.call(lambda hypervisor: hypervisor), host.call(lambda also: also))

    assert first is second
    assert await host.call(Hypervisor.host_uuid) is not None


async def test_no_two_calls_are_on_one_connection_and_few_connections_are_kept(lab_host: Host) -> None:
    host = HostConnection("lab1", lab_host.uri, threads=5)
    together = threading.Barrier(5)

    def meet(hypervisor: Hypervisor) -> Hypervisor:
        together.wait(20)
        return hypervisor

    used = await asyncio.gather(*(host.call(meet) for _ in range(5)))

    assert len(set(used)) == 5
    assert sum(hypervisor.is_alive for hypervisor in used) == 2
    assert await host.call(lambda hypervisor: hypervisor) in used
    host.close()


async def test_one_connection_is_kept_where_the_others_have_been_idle_for_long(
    lab_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostler.hosts.connection._IDLE_SECONDS", 0.5)
    host = HostConnection("lab1", lab_host.uri, threads=2)
    together = threading.Barrier(2)

    def meet(hypervisor: Hypervisor) -> Hypervisor:
        together.wait(20)
        return hypervisor

    both = await asyncio.gather(host.call(meet), host.call(meet))
    assert all(hypervisor.is_alive for hypervisor in both)
    await asyncio.sleep(0.6)

    used = await host.call(lambda hypervisor: hypervisor)

    assert [hypervisor for hypervisor in both if hypervisor.is_alive] == [used]
    host.close()


async def test_the_test_driver_whose_state_is_its_connections_has_only_one() -> None:
    host = HostConnection("test", "test:///default", threads=2)
    together = threading.Barrier(2)

    def meet(hypervisor: Hypervisor) -> Hypervisor:
        together.wait(20)
        return hypervisor

    first, second = await asyncio.gather(host.call(meet), host.call(meet))

    assert first is second
    assert first.is_alive
    host.close()


async def test_a_call_apart_keeps_nobody_from_the_host_and_may_be_left_alone(
    host: HostConnection, busy: threading.Event
) -> None:
    """With one thread for all others."""
    used: list[Hypervisor] = []

    def hang(hypervisor: Hypervisor) -> str:
        used.append(hypervisor)
        busy.wait(20)
        return "at last"

    hanging, left = host.begin(hang), host.begin(hang)
    elsewhere = await host.call(lambda hypervisor: hypervisor, seconds=20)
    left.cancel()
    busy.set()

    assert await hanging == "at last"
    assert left.cancelled()
    assert elsewhere not in used
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "apart-lab1")
    with pytest.raises(ZeroDivisionError):
        await host.begin(lambda _hypervisor: 1 / 0)
    host.close()
    with pytest.raises(HostUnreachable):
        await host.begin(lambda hypervisor: hypervisor)


async def test_a_connection_that_is_listened_to_is_nobody_elses_until_that_ends(
    host: HostConnection, lab_host: Host
) -> None:
    heard: list[Sign] = []
    async with host.listening(lambda hypervisor: watching(hypervisor, heard.append, lambda: None)) as listening:
        assert await host.call(lambda hypervisor: hypervisor) is not listening.hypervisor
        assert listening.is_alive
        lab_host.kill_libvirtd()
        lab_host.start_libvirtd()
        assert not listening.is_alive
        assert await host.call(Hypervisor.host_uuid) is not None


async def test_a_host_that_tells_its_listener_nothing_is_given_up_and_left_once_it_does(host: HostConnection) -> None:
    told, left = threading.Event(), threading.Event()

    @contextlib.contextmanager
    def listen(_hypervisor: Hypervisor) -> Iterator[None]:
        told.wait(30)
        try:
            yield
        finally:
            left.set()

    with pytest.raises(HostTimeout, match=r"^Host 'lab1' did not answer within 1\.1 s$"):
        async with host.listening(listen, seconds=1, answer_seconds=0.1):
            pass
    assert not left.is_set()
    told.set()

    assert await asyncio.to_thread(left.wait, 10)
    assert await host.call(Hypervisor.host_uuid) is not None


async def test_a_host_that_is_not_there_can_not_be_listened_to() -> None:
    nowhere = HostConnection("lost-host", "qemu:///system?socket=/nonexistent/socket", threads=1)

    with pytest.raises(HostUnreachable, match=r"^Host 'lost-host' is unreachable$"):
        async with nowhere.listening(lambda hypervisor: watching(hypervisor, lambda _sign: None, lambda: None)):
            pass

    nowhere.close()


async def test_a_connection_that_was_lost_is_made_anew(host: HostConnection, lab_host: Host) -> None:
    lost = await host.call(lambda hypervisor: hypervisor)
    lab_host.kill_libvirtd()
    try:
        with pytest.raises(HostUnreachable, match=r"^Host 'lab1' is unreachable$"):
            await host.call(Hypervisor.resources)
    finally:
        lab_host.start_libvirtd()

    assert await host.call(lambda hypervisor: hypervisor) is not lost
    assert (await host.call(Hypervisor.resources)).cpus > 0


async def test_a_host_that_is_not_there_is_named_and_its_socket_is_not() -> None:
    nowhere = HostConnection("lost-host", "qemu:///system?socket=/nonexistent/socket", threads=1)

    with pytest.raises(HostUnreachable, match=r"^Host 'lost-host' is unreachable$"):
        await nowhere.call(Hypervisor.resources)

    nowhere.close()


async def test_what_the_work_raises_comes_out_as_it_is(host: HostConnection) -> None:
    def work(_hypervisor: Hypervisor) -> None:
        raise TimeoutError("of the work's own")

    with pytest.raises(TimeoutError, match="of the work's own"):
        await host.call(work)
    with pytest.raises(TimeoutError, match="of the work's own"):
        await host.call(work, seconds=60)


async def test_who_waits_for_a_while_only_is_let_go(host: HostConnection, busy: threading.Event) -> None:
    with pytest.raises(HostTimeout, match=r"^Host 'lab1' did not answer within 0.1 s$"):
        await host.call(lambda _hypervisor: busy.wait(), seconds=0.1)


async def test_what_is_urgent_is_not_behind_what_hangs(host: HostConnection, busy: threading.Event) -> None:
    hanging = asyncio.create_task(host.call(lambda _hypervisor: busy.wait()))
    queued = asyncio.create_task(host.call(Hypervisor.host_uuid))

    async with asyncio.timeout(20):
        assert await host.call(Hypervisor.host_uuid, lane=Lane.URGENT) is not None
    assert not hanging.done()
    assert not queued.done()

    busy.set()
    assert await queued is not None
    await hanging


async def test_a_host_that_hangs_keeps_no_other_from_working(lab_host: Host, busy: threading.Event) -> None:
    connections = HostConnections(threads=1)
    sick, sound = connections.of(1, "sick", lab_host.uri), connections.of(2, "sound", lab_host.uri)
    hanging = asyncio.create_task(sick.call(lambda _hypervisor: busy.wait()))

    async with asyncio.timeout(20):
        assert await sound.call(Hypervisor.host_uuid) is not None

    busy.set()
    await hanging
    connections.close()


async def test_whoever_waits_for_a_host_that_is_given_up_is_told(host: HostConnection, busy: threading.Event) -> None:
    hanging = asyncio.create_task(host.call(lambda _hypervisor: busy.wait()))
    queued = asyncio.create_task(host.call(Hypervisor.host_uuid))
    await host.call(Hypervisor.host_uuid, lane=Lane.URGENT)  # by now the others are in their queue

    host.close()
    busy.set()

    with pytest.raises(HostUnreachable, match="lab1"):
        await queued
    with pytest.raises(HostUnreachable, match="lab1"):
        await host.call(Hypervisor.host_uuid)
    await hanging


async def test_giving_up_a_host_that_hangs_takes_no_time(lab_host: Host) -> None:
    hung = HostConnection("hung", lab_host.uri, threads=1)
    lab_host.pause_libvirtd()
    try:
        opening = asyncio.create_task(hung.call(Hypervisor.host_uuid))
        await asyncio.sleep(0.1)

        closing = asyncio.to_thread(hung.close)
        async with asyncio.timeout(5):
            await closing
        assert not opening.done()
    finally:
        lab_host.continue_libvirtd()
    await asyncio.gather(opening, return_exceptions=True)  # either was quicker


async def test_a_server_keeps_its_connection_under_another_name(lab_host: Host) -> None:
    connections = HostConnections(threads=1)
    before = await connections.of(1, "before", lab_host.uri).call(lambda hypervisor: hypervisor)

    renamed = connections.of(1, "after", lab_host.uri)

    assert await renamed.call(lambda hypervisor: hypervisor) is before
    assert renamed.hostname == "after"
    connections.close()


async def test_a_server_at_another_uri_gets_another_connection(lab_host: Host) -> None:
    connections = HostConnections(threads=1)
    before = connections.of(1, "lab1", "qemu:///system?socket=/nonexistent/socket")

    after = connections.of(1, "lab1", lab_host.uri)

    assert await after.call(Hypervisor.host_uuid) is not None
    with pytest.raises(HostUnreachable):
        await before.call(Hypervisor.host_uuid)
    connections.close()


async def test_long_calls_keep_nobody_from_a_host(host: HostConnection, busy: threading.Event) -> None:
    def long(hypervisor: Hypervisor) -> Hypervisor:
        busy.wait(30)
        return hypervisor

    first, second, third = (asyncio.create_task(host.call(long, lane=Lane.LONG)) for _ in range(3))
    shared = await host.call(lambda hypervisor: hypervisor)

    assert not any(call.done() for call in (first, second, third))
    busy.set()
    assert len({shared, await first, await second, await third}) == 4, "each has a connection of its own"


async def test_a_long_call_to_a_host_that_is_not_there_names_it() -> None:
    nowhere = HostConnection("lost-host", "qemu:///system?socket=/nonexistent/socket", threads=1)

    with pytest.raises(HostUnreachable, match=r"^Host 'lost-host' is unreachable$"):
        await nowhere.call(Hypervisor.resources, lane=Lane.LONG)


class Thing:
    """What a call has at hand."""


async def test_an_error_holds_nothing_and_is_let_go_of_at_once(host: HostConnection, no_collector: None) -> None:
    known: list[weakref.ref[object]] = []

    def fails(_hypervisor: Hypervisor) -> None:
        thing = Thing()
        known.append(weakref.ref(thing))
        raise WrongState("it can't be")

    with pytest.raises(WrongState) as caught:
        await host.call(fails)
    assert known[0]() is None, "though the error is there still"
    known.append(weakref.ref(caught.value))
    del caught

    async def is_gone() -> bool:
        return known[1]() is None

    await eventually(is_gone, "nobody holds the error", 2)


async def test_the_error_of_a_task_is_let_go_of_with_the_task(host: HostConnection, no_collector: None) -> None:
    known: list[weakref.ref[object]] = []

    def fails(_hypervisor: Hypervisor) -> None:
        error = WrongState("it can't be")
        known.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    task = asyncio.create_task(host.call(fails))
    await asyncio.wait([task])
    assert isinstance(task.exception(), WrongState)
    del task

    async def is_gone() -> bool:
        return known[0]() is None

    await eventually(is_gone, "nobody holds the error", 2)
