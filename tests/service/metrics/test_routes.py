# SPDX-License-Identifier: GPL-3.0-or-later
"""``/metrics``: who may read it, and what stands in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from hostler import __version__
from hostler.events.models import Event
from hostler.hosts.models import Server, ServerState
from hostler.jobs.ledger import close_job
from hostler.jobs.models import Executor, Job, JobState
from hostler.machines.models import Machine, MachineStatus
from hostler.metrics import stored
from hostler.settings import Settings
from hostler.webhooks.models import Webhook
from tests.service.conftest import DATABASE, Headers, MakeUser, log_in

pytestmark = pytest.mark.anyio

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
async def nearby(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client on the service's own machine, without a credential."""
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8470") as client:
        yield client


async def scrape(nearby: httpx.AsyncClient) -> Samples:
    answer = await nearby.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


async def make_machine(server: Server, name: str, status: MachineStatus) -> Machine:
    return await Machine.create(
        uuid=f"00000000-0000-0000-0000-{len(name):012}",
        server=server,
        name=name,
        status=status.value,
        cpu_cores=1,
        memory_mb=64,
        disk_gb=0,
    )


@pytest.mark.rule("metrics")
async def test_nearby_nobody_has_to_say_who_he_is(nearby: httpx.AsyncClient) -> None:
    samples = await scrape(nearby)

    assert [dict(labels)["version"] for name, labels in samples if name == "hostler_build_info"] == [__version__]
    assert value(samples, "process_resident_memory_bytes") > 0
    assert value(samples, "hostler_database_up") == 1


@pytest.mark.rule("metrics")
async def test_from_elsewhere_it_takes_a_token_that_may_read(
    client: httpx.AsyncClient, read_headers: Headers, make_user: MakeUser
) -> None:
    await make_user("nobody")

    stranger = await client.get("/metrics")
    forged = await client.get("/metrics", headers={"Authorization": "Bearer hostler_aaaaaaaa_" + "b" * 40})
    unfit = await client.get("/metrics", headers=await log_in(client, "nobody", "correct horse battery"))
    reader = await client.get("/metrics", headers=read_headers)

    assert (stranger.status_code, stranger.json()["detail"]) == (401, "Could not validate credentials")
    assert stranger.headers["www-authenticate"] == "Bearer"
    assert forged.status_code == 401
    assert (unfit.status_code, unfit.json()["detail"]) == (403, "Not enough permissions")
    assert reader.status_code == 200
    assert "hostler_build_info" in reader.text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
async def test_what_a_proxy_of_this_machine_passes_on_takes_a_token(
    nearby: httpx.AsyncClient, read_headers: Headers, header: str
) -> None:
    assert (await nearby.get("/metrics", headers={header: "127.0.0.1"})).status_code == 401
    assert (await nearby.get("/metrics", headers={header: "127.0.0.1"} | read_headers)).status_code == 200


async def test_the_operator_can_ask_for_a_token_nearby_as_well(
    app: FastAPI, nearby: httpx.AsyncClient, settings: Settings, read_headers: Headers
) -> None:
    app.state.settings = settings.model_copy(update={"metrics_free_on_loopback": False})

    assert (await nearby.get("/metrics")).status_code == 401
    assert (await nearby.get("/metrics", headers=read_headers)).status_code == 200


async def test_requests_are_counted_by_route_and_never_by_path(nearby: httpx.AsyncClient) -> None:
    before = await scrape(nearby)
    for path in ("/api/vms/1", "/api/vms/2", "/api/jobs/3"):
        assert (await nearby.get(path)).status_code == 401
    for path in ("/no/such", "/wp-login.php", "/api/vms/1/x/y"):
        assert (await nearby.get(path)).status_code == 404
    assert (await nearby.request("BREW", "/healthz")).status_code == 405
    assert (await nearby.get("/api/%00")).status_code == 422
    after = await scrape(nearby)

    def more(**labels: str) -> float:
        name = "hostler_http_requests_total"
        return value(after, name, **labels) - value(before, name, **labels)

    assert more(method="GET", route="/api/vms/{vm_id}", status="401") == 2
    assert more(method="GET", route="/api/jobs/{job_id}", status="401") == 1
    assert more(method="GET", route="none", status="404") == 3
    assert more(method="other", route="/healthz", status="405") == 1
    assert more(method="GET", route="none", status="422") == 1
    assert more(method="GET", route="/metrics", status="200") == 1
    assert value(after, "hostler_http_requests_in_progress") == 1  # this one
    timed = {"method": "GET", "route": "/api/vms/{vm_id}", "le": "+Inf"}
    name = "hostler_http_request_duration_seconds_bucket"
    assert value(after, name, **timed) - value(before, name, **timed) == 2
    assert not any("/api/vms/1" in text for _, labels in after for _, text in labels)


