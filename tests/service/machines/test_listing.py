# SPDX-License-Identifier: GPL-3.0-or-later
"""The hand-written queries of the list and of one VM answer what the ORM and the models would, whatever is asked."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from tortoise.queryset import QuerySet

from hostler.hosts.models import Server
from hostler.machines import listing
from hostler.machines.listing import Wanted
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.schemas import Vm, VmList, VmOrder
from hostler.machines.version import tag_of
from hostler.paging import PageRequest, fetch_page

pytestmark = pytest.mark.anyio

LETTERS = "aAbBwW-_.%\\'\"*[]1 äÄßİıσςΣжЖ中🙂"
NAMES = [
    *("web-1", "WEB-2", "Web_3", "web%4", "aaaa", "AAaa", "a", "ab", "%", "%%", "_", "\\", "'", '"', '""', '"web"'),
    *("*", "NOT web", "web OR db", "(web)", "web*", "Büro-ÄRZTE", "büro-ärzte", "Сервер-1", "сервер-2", "straße"),
    # letters whose cases are peculiar, among them a dotless i
    *("STRASSE", "İstanbul", "\u0131stanbul", "ΣΊΣΥΦΟΣ", "σίσυφος"),
    *("中文名", "🙂🙂🙂", "a b c", " lead", "trail ", "\t", "x" * 255),
]
STATUSES = [MachineStatus.RUNNING, MachineStatus.STOPPED, MachineStatus.PAUSED]
SYSTEMS = ["linux", "windows", 'li"nux', None]


@pytest.fixture
async def shelves(api: httpx.AsyncClient) -> AsyncIterator[list[Server]]:
    """Three servers with VMs of all kinds; of the last one all VMs are gone."""
    servers = [
        await Server.create(hostname=name, libvirt_uri="qemu:///system", enabled=False)
        for name in ("one.example", 'two "2"', "thrée")
    ]
    # two servers may have the same names
    for number, (name, server) in enumerate(itertools.product(NAMES, servers)):
        await put(server, name, number)
    await Machine.filter(server_id=servers[2].id).delete()
    yield servers


async def put(server: Server, name: str, number: int) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number // 3, microseconds=(number % 4) * 250_000)
    await Machine.create(
        server=server,
        name=name,
        uuid=str(uuid.uuid4()),
        status=STATUSES[number % 3],
        cpu_cores=1 + number % 4,
        memory_mb=64 * (1 + number % 5),
        disk_gb=(0.0, 20.0, 0.1, 2.207, 0.1 + 0.2, 1e16)[number % 6],
        os_type=SYSTEMS[number % 4],
        os_version=None if number % 2 else 'Debian "12"\n',
        ip_address=None if number % 2 else "192.0.2.1",
        mac_address=None if number % 3 else "52:54:00:00:00:01",
        vnc_port=None if number % 2 else 5900,
        description="" if number % 2 else 'says "hello" \\ ä \x1f',
        tags=[] if number % 2 else ["a", 'b "c"', "ä\u2028"],
        autostart=number % 2 == 0,
        protected=number % 3 == 0,
        created_at=moment,
    )


def by_the_orm(wanted: Wanted) -> QuerySet[Machine]:
    query = Machine.all()
    if wanted.status is not None:
        query = query.filter(status=wanted.status)
    if wanted.server_id is not None:
        query = query.filter(server_id=wanted.server_id)
    if wanted.os_type is not None:
        query = query.filter(os_type=wanted.os_type)
    if wanted.search:
        query = query.filter(name__icontains=wanted.search)
    if "a" in wanted.tags:
        query = query.filter(ip_address__isnull=False)  # `put` gives both to the same
    if "b" in wanted.tags:
        query = query.filter(id=0)
    if wanted.after_id is not None:
        query = query.filter(id__gt=wanted.after_id)
    return query.select_related("server")


async def expected(wanted: Wanted, page: PageRequest, sort: str) -> dict[str, Any]:
    rows, total = await fetch_page(by_the_orm(wanted), page, sort)
    pages = page.total_pages(total)
    shown = [Vm.of(row) for row in rows]
    listed = VmList(vms=shown, total=total, page=page.page, per_page=page.per_page, total_pages=pages)
    return listed.model_dump(mode="json")


def query_of(wanted: Wanted, page: PageRequest, sort: str) -> dict[str, Any]:
    given = {"tag" if name == "tags" else name: value for name, value in asdict(wanted).items() if value is not None}
    return {
        **given,
        **page.model_dump(),
        "sort": sort,
    }


@st.composite
def searches(draw: st.DrawFn) -> str | None:
    name = draw(st.sampled_from(NAMES))
    begin = draw(st.integers(0, len(name)))
    part = name[begin : draw(st.integers(begin, len(name)))]
    turned = draw(st.sampled_from([str, str.upper, str.lower, str.swapcase]))(part)
    return draw(st.sampled_from([None, part, turned, draw(st.text(LETTERS, max_size=6))]))


wanteds = st.builds(
    Wanted,
    status=st.sampled_from([None, *STATUSES, MachineStatus.SAVED]),
    server_id=st.sampled_from([None, None, 1, 2, 3, 4]),
    os_type=st.sampled_from([None, None, "linux", "windows", 'li"nux', "none"]),
    search=searches(),
    tags=st.sampled_from([(), (), ("a",), ("b",), ("a", "b"), ("a", "a")]),
    after_id=st.sampled_from([None, None, 0, 1, 40, 75, 2**31 - 1]),
)
pages = st.builds(PageRequest, page=st.integers(1, 30), per_page=st.sampled_from([1, 2, 3, 7, 20, 100]))


@pytest.mark.rule("list-order", "list-search", "list-shape")
@given(data=st.data())
@budget(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_page_is_what_the_orm_finds_and_the_models_write(
    api: httpx.AsyncClient, shelves: list[Server], data: st.DataObject
) -> None:
    wanted, page, sort = data.draw(wanteds), data.draw(pages), data.draw(st.sampled_from(get_args(VmOrder)))

    answer = await api.get("/api/vms", params=query_of(wanted, page, sort))

    assert answer.json() == await expected(wanted, page, sort)


@pytest.mark.parametrize("few", [0, 1, 3])
async def test_what_is_found_often_is_counted_in_another_way_and_is_as_many(
    api: httpx.AsyncClient, shelves: list[Server], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_COMMON", few)
    page = PageRequest()
    for text in ("web-1", "ÄRZTE", "staße", "STRASSE", "aaaa"):
        for wanted in (Wanted(search=text), Wanted(search=text, status="running"), Wanted(search=text, server_id=1)):
            answer = await api.get("/api/vms", params=query_of(wanted, page, "id"))

            assert answer.json() == await expected(wanted, page, "id"), wanted


async def test_the_number_of_all_is_never_one_of_before(api: httpx.AsyncClient, shelves: list[Server]) -> None:
    async def totals() -> list[int]:
        queries: list[dict[str, Any]] = [{}, {"search": "web-1"}, {"search": "w"}, {"status": "saved"}]
        return [(await api.get("/api/vms", params=query)).json()["total"] for query in queries]

    everything, found, short, _ = before = await totals()
    assert await totals() == before

    await put(shelves[2], "web-10", 1)
    assert await totals() == [everything + 1, found + 1, short + 1, 0]
    await Machine.filter(name="web-10").update(name="nothing of it", status="saved")
    assert await totals() == [everything + 1, found, short, 1]
    await Machine.filter(name="nothing of it").delete()
    assert await totals() == before


@pytest.mark.rule("vms", "locking")
async def test_one_vm_is_what_the_models_write_and_has_the_tag_that_a_put_asks_for(
    api: httpx.AsyncClient, shelves: list[Server]
) -> None:
    for row in await Machine.all().select_related("server"):
        by_id, by_uuid = await api.get(f"/api/vms/{row.id}"), await api.get(f"/api/vms/{row.uuid}")

        assert by_id.json() == by_uuid.json() == Vm.of(row).model_dump(mode="json")
        assert by_id.headers["ETag"] == by_uuid.headers["ETag"] == tag_of(row)


async def test_fields_have_the_order_of_the_contract(api: httpx.AsyncClient, shelves: list[Server]) -> None:
    row = await Machine.all().select_related("server").first()
    assert row is not None

    text = (await api.get(f"/api/vms/{row.id}")).text

    assert list(json.loads(text)) == list(Vm.model_fields)


async def test_a_time_that_was_stored_in_another_zone_is_shown_in_utc(
    api: httpx.AsyncClient, shelves: list[Server]
) -> None:
    row = await Machine.all().first()
    assert row is not None
    elsewhere = timezone(timedelta(hours=-5))
    await Machine.filter(id=row.id).update(created_at=datetime(2026, 2, 3, 20, 0, 0, 5, tzinfo=elsewhere))

    shown = (await api.get(f"/api/vms/{row.id}")).json()

    assert shown["created_at"] == "2026-02-04T01:00:00.000005Z"
