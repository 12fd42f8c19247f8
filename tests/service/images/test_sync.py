# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of images follow the hosts, and what was cut off is put right."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image import mark_of
from hostler.events.models import Event
from hostler.hosts.models import Server
from hostler.images.marks import expect_mark
from hostler.images.models import Image, ImageAction, UploadMark
from hostler.images.recovery import recover
from hostler.images.sync import sync_images
from hostler.jobs.ledger import Order, open_host_job
from hostler.jobs.models import Executor, Job
from hostler.machines.models import Machine
from hostler.permission import Caller, Credential
from lab.host import Host
from tests.service.conftest import MakeUser
from tests.service.machines.lab_service import create, engine_of, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


async def listed(api: httpx.AsyncClient) -> dict[str, int]:
    """Ids of the images by their names."""
    return {image["name"]: image["id"] for image in (await api.get("/api/images?per_page=100")).json()["items"]}


async def refresh(api: httpx.AsyncClient, server: Server) -> None:
    assert (await api.post(f"/api/servers/{server.id}/refresh")).status_code == 200


async def again(app: FastAPI, server: Server) -> None:
    """The cheap comparison, as the watch makes it by the clock."""
    await sync_images(server, engine_of(app).host(server))


async def test_a_servers_images_are_there_when_it_is_first_reached(api: httpx.AsyncClient, server: Server) -> None:
    async def is_there() -> bool:
        return "tiny.qcow2" in await listed(api)

    await eventually(is_there, "the image of the pool is listed")
    # another test of the run may have had the lab get a Debian, too
    (image,) = [one for one in (await api.get("/api/images")).json()["items"] if one["name"] == "tiny.qcow2"]
    assert (image["server"], image["format"], image["pool"]) == (
        {"id": server.id, "hostname": "lab1"},
        "qcow2",
        "images",
    )
    assert image["size_gb"] == 0.048


async def test_what_is_put_there_by_hand_appears_and_what_goes_goes_and_ids_stay(
    app: FastAPI, api: httpx.AsyncClient, server: Server, folder: Path, clean_host: Host
) -> None:
    (folder / "by-hand.raw").write_bytes(bytes(1024))
    (folder / "notes.txt").write_text("not an image\n")
    await refresh(api, server)
    before = await listed(api)
    assert set(before) - {"debian.qcow2"} == {"tiny.qcow2", "by-hand.raw"}
    clean_host.virsh("vol-create-as", "images", "by-virsh.raw", "1M", "--format", "raw")

    await again(app, server)  # what libvirt has been told of needs no refresh
    after = await listed(api)
    assert after == {**before, "by-virsh.raw": after["by-virsh.raw"]}
    (folder / "by-hand.raw").write_bytes(bytes(2048))
    await refresh(api, server)
    assert await listed(api) == after
    assert (await Image.get(name="by-hand.raw")).capacity == 2048

    (folder / "by-hand.raw").unlink()
    clean_host.virsh("vol-delete", "by-virsh.raw", "--pool", "images")
    await refresh(api, server)
    assert await listed(api) == {name: number for name, number in before.items() if name != "by-hand.raw"}


async def test_disks_are_no_images_where_both_lie_in_one_pool(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, tmp_path: Path
) -> None:
    await Server.filter(id=server.id).update(image_pool="default")
    await server.refresh_from_db()
    image = (await api.post(f"/api/images?server_id={server.id}&name=base.raw", content=bytes(1024))).json()
    assert image["pool"] == "default"
    vm = await create(api, server, "ours", image="base.raw")
    clean_host.virsh("vol-create-as", "default", "theirs.qcow2", "1M", "--format", "qcow2")
    file = tmp_path / "domain.xml"
    file.write_text(
        f"<domain type='qemu'><name>theirs</name><uuid>{uuid.uuid4()}</uuid><memory>65536</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>"
        f"<disk type='file' device='disk'><source file='{clean_host.layout.pools['default']}/theirs.qcow2'/>"
        "<target dev='vda'/></disk></devices></domain>"
    )
    clean_host.virsh("define", file)

    for compare in (again(app, server), refresh(api, server), again(app, server)):
        await compare
        assert await listed(api) == {"base.raw": image["id"]}

    await api.delete(f"/api/vms/{vm['id']}?delete_disks=false")
    clean_host.virsh("undefine", "theirs")
    await refresh(api, server)
    assert set(await listed(api)) == {"base.raw", "theirs.qcow2"}, "the disk of a VM of ours is one without it, too"


async def test_another_image_pool_has_other_images(app: FastAPI, api: httpx.AsyncClient, server: Server) -> None:
    async def has_none() -> bool:
        return not await listed(api)

    await refresh(api, server)
    assert await listed(api)
    await Server.filter(id=server.id).update(image_pool="default")

    await again(app, server)

    assert not await listed(api)


