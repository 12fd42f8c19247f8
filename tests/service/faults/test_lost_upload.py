# SPDX-License-Identifier: GPL-3.0-or-later
"""An upload whose host is lost at its very last step: nobody can tell whether that step was taken."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.images.models import UploadMark
from hostler.jobs.models import Job
from lab.gate import Gate
from lab.host import Host
from tests.service.faults.actions import ACTIONS, IMAGE, assert_one_truth, settled
from tests.service.machines.lab_service import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

DELETE_VOLUME = 94  # in libvirt's protocol; an upload calls it once, for its mark


@pytest.mark.parametrize("delivered", [True, False], ids=["which was taken", "which was not taken"])
async def test_an_upload_whose_host_is_lost_at_its_last_step_is_done(
    api: httpx.AsyncClient, server: Server, gate: Gate, clean_host: Host, delivered: bool
) -> None:
    images = Path(clean_host.layout.pools["images"])

    def marks() -> list[Path]:
        return list(images.glob(f".{IMAGE}*"))

    gate.fail_at(1, gate.cut, procedure=DELETE_VOLUME, deliver=delivered)

    answer = await ACTIONS["upload"].ask(api, {"server": {"id": server.id}})

    assert gate.calm()
    assert answer.status_code == 201, answer.text
    assert (await Job.get(action="image_upload")).state == "succeeded"

    async def is_unmarked() -> bool:
        return not marks() and not await UploadMark.exists()

    await eventually(is_unmarked, "the mark is gone, and nobody looks for it any more")
    await settled(server)
    await assert_one_truth(clean_host)
    assert (images / IMAGE).stat().st_size == 512 * 5860
    assert (await api.delete(f"/api/images/{answer.json()['id']}")).status_code == 200
