# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams of a service in a process of its own: over its restart, and at its end."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.end_to_end.conftest import RunningService, eventually

pytestmark = pytest.mark.lab


def events(answer: httpx.Response) -> Iterator[dict[str, str]]:
    """The blocks of a stream that have an id, as they come; none more when it ends or breaks off."""
    block: dict[str, str] = {}
    try:
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                block[name] = value
            else:
                if "id" in block:
                    yield block
                block = {}
    except httpx.RemoteProtocolError:
        return


def follow(service: RunningService, **headers: str) -> Any:
    return service.client.stream("GET", "/api/events", params={"kind": "server.changed"}, headers=headers)


def change(service: RunningService, port: int) -> None:
    assert service.client.put("/api/servers/1", json={"ansible_port": port}).status_code == 200


@pytest.mark.rule("events")
@pytest.mark.parametrize("end", ["stop", pytest.param("kill", marks=pytest.mark.slow)])
def test_who_comes_again_after_a_restart_has_missed_nothing(service: RunningService, end: str) -> None:
    with follow(service) as answer, follow(service) as other:
        stream = events(answer)
        begun = next(stream)["id"]
        next(events(other))
        change(service, 1)
        seen = next(stream)
        change(service, 2)
        began = time.monotonic()
        getattr(service, end)()
        took = time.monotonic() - began
    service.start()
    change(service, 3)

    with follow(service, **{"Last-Event-ID": seen["id"]}) as answer:
        stream = events(answer)
        assert next(stream)["id"] == seen["id"]  # where it goes on, should it break off at once
        told = [json.loads(next(stream)["data"])["ansible_port"]]
        while told[-1] != 3:
            told.append(json.loads(next(stream)["data"])["ansible_port"])
    assert int(seen["id"]) > int(begun)
    assert list(dict.fromkeys(told)) == [2, 3]
    assert took < 15, "open streams hold a shutdown up, which would take 30 s"


@pytest.mark.slow
def test_a_client_that_does_not_read_holds_no_shutdown_up(service: RunningService) -> None:
    host, port = service.client.base_url.host, service.client.base_url.port
    assert port is not None
    with closing(sqlite3.connect(service.folder / "state/hostler.sqlite3")) as database, database:
        # more than all buffers between the service and its client hold
        database.executemany(
            "INSERT INTO event (at, kind, data) VALUES ('2030-01-01 00:00:00+00:00', 'vm.changed', ?)",
            [(json.dumps("x" * 10_000),)] * 2000,
        )
    database.close()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((host, port))
        authorization = service.client.headers["Authorization"]
        deaf.sendall(
            f"GET /api/events?last_event_id=1 HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\r\n".encode()
        )
        assert deaf.recv(15) == b"HTTP/1.1 200 OK"
        began = time.monotonic()
        service.stop()
        took = time.monotonic() - began
    service.start()

    assert took < 15, "it would be 30 s"


@pytest.mark.rule("stream-tickets")
def test_a_ticket_never_reaches_the_log(service: RunningService) -> None:
    ticket = service.post("/api/auth/ticket").json()["ticket"]
    bare = httpx.Client(base_url=service.client.base_url, trust_env=False, timeout=20)
    with bare, bare.stream("GET", f"/api/events?ticket={ticket}") as answer:
        assert answer.status_code == 200
        next(events(answer))
    assert httpx.get(f"{service.client.base_url}/api/events?ticket={ticket}", trust_env=False).status_code == 401

    eventually(lambda: service.log().count("path=/api/events") >= 2, "both requests are logged")
    assert ticket not in service.log()
    assert "hostler_ticket" not in service.log()