async def test_a_pool_that_cannot_be_read_changes_nothing_and_keeps_no_vm_from_being_watched(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    await refresh(api, server)
    before = await listed(api)
    clean_host.virsh("pool-destroy", "images")
    try:
        await refresh(api, server)
        await again(app, server)
        assert await listed(api) == before
        clean_host.virsh("vol-create-as", "default", "x.raw", "1M")
    finally:
        clean_host.virsh("pool-start", "images")
    await again(app, server)
    assert await listed(api) == before
    await Server.filter(id=server.id).update(image_pool="nowhere")
    await refresh(api, server)
    assert not await listed(api), "images of a pool that is no longer its image pool"
    assert await Machine.all().count() == 0


async def test_comparing_at_the_same_time_makes_no_row_twice(
    app: FastAPI, api: httpx.AsyncClient, server: Server, folder: Path, clean_host: Host
) -> None:
    for number in range(5):
        (folder / f"{number}.raw").write_bytes(bytes(1024))
    clean_host.virsh("pool-refresh", "images")

    await asyncio.gather(*(again(app, server) for _ in range(6)))

    assert sorted(await listed(api)) == [*(f"{number}.raw" for number in range(5)), "tiny.qcow2"]


async def of_another_process(make_user: MakeUser, server: Server, action: ImageAction, name: str) -> Job:
    """A running job whose service was killed."""
    user = await make_user("killed", "write")
    caller = Caller(user.id, user.username, frozenset(), Credential.SESSION)
    order = Order(action.value, Executor.DIRECT, caller, {"pool": "images", "name": name})
    job = await open_host_job(order, server.id)
    if action == ImageAction.UPLOAD:
        await expect_mark(job, server, "images", name)
    await Job.filter(id=job.id).update(lease_owner="elsewhere:1:x")
    return job


@pytest.mark.parametrize(
    ("action", "left", "state", "stays"),
    [
        (ImageAction.UPLOAD, ["a.raw", mark_of("a.raw")], "failed", False),
        (ImageAction.UPLOAD, [mark_of("a.raw")], "failed", False),
        (ImageAction.UPLOAD, [], "failed", False),
        (ImageAction.UPLOAD, ["a.raw"], "succeeded", True),
        (ImageAction.DELETE, ["a.raw"], "failed", True),
        (ImageAction.DELETE, [], "succeeded", False),
    ],
)
async def test_a_job_whose_service_was_killed_is_settled(
    app: FastAPI,
    server: Server,
    folder: Path,
    clean_host: Host,
    make_user: MakeUser,
    action: ImageAction,
    left: list[str],
    state: str,
    stays: bool,
) -> None:
    job = await of_another_process(make_user, server, action, "a.raw")
    for name in left:
        (folder / name).write_bytes(bytes(1024))
    clean_host.virsh("pool-refresh", "images")

    await recover(server, engine_of(app).host(server))

    await job.refresh_from_db()
    assert job.state == state
    if state == "failed":
        assert job.error_code == "cut_off"
    assert (folder / "a.raw").exists() is stays
    assert not (folder / mark_of("a.raw")).exists()
    assert not await UploadMark.exists()


async def test_what_somebody_else_is_uploading_is_left_alone(
    app: FastAPI, api: httpx.AsyncClient, server: Server, folder: Path, clean_host: Host
) -> None:
    for name in ("theirs.raw", mark_of("theirs.raw")):
        (folder / name).write_bytes(bytes(1024))

    await refresh(api, server)

    assert "theirs.raw" not in await listed(api)
    assert (folder / "theirs.raw").exists()
    assert (folder / mark_of("theirs.raw")).exists()
    clean_host.virsh("vol-delete", mark_of("theirs.raw"), "--pool", "images")
    await again(app, server)
    assert "theirs.raw" in await listed(api)


async def test_what_somebody_else_uploads_after_an_upload_of_ours_has_failed_is_left_alone(
    app: FastAPI, api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    failed = await api.post(f"/api/images?server_id={server.id}&name=a.raw&sha256={'0' * 64}", content=bytes(1024))
    assert failed.status_code == 400, failed.text
    assert not (folder / mark_of("a.raw")).exists()
    for name in ("a.raw", mark_of("a.raw")):
        (folder / name).write_bytes(bytes(1024))

    await refresh(api, server)
    await again(app, server)

    assert (folder / "a.raw").exists()
    assert (folder / mark_of("a.raw")).exists()


async def test_each_change_is_told_of(app: FastAPI, api: httpx.AsyncClient, server: Server, folder: Path) -> None:
    image = (await api.post(f"/api/images?server_id={server.id}&name=a.raw", content=bytes(1024))).json()
    (folder / "a.raw").write_bytes(bytes(2048))
    await refresh(api, server)
    await again(app, server)
    await api.delete(f"/api/images/{image['id']}")

    events = await Event.filter(server_id=server.id, kind__startswith="image.").order_by("id")

    told = [(event.kind, event.data["id"]) for event in events if event.data["name"] == "a.raw"]
    assert told == [("image.created", image["id"]), ("image.changed", image["id"]), ("image.deleted", image["id"])]
    assert events[-1].data["server"] == {"id": server.id, "hostname": "lab1"}