async def test_what_the_database_knows_is_counted_when_it_is_asked(nearby: httpx.AsyncClient) -> None:
    up = await Server.create(hostname="up", libvirt_uri="test:///1", state=ServerState.REACHABLE.value)
    down = await Server.create(hostname='d"o\nwn', libvirt_uri="test:///2", state=ServerState.UNREACHABLE.value)
    await Server.create(hostname="off", libvirt_uri="test:///3", state=ServerState.UNKNOWN.value, enabled=False)
    await make_machine(up, "a", MachineStatus.RUNNING)
    await make_machine(up, "bb", MachineStatus.RUNNING)
    await make_machine(up, "ccc", MachineStatus.STOPPED)
    await make_machine(down, "dddd", MachineStatus.UNKNOWN)
    # a queued one of a newer service: nobody here takes it up
    for number, state in enumerate((JobState.RUNNING, JobState.RUNNING, JobState.QUEUED, JobState.FAILED), 1):
        action = "vm_rest" if state is JobState.QUEUED else "vm_start"
        await Job.create(action=action, executor=Executor.DIRECT.value, state=state.value, vm_id=number)

    samples = await scrape(nearby)

    assert value(samples, "hostler_servers", state="reachable") == 1
    assert value(samples, "hostler_servers", state="unreachable") == 1
    assert value(samples, "hostler_servers", state="disabled") == 1
    assert ("hostler_servers", frozenset({("state", "unknown")})) in samples
    assert value(samples, "hostler_server_up", server="up") == 1
    assert samples["hostler_server_up", frozenset({("server", 'd"o\nwn')})] == 0
    assert ("hostler_server_up", frozenset({("server", "off")})) not in samples
    assert value(samples, "hostler_vms", server="up", status="running") == 2
    assert value(samples, "hostler_vms", server="up", status="stopped") == 1
    assert value(samples, "hostler_vms", server='d"o\nwn', status="unknown") == 1
    assert value(samples, "hostler_jobs", action="vm_start", state="running") == 2
    assert value(samples, "hostler_jobs", action="vm_rest", state="queued") == 1
    assert ("hostler_jobs", frozenset({("action", "vm_start"), ("state", "failed")})) not in samples


async def test_a_job_is_counted_once_when_it_ends_with_how_long_it_took(nearby: httpx.AsyncClient) -> None:
    job = await Job.create(
        action="vm_stop",
        executor=Executor.DIRECT.value,
        state=JobState.RUNNING.value,
        started_at=datetime.now(UTC),
    )
    ended = {"action": "vm_stop", "state": "succeeded"}
    before = value(await scrape(nearby), "hostler_job_duration_seconds_count", **ended)

    assert await close_job(job, JobState.SUCCEEDED)
    assert not await close_job(job, JobState.FAILED)

    after = await scrape(nearby)
    assert value(after, "hostler_job_duration_seconds_count", **ended) == before + 1
    assert value(after, "hostler_job_duration_seconds_sum", **ended) >= 0


async def test_failed_logins_are_counted_by_why_and_not_by_whom(
    nearby: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    before = await scrape(nearby)
    for _ in range(12):
        await client.post("/api/auth/login", data={"username": "admin", "password": "wrong"})
    after = await scrape(nearby)

    def more(reason: str) -> float:
        name = "hostler_logins_failed_total"
        return value(after, name, reason=reason) - value(before, name, reason=reason)

    assert (more("wrong"), more("throttled")) == (10, 2)
    assert {dict(labels)["reason"] for name, labels in after if name == "hostler_logins_failed_total"} == {
        "wrong",
        "throttled",
    }


async def test_how_long_an_event_waits_for_an_enabled_webhook_is_told(nearby: httpx.AsyncClient) -> None:
    for enabled, kinds in ((True, []), (True, ["image.*"]), (False, [])):
        await Webhook.create(
            uid="x", url="http://192.0.2.1/", kinds=kinds, enabled=enabled, position=0, secret="not sealed"
        )
    hours_ago = await Event.create(kind="vm.changed", data={})
    await Event.filter(id=hours_ago.id).update(at=datetime.now(UTC) - timedelta(hours=3))
    await Event.create(kind="vm.changed", data={})

    samples = await scrape(nearby)

    name = "hostler_webhook_oldest_undelivered_seconds"
    assert 3 * 3600 <= value(samples, name, webhook="1") < 4 * 3600
    assert samples[name, frozenset({("webhook", "2")})] == 0
    assert (name, frozenset({("webhook", "3")})) not in samples
    outcomes = {dict(labels)["outcome"] for each, labels in samples if each == "hostler_webhook_deliveries_total"}
    assert outcomes == {"delivered", "put_off", "failed"}


@pytest.mark.skipif(DATABASE != "sqlite", reason="PostgreSQL's pool opens itself again")
async def test_without_its_database_it_says_so_and_tells_the_rest(app: FastAPI, nearby: httpx.AsyncClient) -> None:
    await app.state.database.connection.close()

    samples = await scrape(nearby)
    from_elsewhere = await nearby.get("/metrics", headers={"Via": "x", "Authorization": "Bearer hostler_aa_bb"})

    assert value(samples, "hostler_database_up") == 0
    assert ("hostler_database_up", frozenset()) in samples
    assert value(samples, "process_resident_memory_bytes") > 0
    assert not any(name in ("hostler_vms", "hostler_servers", "hostler_jobs") for name, _ in samples)
    assert from_elsewhere.status_code == 503
    assert from_elsewhere.json()["code"] == "database_unavailable"


async def test_a_database_that_takes_too_long_is_not_waited_for(
    nearby: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "DEADLINE_SECONDS", 0)

    assert (await scrape(nearby))["hostler_database_up", frozenset()] == 0


async def test_no_series_has_a_name_twice_and_every_one_has_its_help(nearby: httpx.AsyncClient) -> None:
    families = list(text_string_to_metric_families((await nearby.get("/metrics")).text))

    assert len({family.name for family in families}) == len(families)
    assert [family.name for family in families if not family.documentation] == []
