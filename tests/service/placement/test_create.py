# SPDX-License-Identifier: GPL-3.0-or-later
"""``POST /api/vms`` without ``server_id``: a server is chosen, held, and told of."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.images.models import Image
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from tests.service.conftest import Headers
from tests.service.placement.conftest import MEMORY_MB, SMALL, MakeServer

pytestmark = pytest.mark.anyio


async def post(api: httpx.AsyncClient, name: str, query: str = "", **fields: Any) -> httpx.Response:
    headers = fields.pop("headers", None)
    return await api.post(f"/api/vms{query}", json={**SMALL, "name": name, **fields}, headers=headers)


async def placed(api: httpx.AsyncClient, name: str, **fields: Any) -> str:
    """Create a VM and answer which server it went to."""
    answer = await post(api, name, **fields)
    assert answer.status_code == 201, answer.text
    hostname: str = answer.json()["server"]["hostname"]
    assert answer.json()["placement"]["server"]["hostname"] == hostname
    return hostname


@pytest.mark.rule("placement")
async def test_vms_spread_and_the_answer_and_the_job_say_why(api: httpx.AsyncClient, make_server: MakeServer) -> None:
    first, second = await make_server("h1"), await make_server("h2")
    await make_server("h3", draining=True)

    answer = await post(api, "one")
    vm = answer.json()
    assert answer.status_code == 201, answer.text
    placement = vm.pop("placement")
    assert placement == {
        "server": {"id": first.id, "hostname": "h1"},
        "reason": "the most room: 88 % of its memory would be left",
        "room_left": {"cpu_cores": 15, "memory_mb": MEMORY_MB - 256, "disk_gb": 99.875},
        "passed_over": [
            {
                "server": {"id": second.id, "hostname": "h2"},
                "fits": True,
                "reason": "fits: 88 % of its memory would be left",
            },
            {"server": {"id": second.id + 1, "hostname": "h3"}, "fits": False, "reason": "is draining"},
        ],
        "more": 0,
    }
    assert vm == (await api.get(f"/api/vms/{vm['id']}")).json()
    job = (await api.get(f"/api/jobs/{(await Job.get()).id}")).json()
    assert job["placement"] == placement
    assert (job["server_id"], job["parameters"]["server_id"]) == (first.id, first.id)

    assert [await placed(api, name) for name in ("two", "three", "four")] == ["h2", "h1", "h2"]


@pytest.mark.rule("placement-none-fits")
async def test_where_no_server_fits_the_answer_says_why_of_each(
    api: httpx.AsyncClient, make_server: MakeServer
) -> None:
    nowhere = await post(api, "big", memory_mb=64)
    assert (nowhere.status_code, nowhere.json()["code"]) == (503, "no_hypervisor")
    assert nowhere.json()["detail"] == "VM operations are not available - libvirt not configured"

    await make_server("h1")
    await make_server("h2", tags=["old"])
    await make_server("h3", enabled=False)
    refused = await post(api, "big", memory_mb=MEMORY_MB + 1, placement={"avoid_tags": ["old"]})

    assert (refused.status_code, refused.json()["code"]) == (409, "no_host_fits")
    assert refused.json()["detail"] == (
        f"No server fits this VM: 'h1' has {MEMORY_MB} of {MEMORY_MB} MiB of memory left, and the VM wants "
        f"{MEMORY_MB + 1} MiB; 'h2' has the tag 'old'; 'h3' is disabled"
    )
    assert await Machine.all().count() == 0
    assert await Job.all().count() == 0

    await Server.filter(hostname__in=["h1", "h2"]).update(libvirt_uri="test:///no/such/file", state="unreachable")
    gone = await post(api, "big")
    assert (gone.status_code, gone.json()["code"]) == (503, "host_unreachable")
    assert "'h1' is unreachable; 'h2' is unreachable" in gone.json()["detail"]


@pytest.mark.rule("placement-affinity")
async def test_tags_and_other_vms_are_heeded(api: httpx.AsyncClient, make_server: MakeServer) -> None:
    servers = [
        await make_server(name, tags=tags) for name, tags in (("h1", ["ssd"]), ("h2", ["ssd", "old"]), ("h3", []))
    ]

    assert await placed(api, "by-tag", placement={"tags": ["old"]}) == "h2"
    assert await placed(api, "not-by-tag", placement={"avoid_tags": ["ssd"]}) == "h3"
    first = (await post(api, "first", server_id=servers[1].id)).json()
    assert "placement" not in first
    assert await placed(api, "beside", placement={"near": [first["id"]]}) == "h2"
    apart = [await placed(api, f"web-{n}", tags=["web"], placement={"apart_from": ["web"]}) for n in range(3)]
    assert sorted(apart) == ["h1", "h2", "h3"]
    refused = await post(api, "web-3", tags=["web"], placement={"apart_from": ["web"]})
    assert refused.status_code == 409
    assert "'h1' has a VM with the tag 'web'" in refused.json()["detail"]
    # the first of those that are to be together has nobody to go to
    together = [await placed(api, f"db-{n}", tags=["db"], placement={"near": ["db"]}) for n in range(3)]
    assert len(set(together)) == 1
    assert (await post(api, "lonely", placement={"near": ["nobody"]})).status_code == 409
    # a tag is a whole one
    assert (await post(api, "part", placement={"near": ["we"]})).status_code == 409


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"placement": {"near": [999]}}, 400, "placement.near"),
        ({"placement": {"apart_from": [999]}}, 400, "placement.apart_from"),
        ({"placement": {"tag": ["ssd"]}}, 422, "placement.tag"),
        ({"placement": {"tags": ["a b"]}}, 422, "placement.tags.0"),
        ({"placement": {"tags": "ssd"}}, 422, "placement.tags"),
        ({"placement": {"near": [True]}}, 422, None),
        ({"placement": {"near": [1.5]}}, 422, None),
        ({"placement": {"near": [0]}}, 422, None),
        ({"placement": []}, 422, "placement"),
        ({"placement": {}, "server_id": 1}, 422, "placement"),
    ],
)
async def test_a_placement_that_is_none_is_refused(
    api: httpx.AsyncClient, make_server: MakeServer, fields: dict[str, Any], status: int, field: str | None
) -> None:
    await make_server("h1")
    refused = await post(api, "refused", **fields)

    assert refused.status_code == status, refused.text
    assert field is None or field in [error["field"] for error in refused.json()["errors"]]
    assert await Machine.all().count() == 0


@pytest.mark.rule("placement-reserves")
async def test_two_at_once_never_both_take_the_last_room(api: httpx.AsyncClient, make_server: MakeServer) -> None:
    await make_server("h1")
    half = MEMORY_MB // 2

    answers = await asyncio.gather(*(post(api, f"vm-{number}", memory_mb=half) for number in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"no_host_fits"}
    assert sum([row.memory_mb for row in await Machine.all()]) == MEMORY_MB


async def test_many_at_once_spread_and_stay_apart(api: httpx.AsyncClient, make_server: MakeServer) -> None:
    for name in ("h1", "h2", "h3"):
        await make_server(name)
    web = {"tags": ["web"], "placement": {"apart_from": ["web"]}}

    answers = await asyncio.gather(*(post(api, f"web-{number}", **web) for number in range(3)))

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert sorted(answer.json()["server"]["hostname"] for answer in answers) == ["h1", "h2", "h3"]


@pytest.mark.rule("placement-name")
async def test_a_name_that_any_server_has_is_taken_where_none_is_named(
    api: httpx.AsyncClient, make_server: MakeServer
) -> None:
    first, second = await make_server("h1"), await make_server("h2")
    assert await placed(api, "web") == "h1"

    for query in ("", "?dry_run=true"):
        again = await post(api, "web", query)
        assert (again.status_code, again.json()["code"]) == (409, "name_taken")
        assert again.json()["detail"] == "A VM named 'web' already exists on host 'h1'"
    assert (await post(api, "web", server_id=second.id)).status_code == 201
    assert (await post(api, "web", server_id=first.id)).status_code == 409


async def test_a_repeat_under_the_same_key_gets_the_first_result(
    api: httpx.AsyncClient, make_server: MakeServer
) -> None:
    await make_server("h1")
    await make_server("h2")
    key = {"Idempotency-Key": "once"}

    first, second = await asyncio.gather(*(post(api, "once", headers=key) for _ in range(2)))
    later = await post(api, "once", headers=key)

    assert [answer.status_code for answer in (first, second, later)] == [201, 201, 201], second.text
    assert first.json() == second.json() == later.json()
    assert first.json()["placement"]["server"]["hostname"] == "h1"
    assert await Machine.all().count() == 1
    assert (await post(api, "once", headers=key, placement={"tags": ["x"]})).status_code == 422


async def test_it_can_be_left_to_run_and_rehearsed(api: httpx.AsyncClient, make_server: MakeServer) -> None:
    server = await make_server("h1")

    rehearsed = await post(api, "later", "?dry_run=true")
    assert rehearsed.status_code == 200
    assert rehearsed.json()["placement"]["server"] == {"id": server.id, "hostname": "h1"}
    assert await Machine.all().count() == 0

    accepted = await post(api, "later", headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    assert accepted.json()["server_id"] == server.id
    job = (await api.get(accepted.headers["Location"])).json()
    assert job["placement"] == rehearsed.json()["placement"]

    refused = await post(api, "big", "?dry_run=true", memory_mb=10 * MEMORY_MB)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_host_fits")


async def test_images_are_looked_for_on_each_server(api: httpx.AsyncClient, make_server: MakeServer) -> None:
    servers = [await make_server(name) for name in ("h1", "h2", "h3")]
    await Server.all().update(image_pool="nowhere")  # which can't be read: nobody notices that the images are not there
    sizes = zip(servers[1:], (2, 1), strict=True)
    for server, gib in sizes:
        await Image.create(
            server=server, name="debian", pool="nowhere", format="qcow2", capacity=gib * 1024**3, allocation=1,
            last_seen=datetime.now(UTC),
        )  # fmt: skip

    refused = await post(api, "from-image", image="debian", disk_gb=1.5)

    # the database says that the third has one; the server itself is asked before anything is written down
    assert refused.status_code == 409
    told = refused.json()["detail"]
    assert "'h1' does not have the image 'debian'" in told
    assert "'h2' has an image 'debian' of 2 GiB, more than the disk's 1.5 GiB" in told
    assert "'h3' does not take it (" in told


async def test_what_one_server_does_not_take_goes_to_the_next(api: httpx.AsyncClient, make_server: MakeServer) -> None:
    absent = await make_server("h1")
    await make_server("h2")
    await Server.filter(id=absent.id).update(network="nowhere")

    answer = await post(api, "asked-for", network_config={"type": "bridge", "bridge_name": "br0"})
    assert answer.status_code == 409, answer.text

    await Server.filter(id=absent.id).update(pool="nowhere")  # which nobody has noticed yet
    answer = await post(api, "goes-on")
    assert answer.status_code == 201, answer.text
    passed_over = answer.json()["placement"]["passed_over"]
    assert [(one["server"]["hostname"], one["fits"]) for one in passed_over] == [("h1", False)]
    assert passed_over[0]["reason"] == (
        "does not take it "
        "(Failed to find the storage pool: Storage pool not found: no storage pool with matching name 'nowhere')"
    )
    assert answer.json()["server"]["hostname"] == "h2"


@pytest.mark.rule("server-drain")
async def test_a_draining_server_gets_no_new_vm_and_keeps_what_it_has(
    api: httpx.AsyncClient, client: httpx.AsyncClient, admin_headers: Headers, make_server: MakeServer
) -> None:
    server = await make_server("h1")
    path = f"/api/servers/{server.id}"
    vm = (await post(api, "stays", server_id=server.id, start=True)).json()

    drained = await client.post(f"{path}/drain", headers=admin_headers)
    assert drained.status_code == 200
    assert {name: drained.json()[name] for name in ("draining", "drained")} == {"draining": True, "drained": False}
    assert drained.json()["use"]["vms_running"] == 1
    assert (await client.post(f"{path}/drain", headers=admin_headers)).json()["draining"] is True
    for query in ("", "?dry_run=true"):
        refused = await post(api, "new", query, server_id=server.id)
        assert (refused.status_code, refused.json()["code"]) == (409, "server_draining")
        assert refused.json()["detail"] == "Server 'h1' is draining: no VM is made there"
        assert (await post(api, "new", query)).json()["code"] == "no_host_fits"

    assert (await api.post(f"/api/vms/{vm['id']}/force-stop")).status_code == 200
    assert (await api.get(path)).json()["drained"] is True
    assert (await api.post(f"/api/vms/{vm['id']}/start")).status_code == 200
    assert (await api.get(path)).json()["drained"] is False

    back = await client.post(f"{path}/undrain", headers=admin_headers)
    assert (back.json()["draining"], back.json()["drained"]) == (False, False)
    assert await placed(api, "new") == "h1"
    by_put = await client.put(path, headers=admin_headers, json={"draining": True})
    assert by_put.json()["draining"] is True


@pytest.mark.rule("server-use")
async def test_a_server_shows_what_it_has_promised_and_its_pools(
    api: httpx.AsyncClient, make_server: MakeServer, tmp_path: Path
) -> None:
    server = await make_server("h1", tags=["ssd"], cpu_overcommit=2.0, memory_overcommit=1.5)
    for name, start in (("on", True), ("off", False)):
        assert (await post(api, name, server_id=server.id, cpu_cores=2, start=start)).status_code == 201

    shown = (await api.get(f"/api/servers/{server.id}")).json()
    assert shown["use"] == {
        "vms": 2,
        "vms_running": 1,
        "cpu_cores": 4,
        "cpu_cores_running": 2,
        "memory_mb": 512,
        "memory_mb_running": 256,
    }
    assert (shown["cpu_total"], shown["memory_total_mb"]) == (4, MEMORY_MB)
    assert (shown["cpu_overcommit"], shown["memory_overcommit"], shown["tags"]) == (2.0, 1.5, ["ssd"])
    assert [pool["name"] for pool in shown["pools"]] == ["default"]
    assert shown["pools"][0]["total_gb"] == 100
    assert shown == (await api.get("/api/servers")).json()["items"][0]
