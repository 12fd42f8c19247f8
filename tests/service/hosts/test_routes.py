# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/servers``: registering, changing and removing hypervisors over REST."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tortoise.transactions import in_transaction

from hostler.credentials.models import Credential
from hostler.errors import BadRequest, Conflict, NotFound
from hostler.hosts import actions
from hostler.hosts.models import Server
from hostler.machines.models import Machine
from hostler.runner import SshHost
from tests.service.conftest import Headers

pytestmark = pytest.mark.anyio

# nothing listens there: it is registered, dialled in vain, and stays unreachable
NOWHERE = {"hostname": "host1.example.com", "libvirt_uri": "qemu+tls://127.0.0.1:1/system", "virt_type": "qemu"}


async def register(client: httpx.AsyncClient, headers: Headers, **fields: Any) -> httpx.Response:
    return await client.post("/api/servers", headers=headers, json={**NOWHERE, **fields})


@pytest.mark.rule("servers")
async def test_a_server_is_registered_shown_listed_changed_and_removed(
    client: httpx.AsyncClient, admin_headers: Headers
) -> None:
    made = await register(client, admin_headers)
    assert made.status_code == 201
    server = made.json()
    expected = {**NOWHERE, "pool": "default", "image_pool": "default", "network": "default", "enabled": True}
    assert {name: server[name] for name in expected} == expected
    assert server["ansible_connection"] == "local"

    path = f"/api/servers/{server['id']}"
    assert (await client.get(path, headers=admin_headers)).json()["hostname"] == "host1.example.com"
    listed = (await client.get("/api/servers", headers=admin_headers)).json()
    assert [item["id"] for item in listed["items"]] == [server["id"]]
    assert {name: listed[name] for name in ("total", "page", "per_page", "total_pages")} == {
        "total": 1,
        "page": 1,
        "per_page": 20,
        "total_pages": 1,
    }

    changed = await client.put(path, headers=admin_headers, json={"image_pool": "images", "enabled": False})
    assert changed.status_code == 200
    assert (changed.json()["image_pool"], changed.json()["enabled"]) == ("images", False)

    removed = await client.delete(path, headers=admin_headers)
    assert removed.json() == {"message": "Server 'host1.example.com' removed"}
    missing = await client.get(path, headers=admin_headers)
    assert (missing.status_code, missing.json()["detail"]) == (404, f"Server with ID {server['id']} not found")


async def test_a_hostname_is_taken_once(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    await register(client, admin_headers)
    again = await register(client, admin_headers)

    assert again.status_code == 409
    assert again.json()["detail"] == "A server named 'host1.example.com' already exists"

    other = (await register(client, admin_headers, hostname="host2.example.com")).json()
    renamed = await client.put(
        f"/api/servers/{other['id']}", headers=admin_headers, json={"hostname": "host1.example.com"}
    )
    assert renamed.status_code == 409


async def test_a_server_with_vms_is_not_removed(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    server = (await register(client, admin_headers)).json()
    await Machine.create(
        uuid="12345678-1234-1234-1234-123456789012",
        server_id=server["id"],
        name="web-1",
        cpu_cores=1,
        memory_mb=128,
        disk_gb=1,
    )

    refused = await client.delete(f"/api/servers/{server['id']}", headers=admin_headers)

    assert refused.status_code == 409
    assert "has 1 VM:" in refused.json()["detail"]
    assert await Server.exists(id=server["id"])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"libvirt_uri": "qemu+ext:///system?command=touch /tmp/hostler-was-here"}, "libvirt_uri"),
        ({"libvirt_uri": "qemu:///system?socket=/tmp/x"}, "libvirt_uri"),
        ({"libvirt_uri": 7}, "libvirt_uri"),
        ({"hostname": "{{ evil }}"}, "hostname"),
        ({"hostname": "a" * 300}, "hostname"),
        ({"hostname": ""}, "hostname"),
        ({"virt_type": "xen"}, "virt_type"),
        ({"ansible_port": 0}, "ansible_port"),
        ({"ansible_port": True}, "ansible_port"),
        ({"ansible_port": "22"}, "ansible_port"),
        ({"enabled": "no"}, "enabled"),
        ({"enabled": 1}, "enabled"),
        ({"ansible_host": "-oProxyCommand=evil"}, "ansible_host"),
        ({"ansible_user": "root -oProxyCommand=evil"}, "ansible_user"),
        ({"ansible_connection": "docker"}, "ansible_connection"),
        ({"pool": "a/b"}, "pool"),
        ({"password": "secret"}, "password"),
    ],
)
async def test_bad_input_is_refused_by_the_name_of_its_field(
    client: httpx.AsyncClient, admin_headers: Headers, fields: dict[str, Any], field: str
) -> None:
    refused = await register(client, admin_headers, **fields)

    assert refused.status_code == 422
    assert field in [error["field"] for error in refused.json()["errors"]]
    assert await Server.all().count() == 0

    changed = await client.put("/api/servers/1", headers=admin_headers, json=fields)
    assert changed.status_code in (404, 422)


