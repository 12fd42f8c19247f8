# SPDX-License-Identifier: GPL-3.0-or-later
"""``GET /api/vms`` and ``GET /api/vms/{id}``: the contract's shapes, from rows alone."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.machines.models import Machine

pytestmark = pytest.mark.anyio

CONTRACT = {
    "id": int,
    "name": str,
    "uuid": str,
    "status": str,
    "server": {"id": int, "hostname": str},
    "resources": {"cpu_cores": int, "memory_mb": int, "disk_gb": float},
    "network": {"ip_address": str | None, "mac_address": str | None},
    "os_type": str | None,
    "os_version": str | None,
    "vnc_port": int | None,
    "created_at": str,
    "updated_at": str,
}
"""The VM of api-contract.md: every field and its type."""


@pytest.fixture
async def shelf(api: httpx.AsyncClient) -> Server:
    """A server that nobody watches, for rows that no host knows of."""
    return await Server.create(hostname="shelf", libvirt_uri="qemu:///system", enabled=False)


async def put(server: Server, name: str, **fields: Any) -> Machine:
    sizes = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 1.0}
    known: dict[str, Any] = {"uuid": str(uuid.uuid4()), "status": "stopped", **sizes, **fields}
    return await Machine.create(server=server, name=name, **known)


def assert_shaped(value: dict[str, Any], shape: dict[str, Any]) -> None:
    for name, kind in shape.items():
        assert name in value, f"{name} is missing"
        if isinstance(kind, dict):
            assert set(value[name]) == set(kind)
            assert_shaped(value[name], kind)
        else:
            assert isinstance(value[name], kind), f"{name} is {value[name]!r}"


async def names(api: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await api.get("/api/vms", params=query)
    assert answer.status_code == 200, answer.text
    return [vm["name"] for vm in answer.json()["vms"]]


@pytest.mark.rule("vms", "units", "list-shape")
async def test_a_vm_has_every_field_of_the_contract(api: httpx.AsyncClient, shelf: Server) -> None:
    row = await put(
        shelf,
        "web-server-01",
        status="running",
        cpu_cores=2,
        memory_mb=2048,
        disk_gb=20.0,
        ip_address="192.168.1.100",
        mac_address="52:54:00:00:00:01",
        os_type="linux",
        os_version="Ubuntu 22.04",
        vnc_port=5901,
    )

    listed = (await api.get("/api/vms")).json()
    shown = (await api.get(f"/api/vms/{row.id}")).json()

    assert set(listed) == {"vms", "total", "page", "per_page", "total_pages"}
    assert {name: listed[name] for name in listed if name != "vms"} == {
        "total": 1,
        "page": 1,
        "per_page": 20,
        "total_pages": 1,
    }
    assert listed["vms"] == [shown]
    assert_shaped(shown, CONTRACT)
    assert shown["created_at"].endswith("Z")
    assert shown["updated_at"].endswith("Z")
    assert {name: shown[name] for name in CONTRACT if not name.endswith("_at")} == {
        "id": row.id,
        "name": "web-server-01",
        "uuid": row.uuid,
        "status": "running",
        "server": {"id": shelf.id, "hostname": "shelf"},
        "resources": {"cpu_cores": 2, "memory_mb": 2048, "disk_gb": 20.0},
        "network": {"ip_address": "192.168.1.100", "mac_address": "52:54:00:00:00:01"},
        "os_type": "linux",
        "os_version": "Ubuntu 22.04",
        "vnc_port": 5901,
    }


@pytest.mark.rule("vm-addresses")
async def test_what_is_not_known_of_a_vm_is_null(api: httpx.AsyncClient, shelf: Server) -> None:
    row = await put(shelf, "bare")

    shown = (await api.get(f"/api/vms/{row.id}")).json()

    assert_shaped(shown, CONTRACT)
    assert (shown["os_type"], shown["os_version"], shown["vnc_port"]) == (None, None, None)
    assert shown["network"] == {"ip_address": None, "mac_address": None}


@pytest.mark.rule("list-order")
async def test_pages_follow_each_other_in_the_order_of_ids(api: httpx.AsyncClient, shelf: Server) -> None:
    for number in range(5):
        await put(shelf, f"vm{4 - number}")

    first, second, third, past = [
        (await api.get("/api/vms", params={"page": page, "per_page": 2})).json() for page in (1, 2, 3, 4)
    ]

    assert [[vm["name"] for vm in page["vms"]] for page in (first, second, third, past)] == [
        ["vm4", "vm3"],
        ["vm2", "vm1"],
        ["vm0"],
        [],
    ]
    assert {(page["total"], page["per_page"], page["total_pages"]) for page in (first, past)} == {(5, 2, 3)}
    assert past["page"] == 4


@pytest.mark.rule("list-order")
async def test_another_order_is_by_the_field_that_is_asked_for_and_by_id_where_that_is_alike(
    api: httpx.AsyncClient, shelf: Server
) -> None:
    for name, cores in (("b", 2), ("c", 1), ("a", 2)):
        await put(shelf, name, cpu_cores=cores)

    assert await names(api, sort="name") == ["a", "b", "c"]
    assert await names(api, sort="-name") == ["c", "b", "a"]
    assert await names(api, sort="-id") == ["a", "c", "b"]
    assert await names(api, sort="-cpu_cores") == ["b", "a", "c"]
    assert await names(api, sort="cpu_cores", per_page=1, page=2) == ["b"]


@pytest.mark.rule("list-after")
async def test_who_reads_on_from_the_last_id_loses_no_vm_where_one_before_it_is_deleted(
    api: httpx.AsyncClient, shelf: Server
) -> None:
    rows = [await put(shelf, f"vm{number}") for number in range(5)]
    first = (await api.get("/api/vms", params={"per_page": 2})).json()
    await rows[0].delete()
    await put(shelf, "vm5")

    rest = (await api.get("/api/vms", params={"per_page": 4, "after_id": first["vms"][-1]["id"]})).json()

    assert [vm["name"] for vm in first["vms"] + rest["vms"]] == ["vm0", "vm1", "vm2", "vm3", "vm4", "vm5"]
    assert (rest["total"], rest["total_pages"]) == (4, 1)


async def test_a_list_of_nothing_has_no_pages(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/vms")).json() == {"vms": [], "total": 0, "page": 1, "per_page": 20, "total_pages": 0}


@pytest.mark.rule("list-order")
async def test_a_parameter_that_makes_no_sense_is_named(api: httpx.AsyncClient) -> None:
    nonsense = {
        "per_page": ["101", "0", "-1", "many", ""],
        "page": ["0", "-1", "1e3", str(2**70)],
        "server_id": ["0", "lab1", str(2**63)],
        "after_id": ["-1", "last", str(2**31)],
        "status": ["runing", ""],
        "search": ["x" * 256],
        "sort": ["", "password_hash", "name; DROP TABLE vm", "--id"],
    }
    for parameter, values in nonsense.items():
        for value in values:
            answer = await api.get("/api/vms", params={parameter: value})

            assert answer.status_code == 422, (parameter, value)
            assert [error["field"] for error in answer.json()["errors"]] == [parameter]


async def test_a_hundred_per_page_is_the_most(api: httpx.AsyncClient, shelf: Server) -> None:
    for number in range(101):
        await put(shelf, f"vm{number}")

    page = (await api.get("/api/vms", params={"per_page": 100})).json()

    assert len(page["vms"]) == 100
    assert (page["total"], page["total_pages"]) == (101, 2)


async def test_filters_by_status_server_and_os_type(api: httpx.AsyncClient, shelf: Server) -> None:
    other = await Server.create(hostname="other", libvirt_uri="qemu:///system", enabled=False)
    await put(shelf, "a", status="running", os_type="linux")
    await put(shelf, "b", os_type="windows")
    await put(other, "c", status="running", os_type="windows")

    assert await names(api, status="running") == ["a", "c"]
    assert await names(api, server_id=other.id) == ["c"]
    assert await names(api, os_type="windows") == ["b", "c"]
    assert await names(api, os_type="WINDOWS") == []
    assert await names(api, status="running", server_id=shelf.id, os_type="linux", search="A") == ["a"]
    assert await names(api, server_id=999) == []
    assert await names(api, status="paused") == []


@pytest.mark.rule("list-search")
@pytest.mark.rule("list-tags")
async def test_tags_that_are_asked_for_are_all_had(api: httpx.AsyncClient, shelf: Server) -> None:
    await put(shelf, "one", tags=["web", "blue"])
    await put(shelf, "two", tags=["web", "webby"])
    await put(shelf, "three")

    assert await names(api, tag="web") == ["one", "two"]
    assert await names(api, tag=["web", "blue"]) == ["one"]
    assert await names(api, tag="we") == []
    refused = await api.get("/api/vms", params={"tag": "a b"})
    assert (refused.status_code, "tag" in refused.json()["detail"]) == (422, True)


async def test_a_search_is_literal_text_in_any_case(api: httpx.AsyncClient, shelf: Server) -> None:
    # imported domains keep whatever name they have
    everything = ["Web-1", "my_web", "web%", "100%", "back\\slash", "o'clock"]
    for name in everything:
        await put(shelf, name)
    expected = {
        "web": ["Web-1", "my_web", "web%"],
        "WEB-": ["Web-1"],
        "%": ["web%", "100%"],
        "_": ["my_web"],
        "y_w": ["my_web"],
        "b%": ["web%"],
        "\\": ["back\\slash"],
        "k\\S": ["back\\slash"],
        "'": ["o'clock"],
        '"; --': [],
        "[w]eb": [],
        "*": [],
        "": everything,
    }

    assert {text: await names(api, search=text) for text in expected} == expected


async def test_a_search_for_a_nul_is_refused(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/vms", params={"search": "a\x00b"})).status_code == 422


async def test_an_unknown_vm_is_404_in_the_contracts_words(api: httpx.AsyncClient, shelf: Server) -> None:
    await put(shelf, "there")
    unknown = [
        "999",
        "0",
        "-1",
        "2147483648",
        "99999999999999999999",
        "1.0",
        "١",  # noqa: RUF001 - a digit, but none of ours
        "web",
        "null",
        "12345678-1234-1234-1234-123456789012",
        "{}",
        "1' OR 1=1",
    ]
    for key in unknown:
        answer = await api.get(f"/api/vms/{key}")

        assert answer.status_code == 404, key
        assert answer.json()["detail"] == f"VM with ID {key} not found"


@pytest.mark.rule("vm-ids")
async def test_a_uuid_stands_for_the_id(api: httpx.AsyncClient, shelf: Server) -> None:
    row = await put(shelf, "there")

    by_id = await api.get(f"/api/vms/{row.id}")
    for key in (row.uuid, row.uuid.upper()):
        by_uuid = await api.get(f"/api/vms/{key}")
        assert by_uuid.status_code == 200
        assert by_uuid.json() == by_id.json()


@pytest.mark.rule("vm-ids")
async def test_a_uuid_that_two_hosts_have_is_ambiguous_and_the_ids_are_not(
    api: httpx.AsyncClient, shelf: Server
) -> None:
    other = await Server.create(hostname="other", libvirt_uri="qemu:///system", enabled=False)
    row = await put(shelf, "copy")
    copy = await put(other, "copy", uuid=row.uuid)

    answer = await api.get(f"/api/vms/{row.uuid}")

    assert answer.status_code == 409
    assert row.uuid in answer.json()["detail"]
    assert (await api.get(f"/api/vms/{copy.id}")).json()["server"]["hostname"] == "other"
