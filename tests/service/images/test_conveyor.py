# SPDX-License-Identifier: GPL-3.0-or-later
"""From the event loop to a thread: every byte in its order, few at a time, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from starlette.requests import ClientDisconnect

from hostler.errors import BadRequest, TooLarge
from hostler.images.conveyor import Conveyor

pytestmark = pytest.mark.anyio

MIB = 1024**2


async def source(*pieces: bytes, then: BaseException | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if then is not None:
        raise then


async def taken(conveyor: Conveyor) -> list[bytes]:
    """What a thread gets."""
    return await asyncio.to_thread(lambda: list(conveyor))


async def test_every_byte_arrives_in_its_order() -> None:
    content = os.urandom(3 * MIB + 17)
    pieces = [content[start : start + 65536] for start in range(0, len(content), 65536)]
    conveyor = Conveyor(largest=len(content))

    _, got = await asyncio.gather(conveyor.carry(source(b"", *pieces, b"")), taken(conveyor))

    assert b"".join(got) == content
    assert len(got) < len(pieces) / 2, "small pieces travel together"


async def test_no_more_is_read_than_a_slow_thread_has_room_for() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += MIB
            yield bytes(MIB)

    conveyor = Conveyor(largest=10**12)
    carrying = asyncio.create_task(conveyor.carry(endless()))
    await asyncio.sleep(0.1)
    at_rest = read
    await asyncio.sleep(0.1)

    assert read == at_rest <= 16 * MIB
    await asyncio.to_thread(next, iter(conveyor))
    await asyncio.to_thread(next, iter(conveyor))
    await asyncio.sleep(0.1)
    assert read > at_rest
    conveyor.stop()
    await asyncio.wait([carrying])


async def test_one_byte_too_many_is_too_many() -> None:
    fits, does_not = Conveyor(largest=MIB), Conveyor(largest=MIB - 1)

    await fits.carry(source(bytes(MIB)))
    await does_not.carry(source(bytes(MIB)))

    assert [len(piece) for piece in await taken(fits)] == [MIB]
    with pytest.raises(TooLarge, match="largest_image_gb"):
        await taken(does_not)


async def test_who_sends_a_byte_now_and_then_has_stalled() -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.05)

    conveyor = Conveyor(largest=MIB, idle_seconds=0.3)

    await asyncio.gather(conveyor.carry(drip()))

    with pytest.raises(BadRequest, match=r"Less than 256 KiB of the image came in 0\.3 s"):
        await taken(conveyor)


@pytest.mark.parametrize("gone", [ClientDisconnect(), OSError("what nobody expected")])
async def test_a_client_that_goes_away_is_told_where_its_bytes_are_taken(gone: Exception) -> None:
    conveyor = Conveyor(largest=MIB)

    _, got = await asyncio.gather(conveyor.carry(source(b"some", then=gone)), taken(conveyor), return_exceptions=True)

    assert isinstance(got, BadRequest)
    assert got.code == "upload_cut_off"


async def test_a_client_that_sends_nothing_is_waited_for_no_longer_than_that() -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"some"
        await asyncio.sleep(3600)

    conveyor = Conveyor(largest=MIB, idle_seconds=0.05)

    _, got = await asyncio.gather(conveyor.carry(stalled()), taken(conveyor), return_exceptions=True)

    assert isinstance(got, BadRequest)
    assert got.code == "upload_stalled"


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_whoever_waits_is_let_go_when_it_ends(how: str) -> None:
    async def silent() -> AsyncIterator[bytes]:
        await asyncio.sleep(3600)
        yield b""

    conveyor = Conveyor(largest=MIB)
    carrying = asyncio.create_task(conveyor.carry(silent()))
    taking = asyncio.create_task(taken(conveyor))
    await asyncio.sleep(0.05)

    if how == "stop":
        conveyor.stop()
    else:
        carrying.cancel()

    async with asyncio.timeout(10):
        with pytest.raises(BadRequest):
            await taking
        await asyncio.wait([carrying])
