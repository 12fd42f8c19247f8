# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that are none: bodies that no program sends, on every route that takes one, and HTTP that is broken.

The second half speaks to a server over a socket, byte by byte, because every HTTP client puts such things right.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from hostler.app import LARGEST_BODY
from hostler.http_protocol import LARGEST_HEAD, HttpProtocol
from tests.service.conftest import Headers
from tests.service.hostile.every_route import Answer, ask, operations
from tests.service.hostile.schema import Described
from tests.service.machines.lab_service import eventually

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}

# what is no JSON at all, or none that is taken: refused before anything else of the request is looked at
NOT_JSON = [
    b" ",
    b"{",
    b"}",
    b"{]",
    b"{'name': 'x'}",
    b'{"name": "x",}',
    b'{"name": x}',
    b'{"name": "x"} {}',
    b'{"name": "x"}\x00',
    b"{name: 1}",
    b"// comment\n{}",
    b'{"name": 01}',
    b'{"name": .5}',
    b'{"name": "\n"}',
    b'{"name": "\\x41"}',
    b'{"name": "\\u12"}',
    b'{"name": "\xff"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"9" * 5_000,
    b'{"name": ' + b"9" * 100_000 + b"}",
    b"name=x&server_id=1",
    b"<vm><name>x</name></vm>",
    b"name: x\n",
    b"\x80\x04\x95\x10.",
]

# what is JSON, and no body of anything
NO_BODY = [
    b"",
    b"null",
    b"true",
    b"0",
    b"-0",
    b"NaN",
    b"Infinity",
    b"1e999",
    b'""',
    b'"' + b"x" * 100_000 + b'"',
    b"[]",
    b"[{}]",
    b"[[[[]]]]",
    b'{"": 1}',
    b'{"\\u0000": 1}',
    b'{"\\ud800": 1}',
    b'{"__proto__": {"admin": true}}',
    b'{"no_such_field": 1}',
    b'{"no_such_field": NaN}',
    # other encodings of JSON are JSON, and a byte order mark is none of its characters
    '{"no_such_field": 1}'.encode("utf-16"),
    '{"no_such_field": 1}'.encode("utf-32-le"),
    '{"no_such_field": 1}'.encode("utf-8-sig"),
    b'{"no_such_field": ' + b"[" * 400 + b"]" * 400 + b"}",
    b'{"no_such_field": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"no_such_field": ' + b'{"a":' * 450 + b"1" + b"}" * 450 + b"}",
    json.dumps({f"field{number}": number for number in range(9_000)}).encode(),
    json.dumps({f"field{number}": number for number in range(20_000)}).encode(),
    b'{"name": "a", "name": "b", "name": {}, "no_such_field": 1}',
]

KINDS = [
    "",
    "text/plain",
    "text/json",
    "application/xml",
    "application/json-seq",
    "multipart/form-data",
    "x",
    "\xff",
    "/",
]


def assert_refused(answer: Answer, what: str, *statuses: int) -> None:
    said = f"{what}: {answer.status} {answer.content[:300]!r}"
    assert answer.status in statuses, said
    assert isinstance(answer.json()["detail"], str), said
    assert "\n" not in answer.json()["detail"], said
    assert len(answer.content) < 16384, said


@pytest.mark.parametrize("group", ["not JSON", "no body of anything"])
async def test_every_route_that_takes_a_body_refuses_what_is_none(
    app: FastAPI, all_headers: Headers, test_vm: dict[str, Any], group: str
) -> None:
    contents, statuses = (NOT_JSON, (422,)) if group == "not JSON" else (NO_BODY, (404, 422))
    described = Described(app.openapi())
    for method, path, operation in described.operations():
        if described.body_of(operation) is None:
            continue
        filled = path.replace("{vm_id}", str(test_vm["id"])).replace("{", "").replace("}", "")
        for name in ("server_id", "user_id", "token_id", "webhook_id", "delivery_id"):
            filled = filled.replace(name, "2147483647")
        for content in contents:
            answer = await ask(app, method, filled, {**all_headers, **JSON}, content)
            assert_refused(answer, f"{method} {path} with {content[:60]!r}", *statuses)


async def test_every_route_that_takes_json_takes_nothing_else(app: FastAPI, all_headers: Headers) -> None:
    described = Described(app.openapi())
    for method, path, operation in described.operations():
        schema = described.body_of(operation)
        if schema is None or set(operation["requestBody"]["content"]) != {"application/json"}:
            continue
        for kind in KINDS:
            headers = {**all_headers, **({"Content-Type": kind} if kind else {})}
            answer = await ask(app, method, path.replace("{", "").replace("}", ""), headers, b'{"no_such_field": 1}')
            # none of these paths has an id that anything has
            assert_refused(answer, f"{method} {path} as {kind!r}", 404, 415, 422, 503)


