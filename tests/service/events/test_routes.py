# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/events``: what changes, to whoever listens, once and in order."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tortoise.transactions import in_transaction

from hostler.accounts import api_tokens, users
from hostler.accounts.models import ApiToken, User
from hostler.events import feed, streams
from hostler.events.models import Event
from hostler.events.record import Kind, record_server, record_vms
from hostler.events.retention import prune_events
from hostler.hosts import actions
from hostler.hosts.models import Server
from hostler.machines.forgetting import forget
from hostler.machines.models import Machine
from tests.service.conftest import Headers, MakeUser, log_in
from tests.service.events.conftest import new_machine
from tests.service.events.stream import opened

pytestmark = pytest.mark.anyio


async def change(machine: Machine, **fields: Any) -> None:
    """Change a VM as the service does: the row, and an event beside it."""
    async with in_transaction():
        await Machine.filter(id=machine.id).update(**fields)
        await record_vms(Kind.VM_CHANGED, [machine.id])


@pytest.mark.rule("events")
async def test_a_stream_begins_now_and_says_what_each_change_has_made(
    app: FastAPI, api: httpx.AsyncClient, read_headers: Headers, machine: Machine
) -> None:
    await change(machine, status="running")
    async with opened(app, headers=read_headers) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        assert "content-length" not in stream.headers
        first = await stream.block()
        assert (first.id, first.event, first.data) == ("1", "begin", {})
        await change(machine, status="paused")

        told = await stream.event()

    assert (told.id, told.event) == ("2", "vm.changed")
    assert told.data == (await api.get(f"/api/vms/{machine.id}")).json()
    assert told.data["status"] == "paused"


async def test_vms_and_servers_come_change_and_go(
    app: FastAPI, api: httpx.AsyncClient, read_headers: Headers, known_server: Server
) -> None:
    async with opened(app, headers=read_headers) as stream:
        other = await actions.register({"hostname": "other", "libvirt_uri": "qemu+tls://192.0.2.8/system"})
        await actions.change(other, {"enabled": False})
        shown = (await api.get(f"/api/servers/{other.id}")).json()
        await actions.remove(other, ())
        machine = await new_machine(known_server, "fleeting")
        await forget(machine.id)
        await forget(machine.id)
        await change(await new_machine(known_server, "lasting"), status="running")

        told = [await stream.event() for _ in range(5)]

    assert [one.event for one in told] == [
        "server.created",
        "server.changed",
        "server.deleted",
        "vm.deleted",
        "vm.changed",
    ]
    assert told[1].data == shown == told[2].data
    assert told[3].data["name"] == "fleeting"


async def test_what_is_rolled_back_is_told_to_nobody(
    app: FastAPI, read_headers: Headers, machine: Machine, known_server: Server
) -> None:
    async with opened(app, headers=read_headers) as stream:
        with pytest.raises(ZeroDivisionError):
            async with in_transaction():
                await record_vms(Kind.VM_CHANGED, [machine.id])
                raise ZeroDivisionError
        with pytest.raises(ZeroDivisionError):
            async with in_transaction():
                async with in_transaction():
                    await record_vms(Kind.VM_CHANGED, [machine.id])
                raise ZeroDivisionError
        async with in_transaction():
            await record_server(Kind.SERVER_CHANGED, known_server.id)

        assert (await stream.event()).event == "server.changed"

    assert await Event.all().count() == 1


