# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing, showing and deleting images."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.images.models import Image
from hostler.jobs.models import Job
from lab.host import Host
from tests.service.conftest import Headers
from tests.service.machines.lab_service import create

pytestmark = pytest.mark.anyio

GIB = 1024**3


async def row(server: Server, name: str, kind: str = "raw", capacity: int = GIB) -> Image:
    return await Image.create(
        server=server,
        name=name,
        pool="images",
        format=kind,
        capacity=capacity,
        allocation=1,
        last_seen=datetime.now(UTC),
    )


@pytest.mark.rule("images")
async def test_images_are_listed_by_page_server_format_and_text(
    app: FastAPI, client: httpx.AsyncClient, read_headers: Headers
) -> None:
    """Nothing listens at these servers: a list asks none."""
    one = await Server.create(hostname="one", libvirt_uri="qemu+tls://192.0.2.1/system", enabled=False)
    two = await Server.create(hostname="two", libvirt_uri="qemu+tls://192.0.2.2/system", enabled=False)
    await row(one, "Debian-12.qcow2", "qcow2")
    await row(one, "debian-12.iso", "iso")
    await row(two, "debian-12.iso", "iso")
    await row(two, "100%_sure.raw")

    async def found(query: str) -> list[tuple[str, str]]:
        answer = await client.get(f"/api/images?{query}", headers=read_headers)
        assert answer.status_code == 200, answer.text
        return [(image["server"]["hostname"], image["name"]) for image in answer.json()["items"]]

    assert await found("search=DEBIAN") == [
        ("one", "Debian-12.qcow2"),
        ("one", "debian-12.iso"),
        ("two", "debian-12.iso"),
    ]
    assert await found("search=%25_") == [("two", "100%_sure.raw")]
    assert await found(f"server_id={two.id}&format=iso") == [("two", "debian-12.iso")]
    assert await found("page=2&per_page=3") == [("two", "100%_sure.raw")]
    page = (await client.get("/api/images?page=9&per_page=3", headers=read_headers)).json()
    assert page == {"items": [], "total": 4, "page": 9, "per_page": 3, "total_pages": 2}
    for query in ("format=vmdk", "per_page=101", "page=0", "server_id=0", "search=%00"):
        assert (await client.get(f"/api/images?{query}", headers=read_headers)).status_code == 422, query


async def test_a_size_is_never_rounded_down(app: FastAPI, client: httpx.AsyncClient, read_headers: Headers) -> None:
    """A disk of the size that is shown has room for the image."""
    server = await Server.create(hostname="one", libvirt_uri="qemu+tls://192.0.2.1/system", enabled=False)
    for capacity, shown in ((GIB, 1.0), (GIB + 1, 1.001), (512, 0.001), (2**63 - 1, 8589934592.0)):
        image = await row(server, f"of-{capacity}", capacity=capacity)

        answer = (await client.get(f"/api/images/{image.id}", headers=read_headers)).json()

        assert answer["size_gb"] == shown


@pytest.mark.parametrize("image_id", ["999", "2147483647"])
async def test_an_image_that_is_not_there_is_404(
    app: FastAPI, client: httpx.AsyncClient, read_headers: Headers, image_id: str
) -> None:
    answer = await client.get(f"/api/images/{image_id}", headers=read_headers)

    assert (answer.status_code, answer.json()["code"]) == (404, "image_not_found")
    assert answer.json()["detail"] == f"Image with ID {image_id} not found"


@pytest.mark.parametrize("image_id", ["0", "-1", "x", "2147483648", "tiny.qcow2"])
async def test_what_is_no_id_is_422(
    app: FastAPI, client: httpx.AsyncClient, read_headers: Headers, image_id: str
) -> None:
    assert (await client.get(f"/api/images/{image_id}", headers=read_headers)).status_code == 422


