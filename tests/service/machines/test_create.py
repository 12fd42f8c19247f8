# SPDX-License-Identifier: GPL-3.0-or-later
"""``POST /api/vms``: what is made, and what is refused before anything is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from lab.host import Host
from tests.service.conftest import Headers
from tests.service.machines.lab_service import SMALL, create, domains, engine_of, eventually, registered, volumes

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


async def post(api: httpx.AsyncClient, server: Server, **fields: Any) -> httpx.Response:
    body = {"name": "my-new-vm", "server_id": server.id, **SMALL, **fields}
    return await api.post("/api/vms", json={name: value for name, value in body.items() if value is not ...})


def fields_of(answer: httpx.Response) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


@pytest.mark.rule("create-stopped", "vms")
async def test_the_contracts_example_makes_a_stopped_vm(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    answer = await api.post(
        "/api/vms",
        json={
            "name": "my-new-vm",
            "server_id": server.id,
            "cpu_cores": 2,
            "memory_mb": 2048,
            "disk_gb": 20.0,
            "os_type": "linux",
            "os_version": "Ubuntu 22.04",
            "network_config": {"type": "nat"},
        },
    )

    assert answer.status_code == 201, answer.text
    vm = answer.json()
    assert vm == (await api.get(f"/api/vms/{vm['id']}")).json()
    assert (vm["name"], vm["status"]) == ("my-new-vm", "stopped")
    assert vm["server"] == {"id": server.id, "hostname": "lab1"}
    assert vm["resources"] == {"cpu_cores": 2, "memory_mb": 2048, "disk_gb": 20.0}
    assert (vm["os_type"], vm["os_version"], vm["vnc_port"]) == ("linux", "Ubuntu 22.04", None)
    assert vm["network"]["ip_address"] is None
    assert vm["network"]["mac_address"].startswith("52:54:00:")
    assert clean_host.virsh("domuuid", "my-new-vm") == vm["uuid"]
    assert clean_host.virsh("domstate", "my-new-vm") == "shut off"
    assert f"<hostler:id>{vm['id']}</hostler:id>" in clean_host.virsh("dumpxml", "my-new-vm")


@pytest.mark.rule("create-stopped")
async def test_start_makes_a_running_one(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    vm = await create(api, server, "eager", start=True, autostart=True)

    assert vm["status"] == "running"
    assert vm["vnc_port"] is not None
    assert vm["autostart"] is True
    assert clean_host.virsh("domstate", "eager") == "running"
    assert "Autostart:      enable" in clean_host.virsh("dominfo", "eager")


@pytest.mark.rule("vm-names")
async def test_names_that_are_none_are_refused(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    nameless: list[Any] = [
        "",
        " ",
        ".hidden",
        "-flag",
        "_x",
        "a b",
        "a/b",
        "../../etc/passwd",
        "..",
        "a\nb",
        "a\n",
        "a\x00b",
        "a\x1bb",
        "it's",
        'a"b',
        "<name>",
        "a&amp;b",
        "{{ lookup('pipe', 'id') }}",
        "{% raw %}",
        "$(id)",
        "`id`",
        "a;id",
        "naïve",
        "аdmin",  # noqa: RUF001 - a Cyrillic letter is the point
        "💥",
        "a\u202eb",
        "a" * 64,
        "a" * 300,
        None,
        7,
        True,
        ["a"],
        {"a": 1},
    ]
    for name in nameless:
        answer = await post(api, server, name=name)

        assert answer.status_code == 422, name
        assert fields_of(answer) in (["name"], ["body"]), name
        assert not isinstance(name, str) or len(name) < 2 or name not in answer.text
    # half a surrogate pair, which only an escape can spell
    answer = await api.post(
        "/api/vms",
        content=json.dumps({**SMALL, "name": "a\ud800", "server_id": server.id}),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422
    assert await Machine.all().count() == 0
    assert await Job.all().count() == 0
    assert domains(clean_host) == set()


@pytest.mark.rule("error-codes")
async def test_fields_that_can_be_nowhere_are_422_and_named(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    impossible: dict[str, list[Any]] = {
        "server_id": [0, -1, "1", 1.5, 2**31, True],
        "cpu_cores": [0, -1, 513, 1.5, "2", True, None, ...],
        "memory_mb": [0, 31, 2**40, 64.5, "64", None, ...],
        "disk_gb": [0, -0.5, 65537, "1", True, None, ...],
        "name": [...],
        "os_type": ["Linux", "a b", "", "x" * 64, "../x", 7],
        "os_version": ["x" * 256, "a\x07b", 22.04],
        "firmware": ["efi", "", None],
        "image": ["a/b", "../tiny.qcow2", "a\nb", "x" * 256, ""],
        "image_mode": ["link"],
        "description": ["x" * 4097, "a\x08b", 7],
        "tags": ["a", ["a"] * 65, None],
        "autostart": ["yes", 1, None],
        "protected": ["yes"],
        "start": ["yes", 1],
        "network_config": ["nat", [], 7],
        "cloud_init": ["nat", []],
        "disk": [1],
        "owner": ["root"],
        "uuid": ["12345678-1234-1234-1234-123456789012"],
        "status": ["running"],
        "__proto__": [{}],
    }
    for field, values in impossible.items():
        for value in values:
            answer = await post(api, server, **{field: value})

            assert answer.status_code == 422, (field, value)
            assert fields_of(answer) == [field], (field, value, answer.text)
    assert await Machine.all().count() == 0
    assert domains(clean_host) == set()


@pytest.mark.rule("unknown-fields")
async def test_fields_within_fields_are_named_by_their_path(api: httpx.AsyncClient, server: Server) -> None:
    impossible: list[tuple[dict[str, Any], str]] = [
        ({"network_config": {"type": "vlan"}}, "network_config.type"),
        ({"network_config": {"type": "bridge"}}, "network_config.bridge_name"),
        ({"network_config": {"type": "nat", "bridge_name": "br0"}}, "network_config.bridge_name"),
        ({"network_config": {"type": "bridge", "bridge_name": "br0;reboot"}}, "network_config.bridge_name"),
        ({"network_config": {"type": "bridge", "bridge_name": "a" * 16}}, "network_config.bridge_name"),
        ({"network_config": {"type": "network"}}, "network_config.network_name"),
        ({"network_config": {"type": "nat", "vlan": 3}}, "network_config.vlan"),
        ({"cloud_init": {"hostname": "-bad-"}}, "cloud_init.hostname"),
        ({"cloud_init": {"hostname": "a b"}}, "cloud_init.hostname"),
        ({"cloud_init": {"ssh_authorized_keys": ["not a key"]}}, "cloud_init.ssh_authorized_keys.0"),
        (
            {"cloud_init": {"ssh_authorized_keys": ['command="id" ssh-ed25519 AAAA x']}},
            "cloud_init.ssh_authorized_keys.0",
        ),
        (
            {"cloud_init": {"ssh_authorized_keys": ["ssh-ed25519 AAAA", "ssh-ed25519 AAAA\nssh-rsa AAAA"]}},
            "cloud_init.ssh_authorized_keys.1",
        ),
        ({"cloud_init": {"user_data": "a\x00b"}}, "cloud_init"),
        ({"cloud_init": {"user_data": "x" * (1024 * 1024 + 1)}}, "cloud_init.user_data"),
        ({"cloud_init": {"password": "secret"}}, "cloud_init.password"),
        ({"tags": ["ok", "not ok"]}, "tags.1"),
        ({"tags": ["twice", "twice"]}, "tags"),
        ({"tags": [7]}, "tags.0"),
    ]
    for fields, path in impossible:
        answer = await post(api, server, **fields)

        assert answer.status_code == 422, fields
        assert fields_of(answer)[0].startswith(path) or fields_of(answer) == ["body"], (path, answer.text)
        assert "secret" not in answer.text


async def test_every_wrong_field_is_named_at_once(api: httpx.AsyncClient, server: Server) -> None:
    answer = await post(api, server, name="no name", cpu_cores=0, disk=1)

    assert answer.status_code == 422
    assert {"cpu_cores", "disk"} <= set(fields_of(answer))
    assert "'disk': there is no such field" in answer.json()["detail"]


@pytest.mark.rule("error-codes")
async def test_what_is_not_on_the_server_is_400_and_named(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    missing: list[tuple[dict[str, Any], str, str]] = [
        ({"server_id": 999}, "server_id", "Server with ID 999 not found"),
        ({"image": "no-such.qcow2"}, "image", "Image 'no-such.qcow2' not found in storage pool 'images'"),
        ({"image": "it's <&> {{ 1 }}"}, "image", "Image 'it's <&> {{ 1 }}' not found in storage pool 'images'"),
        (
            {"network_config": {"type": "network", "network_name": "no-such"}},
            "network_config.network_name",
            "network_config.network_name: network 'no-such' not found on this host",
        ),
        (
            {"image": "tiny.qcow2", "disk_gb": 0.01},
            "disk_gb",
            "disk_gb: is smaller than image 'tiny.qcow2', which needs ",
        ),
        ({"disk_gb": 65536}, "disk_gb", "Storage pool 'default' holds "),
    ]
    for fields, field, detail in missing:
        answer = await post(api, server, **fields)

        assert answer.status_code == 400, (fields, answer.text)
        assert fields_of(answer) == [field]
        assert answer.json()["detail"].startswith(detail)
    assert await Machine.all().count() == 0
    assert await Job.all().count() == 0
    assert volumes(clean_host) == set()


async def test_a_pool_or_network_that_the_server_names_wrongly_is_400(
    app: FastAPI, api: httpx.AsyncClient, clean_host: Host
) -> None:
    poolless = await registered(app, clean_host, hostname="poolless", pool="no-such")
    networkless = await registered(app, clean_host, hostname="networkless", network="no-such")

    answer = await post(api, poolless)
    assert answer.status_code == 400, answer.text
    assert "no-such" in answer.json()["detail"]

    answer = await post(api, networkless, network_config={"type": "nat"})
    assert answer.status_code == 400, answer.text
    assert "network 'no-such' not found on this host" in answer.json()["detail"]


async def test_a_bridge_that_is_not_there_is_400_and_named(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    answer = await post(api, server, network_config={"type": "bridge", "bridge_name": "no-such"})

    assert answer.status_code == 400
    assert fields_of(answer) == ["network_config.bridge_name"]
    assert domains(clean_host) == set()


async def test_a_bridge_that_is_there_is_used(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    if clean_host.network is None:
        pytest.skip("a user's host has no bridge")
    bridge = clean_host.layout.bridge

    vm = await create(api, server, "bridged", network_config={"type": "bridge", "bridge_name": bridge}, start=True)

    assert vm["status"] == "running"
    assert bridge in clean_host.virsh("domiflist", "bridged")


@pytest.mark.rule("vm-names", "error-codes")
async def test_a_name_that_is_taken_is_409(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    await create(api, server, "my-new-vm")
    before = volumes(clean_host)

    answer = await post(api, server)

    assert answer.status_code == 409
    assert answer.json()["detail"] == "A VM named 'my-new-vm' already exists on host 'lab1'"
    assert fields_of(answer) == ["name"]
    assert volumes(clean_host) == before


async def test_a_name_that_only_the_host_knows_to_be_taken_is_409(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    await create(api, server, "my-new-vm")
    await engine_of(app).watch.close()
    await Machine.all().delete()

    answer = await post(api, server)

    assert answer.status_code == 409
    assert answer.json()["detail"] == "A VM named 'my-new-vm' already exists on host 'lab1'"


@pytest.mark.rule("vm-names")
async def test_of_ten_identical_creates_one_wins(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    answers = await asyncio.gather(*(post(api, server) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 9]
    assert {answer.json()["detail"] for answer in answers if answer.status_code == 409} == {
        "A VM named 'my-new-vm' already exists on host 'lab1'"
    }
    assert domains(clean_host) == {"my-new-vm"}
    assert len(volumes(clean_host)) == 1
    assert await Machine.all().count() == 1
    assert await Job.all().count() == 1


async def test_different_creates_at_once_do_not_hinder_each_other(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    names = {f"vm{number}" for number in range(5)}

    made = await asyncio.gather(*(create(api, server, name) for name in names))

    assert len({vm["id"] for vm in made}) == 5
    assert domains(clean_host) == names
    assert {vm["name"] for vm in (await api.get("/api/vms", params={"status": "stopped"})).json()["vms"]} == names


@pytest.mark.rule("vm-names")
async def test_two_servers_can_have_a_vm_of_one_name_only_on_two_hosts(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    vm = await create(api, server, "twin")
    again = await registered(app, clean_host, hostname="lab1-again")

    async def has_two() -> bool:
        return bool((await api.get("/api/vms", params={"search": "twin"})).json()["total"] == 2)

    await eventually(has_two, "the second server shows its VM")
    answer = await api.get(f"/api/vms/{vm['uuid']}")
    assert answer.status_code == 409
    assert (await post(api, again, name="twin")).status_code == 409


@pytest.mark.rule("error-503")
async def test_without_a_server_everything_that_needs_one_is_503_in_the_contracts_words(
    api: httpx.AsyncClient,
) -> None:
    for answer in (
        await api.post("/api/vms", json={"name": "x", "server_id": 1, **SMALL}),
        await api.post("/api/vms/1/start"),
        await api.post("/api/vms/1/stop"),
        await api.post("/api/vms/1/force-stop"),
        await api.post("/api/vms/1/resize", json={}),
        await api.delete("/api/vms/1"),
    ):
        assert answer.status_code == 503
        assert answer.json()["detail"] == "VM operations are not available - libvirt not configured"
    assert (await api.get("/api/vms")).status_code == 200


async def test_a_disabled_host_is_503_and_named(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    vm = await create(api, server, "asleep")
    await registered(app, clean_host, hostname="other")
    await Server.filter(id=server.id).update(enabled=False)

    for answer in (
        await post(api, server),
        await api.post(f"/api/vms/{vm['id']}/start"),
        await api.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96}),
        await api.delete(f"/api/vms/{vm['id']}"),
        await api.post(f"/api/servers/{server.id}/refresh"),
    ):
        assert answer.status_code == 503
        assert answer.json()["detail"] == "Host 'lab1' is disabled"
    assert (await api.get(f"/api/vms/{vm['id']}")).status_code == 200
    assert domains(clean_host) == {"asleep"}


@pytest.mark.rule("error-503", "create-all-or-nothing")
async def test_a_host_that_is_not_there_is_503_and_named_and_leaves_no_row(
    app: FastAPI, api: httpx.AsyncClient
) -> None:
    gone = await Server.create(hostname="gone", libvirt_uri="qemu:///system?socket=/nonexistent", virt_type="qemu")

    answer = await post(api, gone)

    assert answer.status_code == 503
    assert answer.json()["detail"] == "Host 'gone' is unreachable"
    assert "nonexistent" not in answer.text
    assert await Machine.all().count() == 0


@pytest.mark.rule("client-leaves")
async def test_a_client_that_goes_away_cancels_nothing(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    going = asyncio.create_task(post(api, server))

    async def has_begun() -> bool:
        return await Job.all().exists()

    await eventually(has_begun, "the create has begun")
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)

    async def is_made() -> bool:
        return await Job.filter(state="succeeded").exists()

    await eventually(is_made, "the create ends")
    assert domains(clean_host) == {"my-new-vm"}


@pytest.mark.rule("order-of-refusals")
async def test_401_comes_before_403_and_403_before_all_else(
    client: httpx.AsyncClient, read_headers: Headers, write_headers: Headers, server: Server
) -> None:
    writes = [
        ("POST", "/api/vms"),
        ("POST", "/api/vms/999/start"),
        ("POST", "/api/vms/999/stop?timeout=never"),
        ("POST", "/api/vms/999/force-stop"),
        ("POST", "/api/vms/999/resize"),
        ("DELETE", "/api/vms/999?delete_disks=perhaps"),
        ("POST", f"/api/servers/{server.id}/refresh"),
    ]
    reads = [("GET", "/api/vms?per_page=1000"), ("GET", "/api/vms/999"), ("GET", "/api/jobs/x"), ("GET", "/api/jobs")]
    for method, path in writes + reads:
        answer = await client.request(method, path, content=b"{")
        assert (answer.status_code, answer.json()["detail"]) == (401, "Could not validate credentials"), path
    for method, path in writes:
        answer = await client.request(method, path, content=b"{", headers=read_headers)
        assert (answer.status_code, answer.json()["detail"]) == (403, "Not enough permissions"), path
    answer = await client.post("/api/vms", content=b"{", headers=write_headers)
    assert answer.status_code == 422
    assert (await client.get("/api/vms", headers=read_headers)).status_code == 200
    assert (await client.get("/api/jobs", headers=read_headers)).status_code == 200