@pytest.mark.rule("events")
async def test_who_comes_again_misses_nothing_and_gets_nothing_twice(
    app: FastAPI, read_headers: Headers, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_PAGE", 10)
    async with opened(app, headers=read_headers) as stream:
        await change(machine, memory_mb=1)
        last = await stream.event()
    for size in range(2, 45):
        await change(machine, memory_mb=size)

    async with opened(app, headers={**read_headers, "Last-Event-ID": last.id}) as stream:
        await change(machine, memory_mb=45)
        told = [await stream.event() for _ in range(44)]

    assert [one.data["resources"]["memory_mb"] for one in told] == list(range(2, 46))
    assert [int(one.id) for one in told] == list(range(int(last.id) + 1, int(last.id) + 45))


async def test_the_header_counts_more_than_the_address_of_the_first_time(
    app: FastAPI, read_headers: Headers, machine: Machine
) -> None:
    for size in (1, 2, 3):
        await change(machine, memory_mb=size)

    async with opened(app, headers=read_headers, last_event_id=1) as stream:
        assert (await stream.event()).id == "2"
    async with opened(app, headers={**read_headers, "Last-Event-ID": "2"}, last_event_id=1) as stream:
        assert (await stream.event()).id == "3"


async def test_an_event_that_comes_while_history_is_sent_comes_after_it(
    app: FastAPI, read_headers: Headers, machine: Machine
) -> None:
    for size in range(1, 20):
        await change(machine, memory_mb=size)
    async with opened(app, headers=read_headers, last_event_id=0) as stream:
        stream.reads.clear()
        for size in range(20, 40):
            await change(machine, memory_mb=size)
        stream.reads.set()

        told = [await stream.event() for _ in range(39)]

    assert [one.data["resources"]["memory_mb"] for one in told] == list(range(1, 40))


@pytest.mark.rule("events")
async def test_who_was_away_for_longer_than_events_are_kept_is_told_to_load_all_anew(
    app: FastAPI, read_headers: Headers, machine: Machine
) -> None:
    for size in range(1, 6):
        await change(machine, memory_mb=size)
    await Event.filter(id__lte=3).delete()

    for known in (0, 2, 6, 2**62):
        async with opened(app, headers=read_headers, last_event_id=known) as stream:
            first = await stream.event()
        assert (first.event, first.id) == ("reset", "5"), known
        assert "load everything anew" in first.data["reason"]
    async with opened(app, headers=read_headers, last_event_id=3) as stream:
        assert [(await stream.event()).id for _ in range(2)] == ["4", "5"]
    async with opened(app, headers=read_headers, last_event_id=5) as stream:
        await change(machine, memory_mb=7)
        assert (await stream.event()).id == "6"


async def test_only_what_is_wanted_comes(
    app: FastAPI, read_headers: Headers, machine: Machine, known_server: Server
) -> None:
    other = await new_machine(known_server, "other")
    elsewhere = await Server.create(hostname="elsewhere", libvirt_uri="qemu+tls://192.0.2.7/system", enabled=False)

    async def happen() -> None:
        async with in_transaction():
            await record_server(Kind.SERVER_CHANGED, elsewhere.id)
            await record_server(Kind.SERVER_CHANGED, known_server.id)
            await record_vms(Kind.VM_CHANGED, [other.id])
            await record_vms(Kind.VM_CREATED, [machine.id])

    for query, expected in (
        ({"kind": "vm.created"}, ["vm.created"]),
        ({"kind": ["vm.created", "server.changed"]}, ["server.changed", "server.changed", "vm.created"]),
        ({"vm_id": other.id}, ["vm.changed"]),
        ({"server_id": elsewhere.id}, ["server.changed"]),
        ({"server_id": known_server.id, "kind": "vm.changed"}, ["vm.changed"]),
        ({}, ["server.changed", "server.changed", "vm.changed", "vm.created"]),
    ):
        async with opened(app, headers=read_headers, **query) as stream:
            await happen()
            assert [(await stream.event()).event for _ in expected] == expected
        last = await Event.all().order_by("-id").first()
        assert last is not None
        async with opened(app, headers=read_headers, last_event_id=last.id - 4, **query) as stream:
            assert [(await stream.event()).event for _ in expected] == expected


async def test_a_parameter_that_makes_no_sense_is_named(api: httpx.AsyncClient) -> None:
    for name, value, field in (
        ("kind", "vm.eaten", "kind.0"),
        ("vm_id", "0", "vm_id"),
        ("server_id", "x", "server_id"),
        ("last_event_id", "-1", "last_event_id"),
    ):
        answer = await api.get("/api/events", params={name: value})
        assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (422, [field])
    answer = await api.get("/api/events", headers={"Last-Event-ID": "yesterday"})
    assert answer.status_code == 422


async def test_an_idle_stream_beats_and_its_id_moves_on_past_what_it_did_not_want(
    app: FastAPI, read_headers: Headers, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostler.events.routes.HEARTBEAT_SECONDS", 0.05)
    async with opened(app, headers=read_headers, kind="job.created") as stream:
        assert (await stream.block()).id == "0"
        await change(machine, memory_mb=1)
        while (beat := await stream.block()).id == "0":
            assert beat.comment == "heartbeat"

    assert (beat.comment, beat.id, beat.event) == ("heartbeat", "1", "")


async def test_what_another_process_writes_is_seen_within_a_second(
    app: FastAPI, read_headers: Headers, known_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(app, headers=read_headers) as stream:
        await stream.block()
        with monkeypatch.context() as patch:  # as in a process that nobody here is told of
            patch.setattr("hostler.database.commits._listeners", [])
            async with in_transaction():
                await record_server(Kind.SERVER_CHANGED, known_server.id)

        assert (await stream.event()).event == "server.changed"


async def test_who_does_not_keep_up_is_let_go_and_told_so(
    app: FastAPI, read_headers: Headers, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "LONGEST_QUEUE", 5)
    async with opened(app, headers=read_headers) as slow, opened(app, headers=read_headers) as quick:
        await slow.block()
        slow.reads.clear()
        for size in range(1, 21):
            await change(machine, memory_mb=size)
            await quick.event()
        slow.reads.set()
        left = await slow.rest()

    assert left[-1].comment == "too slow: come again with the last id"
    assert len(left) < 20
    # and comes again with the last id that it got
    last = next((one.id for one in reversed(left) if one.id), "0")
    async with opened(app, headers={**read_headers, "Last-Event-ID": last}) as stream:
        assert (await stream.event()).id == str(int(last) + 1)


async def test_who_does_not_read_at_all_is_given_up(
    app: FastAPI, read_headers: Headers, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SEND_SECONDS", 0.1)
    monkeypatch.setattr(streams, "_GOODBYE_SECONDS", 0.1)
    async with opened(app, headers=read_headers) as stream:
        await stream.block()
        stream.reads.clear()
        await change(machine, memory_mb=1)
        async with asyncio.timeout(5):
            await asyncio.wait([stream.answering])

        assert stream.answering.done()


class TestEnds:
    """A stream ends with what it stands on."""

    @pytest.fixture(autouse=True)
    def quick_checks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)

    async def ends(self, app: FastAPI, headers: Headers, undo: Any) -> None:
        async with opened(app, headers=headers) as stream:
            assert (await stream.block()).id != ""
            await asyncio.sleep(0.2)
            assert not stream.answering.done()
            await undo()
            assert await stream.rest() == []
        async with opened(app, headers=headers) as stream:
            assert stream.status in (401, 403)

    async def test_a_token_that_is_revoked(self, app: FastAPI, read_headers: Headers) -> None:
        token = await ApiToken.get()
        await self.ends(app, read_headers, lambda: api_tokens.revoke_token(token))

    async def test_a_user_that_is_disabled(self, app: FastAPI, read_headers: Headers) -> None:
        reader = await User.get(username="reader")
        await self.ends(app, read_headers, lambda: users.change_user(reader.id, enabled=False))

    async def test_a_permission_that_is_taken_away(self, app: FastAPI, read_headers: Headers) -> None:
        reader = await User.get(username="reader")
        await self.ends(app, read_headers, lambda: users.change_user(reader.id, permissions=[]))

    async def test_a_session_that_logs_out(self, app: FastAPI, client: httpx.AsyncClient, make_user: MakeUser) -> None:
        await make_user("ada", "read")
        form = {"username": "ada", "password": "correct horse battery"}
        pair = (await client.post("/api/auth/login", data=form)).json()

        async def log_out() -> None:
            body = {"refresh_token": pair["refresh_token"]}
            assert (await client.post("/api/auth/logout", json=body)).status_code == 200

        await self.ends(app, {"Authorization": f"Bearer {pair['access_token']}"}, log_out)

    async def test_a_stranger_has_none(self, app: FastAPI, make_user: MakeUser, client: httpx.AsyncClient) -> None:
        await make_user("nobody")
        for headers, status in (({}, 401), (await log_in(client, "nobody", "correct horse battery"), 403)):
            async with opened(app, headers=headers, kind="nonsense") as stream:
                assert stream.status == status


async def test_all_streams_end_at_once_when_the_service_does(app: FastAPI, read_headers: Headers) -> None:
    async with opened(app, headers=read_headers) as one, opened(app, headers=read_headers) as other:
        await one.block()
        await other.block()
        app.state.streams.close()

        assert await one.rest() == []
        assert await other.rest() == []
        async with opened(app, headers=read_headers) as late:
            assert late.status == 503


async def test_five_hundred_listeners_cost_one_reader(
    app: FastAPI, read_headers: Headers, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    read = feed.EventReader.read

    async def counted(self: Any, limit: int) -> Any:
        nonlocal reads
        reads += 1
        return await read(self, limit)

    monkeypatch.setattr(feed.EventReader, "read", counted)
    listeners = [feed.Listener(feed.Wanted()) for _ in range(500)]
    everything: feed.Feed = app.state.streams.feed
    async with everything.joined():
        with _all(everything, listeners):
            before = reads
            await change(machine, memory_mb=1)
            told = await asyncio.gather(*(listener.take(5) for listener in listeners))
            assert reads - before <= 3
    assert {len(events) for events in told} == {1}
    assert len({id(events[0]) for events in told}) == 1, "each is made once"


def _all(everything: feed.Feed, listeners: list[feed.Listener]) -> Any:
    stack = contextlib.ExitStack()
    for listener in listeners:
        stack.enter_context(everything.listening(listener))
    return stack


class TestRetention:
    """Events are kept for days."""

    async def test_old_ones_go_and_the_newest_stays(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hostler.events.retention.BATCH", 2)
        for size in range(1, 8):
            await change(machine, memory_mb=size)
        await prune_events(7)
        assert await Event.all().count() == 7
        days_ago = (await Event.all().order_by("-id"))[0].at.replace(year=2020)
        await Event.filter(id__lte=5).update(at=days_ago)

        await prune_events(7)

        assert await Event.all().order_by("id").values_list("id", flat=True) == [6, 7]
        await Event.all().update(at=days_ago)
        await prune_events(7)
        await prune_events(7)
        assert await Event.all().values_list("id", flat=True) == [7]