async def test_each_role_may_do_what_it_may(
    app: FastAPI, client: httpx.AsyncClient, read_headers: Headers, write_headers: Headers
) -> None:
    await Server.create(hostname="one", libvirt_uri="qemu+tls://192.0.2.1/system")
    nobody: Headers = {}
    for method, path, statuses in (
        ("GET", "/api/images", (401, 200, 200)),
        ("GET", "/api/images/7", (401, 404, 404)),
        ("POST", "/api/images", (401, 403, 422)),
        ("DELETE", "/api/images/7", (401, 403, 404)),
    ):
        for headers, status in zip((nobody, read_headers, write_headers), statuses, strict=True):
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code == status, f"{method} {path}: {answer.text}"


@pytest.mark.lab
async def test_an_image_is_deleted(
    api: httpx.AsyncClient, server: Server, folder: Path, client: httpx.AsyncClient, read_headers: Headers
) -> None:
    made = (await api.post(f"/api/images?server_id={server.id}&name=a.raw", content=bytes(1024))).json()
    path = f"/api/images/{made['id']}"

    assert (await client.delete(path, headers=read_headers)).status_code == 403
    assert (await api.delete(f"{path}?typo=1")).status_code == 422
    dry = await api.delete(f"{path}?dry_run=true")
    assert (dry.status_code, dry.json()["plan"][0]["title"]) == (200, "Delete image 'a.raw'")
    assert (folder / "a.raw").exists()
    answer = await api.delete(path)

    assert (answer.status_code, answer.json()) == (200, {"message": "Image 'a.raw' deleted successfully"})
    assert not (folder / "a.raw").exists()
    assert (await api.get(path)).status_code == 404
    assert (await api.delete(path)).status_code == 404
    job = await Job.get(action="image_delete")
    assert (job.state, job.server_id, job.vm_id) == ("succeeded", server.id, None)


@pytest.mark.lab
async def test_an_image_that_something_needs_stays(api: httpx.AsyncClient, server: Server, folder: Path) -> None:
    image = (await api.post(f"/api/images?server_id={server.id}&name=base.raw", content=bytes(1024))).json()
    path = f"/api/images/{image['id']}"
    vm = await create(api, server, "built", image="base.raw", image_mode="backing")

    refused = await api.delete(path)

    assert (refused.status_code, refused.json()["code"]) == (409, "image_in_use")
    assert "'base.raw' is in use by volume 'built-" in refused.json()["detail"]
    assert await Job.filter(action="image_delete").count() == 0
    assert (await api.delete(f"/api/vms/{vm['id']}")).status_code == 200
    assert (folder / "base.raw").exists()
    assert (await api.delete(path)).status_code == 200


@pytest.mark.lab
async def test_an_image_that_its_server_no_longer_has_is_forgotten(
    api: httpx.AsyncClient, server: Server, folder: Path, clean_host: Host
) -> None:
    image = (await api.post(f"/api/images?server_id={server.id}&name=a.raw", content=bytes(1024))).json()
    clean_host.virsh("vol-delete", "a.raw", "--pool", "images")

    answer = await api.delete(f"/api/images/{image['id']}")

    assert answer.status_code == 200
    assert answer.json()["message"] == "Image 'a.raw' deleted successfully: server 'lab1' no longer had it"
    assert (await api.get(f"/api/images/{image['id']}")).status_code == 404


@pytest.mark.lab
async def test_an_image_of_a_host_that_is_gone_is_listed_and_stays(
    api: httpx.AsyncClient, server: Server, folder: Path, clean_host: Host
) -> None:
    image = (await api.post(f"/api/images?server_id={server.id}&name=a.raw", content=bytes(1024))).json()
    clean_host.kill_libvirtd()
    try:
        assert (await api.get(f"/api/images/{image['id']}")).status_code == 200
        answer = await api.delete(f"/api/images/{image['id']}")
        assert (answer.status_code, answer.json()["detail"]) == (503, "Host 'lab1' is unreachable")
    finally:
        clean_host.start_libvirtd()

    assert [one["name"] for one in (await api.get("/api/images")).json()["items"]] == ["tiny.qcow2", "a.raw"]
    assert (folder / "a.raw").exists()