@pytest.mark.rule("error-503")
async def test_a_refresh_of_an_unreachable_server_names_it(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    server = (await register(client, admin_headers)).json()

    answer = await client.post(f"/api/servers/{server['id']}/refresh", headers=admin_headers)

    assert answer.status_code == 503
    assert answer.json()["detail"] == "Host 'host1.example.com' is unreachable"
    shown = (await client.get(f"/api/servers/{server['id']}", headers=admin_headers)).json()
    assert shown["state"] == "unreachable"


@pytest.mark.rule("servers")
async def test_only_administrators_change_servers(
    client: httpx.AsyncClient, admin_headers: Headers, write_headers: Headers, read_headers: Headers
) -> None:
    server = (await register(client, admin_headers)).json()
    path = f"/api/servers/{server['id']}"

    for headers, status in ((None, 401), (read_headers, 403), (write_headers, 403)):
        assert (await client.post("/api/servers", headers=headers, json={"nonsense": 1})).status_code == status
        assert (await client.put(path, headers=headers, json={})).status_code == status
        assert (await client.delete(path, headers=headers)).status_code == status
    assert (await client.get(path, headers=read_headers)).status_code == 200
    assert (await client.post(f"{path}/refresh", headers=read_headers)).status_code == 403


async def test_an_address_for_ssh_is_one_that_a_playbook_can_use(
    client: httpx.AsyncClient, admin_headers: Headers
) -> None:
    for number, address in enumerate(("10.0.0.7", "host1.example.com", "2001:db8::7", "::1", "h")):
        made = await register(client, admin_headers, hostname=f"good{number}", ansible_host=address)
        assert made.status_code == 201, made.text
        SshHost(made.json()["ansible_host"])
    for address in ("host:22", "[::1]", "a_b", "-x", "a b", "host.", ":", "::1%eth0", ".", ""):
        refused = await register(client, admin_headers, hostname="bad", ansible_host=address)
        assert refused.status_code == 422, address
        assert [error["field"] for error in refused.json()["errors"]] == ["ansible_host"]


async def test_what_may_be_left_out_can_be_taken_away_again(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    by_ssh = {"ansible_host": "10.0.0.7", "ansible_user": "ansible", "ansible_port": 2222}
    server = (await register(client, admin_headers, **by_ssh)).json()
    path = f"/api/servers/{server['id']}"

    kept = await client.put(path, headers=admin_headers, json={"pool": "fast"})
    assert {name: kept.json()[name] for name in by_ssh} == by_ssh
    changed = await client.put(path, headers=admin_headers, json=dict.fromkeys(by_ssh))
    assert {name: changed.json()[name] for name in by_ssh} == dict.fromkeys(by_ssh)

    for name in ("hostname", "libvirt_uri", "virt_type", "pool", "enabled", "ansible_connection"):
        refused = await client.put(path, headers=admin_headers, json={name: None})
        assert refused.status_code == 422, name
        assert [error["field"] for error in refused.json()["errors"]] == [name]


async def test_a_server_at_another_uri_is_one_that_nobody_has_reached_yet(
    client: httpx.AsyncClient, admin_headers: Headers
) -> None:
    server = (await register(client, admin_headers, enabled=False)).json()
    await Server.filter(id=server["id"]).update(state="reachable", virt_type_found="kvm")

    other = {"libvirt_uri": "qemu+tls://127.0.0.1:2/system"}
    changed = await client.put(f"/api/servers/{server['id']}", headers=admin_headers, json=other)

    assert (changed.json()["state"], changed.json()["virt_type_found"]) == ("unknown", None)


async def test_a_hostile_uri_is_refused_on_a_change_too(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    server = (await register(client, admin_headers)).json()
    for uri in ("qemu+ext:///system?command=id", "test:///default", "qemu:///system?socket=/x", "", "x" * 1025):
        refused = await client.put(
            f"/api/servers/{server['id']}", headers=admin_headers, json={"libvirt_uri": uri, "pool": "changed"}
        )
        assert refused.status_code == 422, uri
        assert [error["field"] for error in refused.json()["errors"]] == ["libvirt_uri"]
    assert (await Server.get(id=server["id"])).pool == "default"


async def test_unknown_servers_are_404(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    for method, path in (
        ("GET", "/api/servers/999"),
        ("PUT", "/api/servers/999"),
        ("DELETE", "/api/servers/999"),
        ("POST", "/api/servers/999/refresh"),
    ):
        answer = await client.request(method, path, headers=admin_headers, json={})
        assert (answer.status_code, answer.json()["detail"]) == (404, "Server with ID 999 not found")
    for nonsense in ("0", "x", str(2**40)):
        assert (await client.get(f"/api/servers/{nonsense}", headers=admin_headers)).status_code == 422


async def test_a_server_on_which_a_vm_has_just_been_found_is_not_removed(app: FastAPI) -> None:
    server = await Server.create(hostname="shelf", libvirt_uri="qemu:///system", enabled=False)
    outside = contextvars.copy_context()
    async with in_transaction():
        await Machine.create(uuid="x", server=server, name="found", cpu_cores=1, memory_mb=64, disk_gb=1)
        # nobody else sees the VM yet
        removing = asyncio.create_task(actions.remove(server, ()), context=outside)
        await asyncio.sleep(0.2)

    with pytest.raises(Conflict, match="has 1 VM:"):
        await removing
    assert await Server.exists(id=server.id)


async def test_a_server_that_is_removed_while_it_is_changed_is_not_found(app: FastAPI) -> None:
    server = await Server.create(hostname="shelf", libvirt_uri="qemu:///system", enabled=False)
    await actions.remove(await Server.get(id=server.id), ())

    for fields in ({"draining": True}, {"hostname": "another"}):
        with pytest.raises(NotFound, match=f"^Server with ID {server.id} not found$"):
            await actions.change(server, fields)


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_credential_that_is_removed_while_a_server_gets_it_is_named(app: FastAPI, is_new: bool) -> None:
    credential = await Credential.create(name="gone", kind="tls", fingerprint="x", sealed="x")
    fields: dict[str, Any] = {"libvirt_uri": "qemu+tls://127.0.0.1:1/system", "enabled": False}
    server = await Server.create(hostname="shelf", **fields)
    change = {"credential_id": credential.id}
    outside = contextvars.copy_context()
    async with in_transaction():
        await Credential.filter(id=credential.id).delete()
        # nobody else sees that yet
        work = actions.register({"hostname": "new", **fields, **change}) if is_new else actions.change(server, change)
        changing = asyncio.create_task(work, context=outside)
        await asyncio.sleep(0.2)

    with pytest.raises(BadRequest, match=f"^Credential with ID {credential.id} not found$"):
        await changing
    assert await Server.all().count() == 1


async def test_a_number_is_no_text_and_no_truth(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    for field in ("cpu_overcommit", "memory_overcommit"):
        for value in ("1", True):
            refused = await register(client, admin_headers, **{field: value})
            assert refused.status_code == 422, refused.text
            assert [error["field"] for error in refused.json()["errors"]] == [field]
    whole = await register(client, admin_headers, cpu_overcommit=2, enabled=False)
    assert (whole.status_code, whole.json()["cpu_overcommit"]) == (201, 2.0)