async def test_a_body_that_is_too_large_is_413_on_every_route_that_reads_one(
    app: FastAPI, all_headers: Headers
) -> None:
    described = Described(app.openapi())
    large = b'{"name": "' + b"x" * LARGEST_BODY + b'"}'
    tried = 0
    for method, path, operation in described.operations():
        if described.body_of(operation) is not None:
            answer = await ask(app, method, path.replace("{", "").replace("}", ""), {**all_headers, **JSON}, large)
            assert_refused(answer, f"{method} {path}", 413)
            tried += 1
    assert tried > 5


async def test_a_method_that_a_path_does_not_have_is_405_and_says_which_it_has(app: FastAPI) -> None:
    found = operations(app)
    for path in {operation.filled() for operation in found}:
        # a path without a parameter may be one that another path's parameter stands for, too
        known = {one.method for one in found if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", one.path), path)}
        for method in ("HEAD", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "CONNECT", "DELETE", "get", "G\u00cbT"):
            if method in known:
                continue
            answer = await ask(app, method, path, {}, b"{not json")
            assert answer.status == 405, f"{method} {path}: {answer.status}"
            if method != "HEAD":
                assert answer.json()["code"] == "method_not_allowed"
            assert set(answer.headers["allow"].replace(" ", "").split(",")) == known


async def test_a_path_with_a_slash_too_many_is_404_and_leads_nowhere(app: FastAPI) -> None:
    for operation in operations(app):
        answer = await ask(app, operation.method, operation.filled() + "/", {"Host": "evil.example"}, b"{}")
        assert (answer.status, answer.json()["code"]) == (404, "not_found"), f"{operation}"
        assert "location" not in answer.headers


async def _read(reader: asyncio.StreamReader, patience: float) -> bytes:
    try:
        async with asyncio.timeout(patience):
            return await reader.read(65536)
    except TimeoutError:
        return b""


class Wire:
    """A server on a socket, and what it says to bytes."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def say(self, content: bytes, patience: float = 0.5) -> bytes:
        """Send the bytes, and return all that comes back before the server hangs up.

        After ``patience`` seconds of silence the client says that nothing more will come.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        said = b""
        with contextlib.suppress(ConnectionError):  # it may hang up before it has read everything
            writer.write(content)
            await writer.drain()
        with contextlib.suppress(ConnectionError):
            while piece := await _read(reader, patience):
                said += piece
        with contextlib.suppress(OSError):
            writer.write_eof()
            while piece := await _read(reader, 10):
                said += piece
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return said

    async def lives(self) -> bool:
        """Whether a sound request is answered."""
        said = await self.say(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", patience=20)
        return said.startswith(b"HTTP/1.1 200 ")


class InOnePiece(HttpProtocol):
    """A connection on which all of a request comes in one piece, which is the kernel's affair."""

    size: int

    def data_received(self, data: bytes) -> None:
        self._held = getattr(self, "_held", b"") + data
        if len(self._held) == self.size:
            super().data_received(self._held)
            self._held = b""


@pytest.fixture
async def wire(app: FastAPI) -> AsyncIterator[Wire]:
    async with listening(app, HttpProtocol) as wire:
        yield wire


@contextlib.asynccontextmanager
async def listening(app: FastAPI, protocol: type[HttpProtocol]) -> AsyncIterator[Wire]:
    config = uvicorn.Config(
        app, port=0, http=protocol, lifespan="off", log_config=None, access_log=False, server_header=False
    )
    server = uvicorn.Server(config)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_no_signals(server))
        serving = asyncio.create_task(server.serve())

        async def has_started() -> bool:
            return server.started

        await eventually(has_started, "the server listens")
        yield Wire(server.servers[0].sockets[0].getsockname()[1])
        server.should_exit = True
        await serving


@contextlib.contextmanager
def _no_signals(server: uvicorn.Server) -> Any:
    # uvicorn takes SIGINT and SIGTERM over, which are pytest's
    assert threading.current_thread() is threading.main_thread()
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    yield


HEAD = b"Host: h\r\nConnection: close\r\n"


# the statuses that will do; 0 is a server that hangs up without a word
BROKEN: list[tuple[bytes, set[int]]] = [
    (b"GARBAGE\r\n\r\n", {400}),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {0, 400}),
    (b"GET / HTTP/9.9\r\n" + HEAD + b"\r\n", {400, 404, 505}),
    # RFC 9112, 3: a parser may take any run of white space in this line for one space
    (b"GET  /healthz HTTP/1.1\r\n" + HEAD + b"\r\n", {200, 400}),
    (b"GET /healthz\r\n\r\n", {0, 400}),
    (b"GET /healthz HTTP/1.1\r\n\r\n", {200, 400}),
    (b"GET http://evil/healthz HTTP/1.1\r\n" + HEAD + b"\r\n", {200, 400, 404}),
    (b"GET //healthz HTTP/1.1\r\n" + HEAD + b"\r\n", {404}),
    (b"GET /../../etc/passwd HTTP/1.1\r\n" + HEAD + b"\r\n", {404}),
    (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HEAD + b"\r\n", {404}),
    (b"GET /healthz%00 HTTP/1.1\r\n" + HEAD + b"\r\n", {422}),
    (b"GET /\xff\xfe HTTP/1.1\r\n" + HEAD + b"\r\n", {400, 404}),
    (b"GET /healthz?" + b"x" * 60_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", {200}),
    (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n", {0, 400, 431}),
    (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"X: y\r\n" * 50_000 + b"\r\n", {0, 400, 431}),
    (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"X\x00: y\r\n\r\n", {400}),
    (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"X: a\x00b\r\n\r\n", {200, 400}),
    (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"No colon\r\n\r\n", {400}),
    (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"Accept: application/xml;q=x, \xff\xfe, */\r\n\r\n", {200}),
    (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"Accept-Encoding: " + b"gzip," * 5000 + b"\r\n\r\n", {200}),
    (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"Range: bytes=0-0,-1,5-1\r\n\r\n", {200, 416}),
    (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"Expect: 200-maybe\r\n\r\n", {200, 417}),
    (b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", {200, 400, 403, 404}),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {0, 400, 404, 405, 505}),
    (b"OPTIONS * HTTP/1.1\r\n" + HEAD + b"\r\n", {400, 404, 405}),
    (b"CONNECT evil:443 HTTP/1.1\r\n" + HEAD + b"\r\n", {400, 404, 405}),
    (b"TRACE /healthz HTTP/1.1\r\n" + HEAD + b"Authorization: secret\r\n\r\n", {405}),
    (b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Content-Length: -1\r\n\r\n{}", {400}),
    (b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Content-Length: 1e3\r\n\r\n{}", {400}),
    (b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}", {0, 400, 413}),
    (b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", {400}),
    (b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Content-Length: 100\r\n\r\n{}", {0}),
    (
        b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
        b"0\r\n\r\nGET /openapi.json HTTP/1.1\r\nHost: h\r\n\r\n",
        {400, 422},
    ),
    (b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    (b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n", {400}),
    (
        b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        {0, 400},
    ),
    (b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", {422}),
]


async def test_broken_http_is_refused_and_the_service_lives_on(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    for content, statuses in BROKEN:
        # what is answered at all is waited for, however busy the machine is
        said = await wire.say(content, patience=0.5 if 0 in statuses else 20)

        what = f"{content[:120]!r}: {said[:300]!r}"
        status = int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else 0
        assert status in statuses, what
        if HEAD in content:  # and whatever is smuggled in its body, one request has one answer
            assert said.count(b"HTTP/1.1 ") <= 1, what
        assert b"Traceback" not in said, what
        assert b"secret" not in said, what
        assert await wire.lives(), what
    assert "Traceback" not in capsys.readouterr().out


async def test_a_head_that_never_ends_is_cut_off_and_one_after_a_body_is_counted_anew(wire: Wire) -> None:
    endless = b"GET /healthz HTTP/1.1\r\nHost: h\r\nX: "
    assert (await wire.say(endless + b"y" * (LARGEST_HEAD + 2**20), patience=20)).startswith(b"HTTP/1.1 400 ")
    assert (await wire.say(endless + b"y\r\nX: " * LARGEST_HEAD, patience=20)).startswith(b"HTTP/1.1 400 ")

    body = b"x" * (LARGEST_HEAD * 2)
    post = b"POST /api/auth/refresh HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    last = b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"
    said = await wire.say(post + body + post + body + last, patience=20)
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"422", b"422", b"200"]


async def test_a_body_that_ends_in_one_large_piece_is_not_taken_for_a_head(app: FastAPI) -> None:
    body = b"x" * LARGEST_HEAD
    post = b"POST /api/auth/refresh HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    InOnePiece.size = len(post + body)

    async with listening(app, InOnePiece) as wire:
        said = await wire.say(post + body, patience=20)

    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"422"]


async def test_a_large_body_that_is_announced_is_413_though_nothing_of_it_comes(wire: Wire) -> None:
    announced = b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Content-Type: application/json\r\n"

    said = await wire.say(announced + b"Content-Length: 99999999999\r\n\r\n", patience=20)

    assert said.startswith(b"HTTP/1.1 413 "), said[:200]


async def test_a_large_body_in_chunks_is_413_without_being_read_to_its_end(wire: Wire) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    endless = b"POST /api/auth/refresh HTTP/1.1\r\n" + HEAD + b"Content-Type: application/json\r\n"
    endless += b"Transfer-Encoding: chunked\r\n\r\n" + chunk * (LARGEST_BODY // 0x10000 + 2)

    said = await wire.say(endless, patience=20)

    assert said.startswith(b"HTTP/1.1 413 "), said[:200]
    assert b'"detail":"The body of the request is too large"' in said


async def test_clients_that_never_finish_keep_nobody_from_being_served(wire: Wire) -> None:
    started = (
        b"POST /api/auth/refresh HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    )
    slow = [await asyncio.open_connection("127.0.0.1", wire.port) for _ in range(50)]
    for _, writer in slow:
        writer.write(started)
        await writer.drain()

    assert await wire.lives()

    for _, writer in slow:
        writer.close()
        await writer.wait_closed()
    assert await wire.lives()
