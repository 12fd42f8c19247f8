# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads: streamed to the host, whole or not at all, and only what a host may be given."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from hostler.events.models import Event
from hostler.hosts.models import Server
from hostler.images.models import Image
from hostler.jobs.models import Job
from hostler.settings import Settings
from lab.commands import run
from lab.host import Host
from tests.service.conftest import Headers
from tests.service.machines.lab_service import create, engine_of, eventually, registered

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

MIB = 1024**2
BYTES = {"Content-Type": "application/octet-stream"}


async def never() -> AsyncIterator[bytes]:
    raise AssertionError("the body was read")
    yield b""


async def slowly(content: bytes, size: int = 1_000_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def upload(
    api: httpx.AsyncClient, server: Server, name: str, content: Any, headers: Headers | None = None, **more: Any
) -> httpx.Response:
    parameters = {"server_id": server.id, "name": name, **more}
    return await api.post("/api/images", params=parameters, content=content, headers={**BYTES, **(headers or {})})


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.rule("images")
async def test_an_image_that_is_uploaded_is_listed_and_a_vm_is_made_from_it(
    api: httpx.AsyncClient, server: Server, folder: Path, qcow2: Path, settings: Settings
) -> None:
    content = await asyncio.to_thread(qcow2.read_bytes)
    assert len(content) > 4 * MIB
    digest = hashlib.sha256(content).hexdigest()

    answer = await upload(api, server, "debian-12.qcow2", slowly(content), sha256=digest)

    assert answer.status_code == 201, answer.text
    image = answer.json()
    assert image["server"] == {"id": server.id, "hostname": "lab1"}
    assert {key: image[key] for key in ("name", "pool", "format", "size_gb")} == {
        "name": "debian-12.qcow2",
        "pool": "images",
        "format": "qcow2",
        "size_gb": 0.25,
    }
    assert 0 < image["allocated_gb"] < 0.02
    assert (folder / "debian-12.qcow2").read_bytes() == content
    assert (await api.get(f"/api/images/{image['id']}")).json() == image
    vm = await create(api, server, "from-it", image="debian-12.qcow2", disk_gb=image["size_gb"])
    assert vm["resources"]["disk_gb"] == 0.25
    (job,) = await Job.filter(action="image_upload")
    shown = (await api.get(f"/api/jobs/{job.id}")).json()
    assert (shown["state"], shown["vm_id"], shown["server_id"]) == ("succeeded", None, server.id)
    assert shown["parameters"]["name"] == "debian-12.qcow2"
    assert shown["result"] == {
        "image": image,
        "sha256": digest,
        "size": len(content),
    }
    assert [step["state"] for step in shown["steps"]] == ["succeeded"]
    kept = sum(file.stat().st_size for file in settings.state_dir.rglob("*") if "sqlite" not in file.name)
    assert kept < MIB, "nothing of it is kept beside the database"


async def test_who_may_not_write_is_refused_before_a_byte_is_read(
    client: httpx.AsyncClient, server: Server, read_headers: Headers
) -> None:
    for parameters in (f"?server_id={server.id}&name=a.raw", "?nonsense=1", ""):
        for caller, status in (({}, 401), (read_headers, 403)):
            answer = await client.post(f"/api/images{parameters}", content=never(), headers={**BYTES, **caller})
            assert answer.status_code == status


REFUSED: tuple[tuple[dict[str, Any], int, str | None], ...] = (
    ({"headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 422, "Content-Type"),
    ({"headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 422, "Content-Type"),
    ({"headers": {"Content-Encoding": "gzip"}}, 422, "Content-Encoding"),
    ({"headers": {"Content-Length": "1e9"}}, 422, "Content-Length"),
    ({"headers": {"Content-Length": str(101 * 1024**3)}}, 413, None),
    ({"sha256": "abc"}, 422, "sha256"),
    ({"format": "vmdk"}, 422, "format"),
    ({"typo": "1"}, 422, "typo"),
    ({"server_id": "x"}, 422, "server_id"),
    ({"server_id": 2**31}, 422, "server_id"),
    ({"server_id": 2**31 - 1}, 400, "server_id"),
)


async def test_what_cannot_be_is_refused_before_a_byte_is_read(
    api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    before = names(folder)

    for more, status, field in REFUSED:
        answer = await upload(api, server, "a.raw", never(), **more)
        assert answer.status_code == status, answer.text
        assert [problem["field"] for problem in answer.json().get("errors", [])] == ([field] if field else [])

    assert names(folder) == before
    assert await Job.all().count() == 0


NO_NAMES = (
    "../escape.raw",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b.raw",
    "",
    ".",
    "..",
    ".hidden.raw",
    "x" * 300,
    "ü" * 130,
    "a\nb.raw",
    "a\x1b[31m.raw",
    "web-01234567-root.qcow2",
    "\x00",
    "a\x00.raw",
)


async def test_a_name_that_cannot_be_is_refused_before_a_byte_is_read(
    api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    before = names(folder)

    for name in NO_NAMES:
        answer = await upload(api, server, name, never())
        assert answer.status_code == 422, answer.text

    assert names(folder) == before


async def test_a_name_is_only_ever_a_name(api: httpx.AsyncClient, server: Server, folder: Path) -> None:
    for name in ("<&amp;\"'>.raw", "{{ lookup('pipe', 'id') }}.raw", "'; DROP TABLE image; --", "%2e"):
        answer = await upload(api, server, name, bytes(1024))

        assert (answer.status_code, answer.json()["name"]) == (201, name), answer.text
        assert (folder / name).stat().st_size == 1024
        found = (await api.get("/api/images", params={"search": name})).json()["items"]
        assert [image["name"] for image in found] == [name]
        assert (await api.delete(f"/api/images/{found[0]['id']}")).status_code == 200
        assert not (folder / name).exists()


async def test_content_that_no_host_may_have_leaves_nothing(
    api: httpx.AsyncClient, server: Server, folder: Path, tmp_path: Path
) -> None:
    overlay, data = tmp_path / "overlay.qcow2", tmp_path / "data.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/hosts", overlay)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data.raw", data, "1M")
    before = names(folder)

    for name, content, why in (
        ("evil.qcow2", overlay.read_bytes(), "backing file"),
        ("evil.img", overlay.read_bytes(), "backing file"),
        ("evil.raw", overlay.read_bytes(), "not raw"),
        ("evil.qcow2", data.read_bytes(), "data in another file"),
        ("evil.qcow2", bytes(MIB), "not qcow2"),
        ("evil.qcow2", b"<html>404 Not Found</html>", "not qcow2"),
        ("evil.raw", b"<html>404 Not Found</html>", "whole sectors"),
        ("evil.raw", b"\xfd7zXZ\0".ljust(MIB, b"\0"), "compressed (xz)"),
        ("evil.raw", b"", "empty"),
    ):
        answer = await upload(api, server, name, content)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "content"), answer.text
        assert why in answer.json()["detail"]

    assert names(folder) == before
    assert await Image.filter(name__startswith="evil").count() == 0
    failed = await Job.filter(action="image_upload")
    assert {job.state for job in failed} == {"failed"}


async def test_a_wrong_sum_leaves_nothing_and_says_the_right_one(
    api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    before = names(folder)

    answer = await upload(api, server, "a.raw", bytes(MIB), sha256="0" * 64)

    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["errors"]] == ["sha256"]
    assert hashlib.sha256(bytes(MIB)).hexdigest() in answer.json()["detail"]
    assert names(folder) == before


async def test_more_than_the_pool_has_room_for_is_refused_before_a_byte_is_read(
    app: FastAPI, api: httpx.AsyncClient, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(app)
    monkeypatch.setattr(engine, "settings", engine.settings.model_copy(update={"largest_image_gb": 65536}))

    answer = await upload(api, server, "a.raw", never(), headers={"Content-Length": str(2**45)})

    assert (answer.status_code, answer.json()["code"]) == (400, "not_enough_space"), answer.text
    assert "GiB free, less than the 32768 GiB of the image" in answer.json()["detail"]


async def test_a_name_that_is_taken_is_409_before_a_byte_is_read(
    api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    answer = await upload(api, server, "tiny.qcow2", never())

    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert answer.json()["detail"] == "An image named 'tiny.qcow2' already exists on server 'lab1'"


async def test_of_uploads_of_one_name_at_once_one_wins(api: httpx.AsyncClient, server: Server, folder: Path) -> None:
    contents = [bytes([number]) * MIB for number in range(5)]

    answers = await asyncio.gather(*(upload(api, server, "race.raw", slowly(content)) for content in contents))

    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [201, 409, 409, 409, 409], [answer.text for answer in answers]
    assert (folder / "race.raw").read_bytes() == contents[statuses.index(201)]
    assert [name for name in names(folder) if "race" in name] == ["race.raw"]
    assert await Image.filter(name="race.raw").count() == 1


async def test_while_one_upload_goes_on_another_of_its_name_is_told_of_its_job(
    api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    going_on, may_end = asyncio.Event(), asyncio.Event()

    async def held() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        going_on.set()
        await may_end.wait()
        yield bytes(MIB)

    first = asyncio.create_task(upload(api, server, "slow.raw", held()))
    await going_on.wait()
    job = await Job.get(action="image_upload")
    second = await upload(api, server, "slow.raw", never())
    refused = await api.post(
        "/api/vms", json={"name": "hasty", "server_id": server.id, "cpu_cores": 1, "memory_mb": 64, "disk_gb": 1,
                          "os_type": "linux", "image": "slow.raw", "network_config": {"type": "none"}}
    )  # fmt: skip
    listed = (await api.get("/api/images?search=slow")).json()["items"]
    may_end.set()

    assert (second.status_code, second.json()["code"]) == (409, "image_busy")
    assert f"(job {job.id})" in second.json()["detail"]
    assert (refused.status_code, refused.json()["code"]) == (400, "image_not_found")
    assert listed == []
    assert (await first).status_code == 201


async def test_an_upload_that_is_canceled_leaves_nothing_when_its_job_ends(
    api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    before = names(folder)
    going_on, may_end = asyncio.Event(), asyncio.Event()

    async def held() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        yield bytes(MIB)
        going_on.set()
        await may_end.wait()

    uploading = asyncio.create_task(upload(api, server, "slow.raw", held()))
    await going_on.wait()
    job = await Job.get(action="image_upload")
    canceled = await api.post(f"/api/jobs/{job.id}/cancel")

    assert (canceled.status_code, canceled.json()["state"]) == (200, "canceled")
    assert names(folder) == before
    assert ((await uploading).status_code, (await uploading).json()["code"]) == (409, "canceled")
    may_end.set()
    assert (await upload(api, server, "slow.raw", bytes(MIB))).status_code == 201


async def test_a_server_is_not_removed_under_an_upload_and_then_with_its_images(
    app: FastAPI, api: httpx.AsyncClient, folder: Path, clean_host: Host, admin_headers: Headers
) -> None:
    server = await registered(app, clean_host, hostname="leaving")
    refused: list[httpx.Response] = []

    async def while_it_is_removed() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        refused.append(await api.delete(f"/api/servers/{server.id}", headers=admin_headers))
        yield bytes(MIB)

    made = await upload(api, server, "here.raw", while_it_is_removed())

    assert made.status_code == 201, made.text
    assert (refused[0].status_code, refused[0].json()["code"]) == (409, "server_in_use")
    job = await Job.get(action="image_upload")
    assert refused[0].json()["detail"] == f"Server 'leaving' is at work: image_upload runs there (job {job.id})"
    removed = await api.delete(f"/api/servers/{server.id}", headers=admin_headers)
    assert removed.status_code == 200, removed.text
    told = [event.data["name"] for event in await Event.filter(kind="image.deleted")]
    assert "here.raw" in told
    assert await Image.all().count() == 0


async def test_a_dry_run_reads_nothing_and_says_what_would_be(
    api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    before = names(folder)

    answer = await upload(api, server, "a.raw", never(), dry_run="true")
    taken = await upload(api, server, "tiny.qcow2", never(), dry_run="true")

    assert answer.status_code == 200, answer.text
    assert answer.json()["changed"] is True
    assert answer.json()["plan"] == [{"title": "Upload image 'a.raw' to storage pool 'images'", "applies": "now"}]
    assert taken.status_code == 409
    assert names(folder) == before
    assert await Job.all().count() == 0


async def test_who_prefers_not_to_wait_waits_for_its_own_bytes_only(
    api: httpx.AsyncClient, server: Server, folder: Path
) -> None:
    answer = await upload(api, server, "a.raw", slowly(bytes(6 * MIB)), headers={"Prefer": "respond-async"})

    assert answer.status_code == 202, answer.text

    async def is_there() -> bool:
        return (await api.get(answer.headers["Location"])).json()["state"] == "succeeded"

    await eventually(is_there, "the upload ends")
    assert (folder / "a.raw").stat().st_size == 6 * MIB


async def test_an_upload_that_takes_longer_than_a_write_is_waited_for_is_answered_all_the_same(
    app: FastAPI, api: httpx.AsyncClient, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = engine_of(app).crew

    async def held() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        await asyncio.sleep(0.2)
        monkeypatch.setattr(crew, "_wait_seconds", 300)
        yield bytes(MIB)

    monkeypatch.setattr(crew, "_wait_seconds", 0.05)
    assert (await upload(api, server, "slow.raw", held())).status_code == 201
    monkeypatch.setattr(crew, "_wait_seconds", 0.05)
    refused = await upload(api, server, "wrong.raw", held(), sha256="0" * 64)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "sha256")


async def test_a_server_that_is_disabled_or_not_there_is_503(
    api: httpx.AsyncClient, server: Server, client: httpx.AsyncClient
) -> None:
    await Server.filter(id=server.id).update(enabled=False)
    other = await Server.create(hostname="lab2", libvirt_uri="qemu:///system")

    disabled = await upload(api, server, "a.raw", never())
    await Server.filter(id=other.id).update(enabled=False)
    none = await upload(api, server, "a.raw", never())

    assert (disabled.status_code, disabled.json()["code"]) == (503, "host_disabled")
    assert none.status_code == 503
    assert none.json()["detail"] == "VM operations are not available - libvirt not configured"


async def test_a_libvirtd_that_dies_leaves_nothing_once_it_is_back(
    app: FastAPI, api: httpx.AsyncClient, server: Server, folder: Path, clean_host: Host
) -> None:
    before = names(folder)

    async def while_it_dies() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        clean_host.kill_libvirtd()
        for _ in range(32):
            yield bytes(MIB)

    try:
        answer = await upload(api, server, "half.raw", while_it_dies())
        assert (answer.status_code, answer.json()["detail"]) == (503, "Host 'lab1' is unreachable"), answer.text
        assert (await Job.get(action="image_upload")).state == "failed"
    finally:
        clean_host.start_libvirtd()

    async def is_clean() -> bool:
        return names(folder) == before

    await eventually(is_clean, "what was written is gone")
    assert (await upload(api, server, "half.raw", bytes(MIB))).status_code == 201


@contextlib.asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[int]:
    """The port of a real socket before the application."""
    runner = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(runner.serve())
    try:

        async def has_started() -> bool:
            return runner.started

        await eventually(has_started, "it listens")
        port: int = runner.servers[0].sockets[0].getsockname()[1]
        yield port
    finally:
        runner.should_exit = True
        await serving


async def test_a_client_that_goes_away_leaves_nothing(
    app: FastAPI, server: Server, folder: Path, write_headers: Headers
) -> None:
    before = names(folder)
    async with served(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"POST /api/images?server_id={server.id}&name=gone.raw HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {write_headers['Authorization']}\r\nContent-Length: {64 * MIB}\r\n\r\n".encode()
        )
        for _ in range(4):
            writer.write(bytes(MIB))
            await writer.drain()

        async def is_coming() -> bool:
            return (folder / "gone.raw").exists() and (folder / "gone.raw").stat().st_size > 0

        async def has_failed() -> bool:
            return await Job.filter(action="image_upload", state="failed", error_code="upload_cut_off").exists()

        await eventually(is_coming, "the first bytes are on the host")
        writer.close()
        await eventually(has_failed, "the job has failed")

    assert names(folder) == before
    assert await Image.filter(name="gone.raw").count() == 0


async def test_a_refusal_reaches_a_client_that_asked_whether_to_go_on(
    app: FastAPI, server: Server, folder: Path, read_headers: Headers, write_headers: Headers
) -> None:
    """As curl does with a large file: the answer comes instead of '100 Continue', and no byte is sent in vain."""
    async with served(app) as port:
        for headers, name, status in ((read_headers, "a.raw", b"403"), (write_headers, "tiny.qcow2", b"409")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                f"POST /api/images?server_id={server.id}&name={name} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                f"Authorization: {headers['Authorization']}\r\nContent-Length: {64 * MIB}\r\n\r\n".encode()
            )
            assert (await reader.readline()).split()[1] == status
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
