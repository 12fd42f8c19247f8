# SPDX-License-Identifier: GPL-3.0-or-later
"""How the service listens."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from hostler.errors import OperatorError
from hostler.server import listen
from hostler.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_no_answer_s_body_waits_for_the_acknowledgement_of_its_headers(settings: Settings, host: str) -> None:
    seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        seen.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with contextlib.closing(listen(settings.model_copy(update={"host": host, "port": 0}))) as listener:
        port = listener.getsockname()[1]
        # asyncio's own loop, for uvloop, where it is there, does this to every socket
        async with await asyncio.start_server(greet, sock=listener):
            _, writer = await asyncio.open_connection(host, port)
            assert await seen == 1
            writer.close()


async def test_an_address_that_is_taken_is_named(settings: Settings) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(OperatorError, match=rf"can't listen on 127\.0\.0\.1 port {port}: Address already in use"):
            listen(settings.model_copy(update={"host": "127.0.0.1", "port": port}))
