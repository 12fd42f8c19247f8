# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads and deletes that are asked for again, or whose cancel comes too late: each is done once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import ClientDisconnect

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image_upload import Uploaded
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import VolumeFacts
from hostler.hosts.models import Server
from hostler.images import actions
from hostler.images.conveyor import Conveyor
from hostler.jobs.models import Job
from tests.service.images.test_upload import MIB, names, never, slowly, upload

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


@pytest.mark.rule("idempotency")
async def test_an_upload_under_its_key_is_one_and_its_repeat_reads_nothing(
    api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    key = {"Idempotency-Key": "nightly build 7"}
    sha256 = hashlib.sha256(bytes(MIB)).hexdigest()

    first, meanwhile = await asyncio.gather(
        *(upload(api, server, "once.raw", slowly(bytes(MIB)), headers=key, sha256=sha256) for _ in range(2))
    )
    again = await upload(api, server, "once.raw", never(), headers=key, sha256=sha256)

    assert (first.status_code, meanwhile.status_code, again.status_code) == (201, 201, 201), again.text
    assert first.json() == meanwhile.json() == again.json()
    assert await Job.filter(action="image_upload").count() == 1
    other = await upload(api, server, "other.raw", never(), headers=key, sha256=sha256)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    unkeyed = await upload(api, server, "once.raw", never(), sha256=sha256)
    assert (unkeyed.status_code, unkeyed.json()["code"]) == (409, "name_taken")
    assert "other.raw" not in names(folder)


@pytest.mark.rule("idempotency")
async def test_an_upload_whose_bytes_did_not_come_is_made_anew_under_its_key(
    api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    key = {"Idempotency-Key": "again"}

    async def cut() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        raise ClientDisconnect

    first = await upload(api, server, "cut.raw", cut(), headers=key)
    again = await upload(api, server, "cut.raw", slowly(bytes(MIB)), headers=key)

    assert (first.status_code, first.json()["code"]) == (400, "upload_cut_off")
    assert again.status_code == 201, again.text
    assert (await upload(api, server, "cut.raw", never(), headers=key)).json() == again.json()
    assert (await api.delete(f"/api/images/{again.json()['id']}")).status_code == 200
    assert (await upload(api, server, "cut.raw", never(), headers=key)).json() == again.json(), "the first answer"


@pytest.mark.rule("idempotency")
async def test_a_delete_under_its_key_is_answered_again_when_its_image_is_gone(
    api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    image = (await upload(api, server, "gone.raw", bytes(MIB))).json()
    key = {"Idempotency-Key": "k"}

    first, again = [await api.delete(f"/api/images/{image['id']}", headers=key) for _ in range(2)]

    assert (first.status_code, again.status_code) == (200, 200), again.text
    assert again.json() == first.json()
    assert await Job.filter(action="image_delete").count() == 1
    assert (await api.delete(f"/api/images/{image['id']}")).status_code == 404
    other = await api.delete(f"/api/images/{image['id'] + 1}", headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert "gone.raw" not in names(folder)


async def test_an_upload_that_is_done_by_the_time_its_cancel_is_heard_is_done() -> None:
    done = Uploaded(VolumeFacts("a", "/a", "raw", 1, 1, None), {}, 1)

    async def ends_all_the_same() -> Uploaded:
        await asyncio.sleep(0.1)
        return done

    writing = asyncio.create_task(actions._whole(ends_all_the_same(), Conveyor(largest=1)))
    await asyncio.sleep(0)
    writing.cancel()

    assert await writing is done
