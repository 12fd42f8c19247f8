# SPDX-License-Identifier: GPL-3.0-or-later
"""Several services whose database goes away: one's way to it, or the database itself."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.hosts.cable import Cable
from tests.service.hosts.fleet import Fleet, Service, fleet, shared_evenly, wait_for
from tests.service.postgres import PostgresServer

__all__ = ["fleet"]

pytestmark = pytest.mark.slow


@pytest.fixture
def cable(postgres_server: PostgresServer) -> Iterator[Cable]:
    # a socket's path has to be short
    with tempfile.TemporaryDirectory(prefix="cable-") as folder:
        cable = Cable(Path(folder), postgres_server.folder)
        yield cable
        cable.close()


def ready(service: Service) -> int:
    return service.api.get("/readyz").status_code


def test_one_that_is_cut_off_loses_its_hosts_and_is_one_of_several_again_when_it_is_back(
    fleet: Fleet, cable: Cable, postgres_server: PostgresServer
) -> None:
    hosts = fleet.hosts(4)
    (other,) = fleet.start()
    (lone,) = fleet.start(url=fleet.url.replace(str(postgres_server.folder), str(cable.folder)))
    wait_for(lambda: shared_evenly([lone, other], hosts), "each host is watched by one service")
    wait_for(lambda: len(fleet.machines()) == 8, "all VMs are known")
    lost = lone.watched()

    cable.cut()
    for host in lost:
        fleet.host(host, f"{host}-a", f"{host}-c")

    wait_for(lambda: other.watched() == hosts, "the other watches all")
    wait_for(lambda: all(f"{host}-c" in fleet.machines() for host in lost), "it has looked what is there")
    assert ready(lone) == 503
    assert lone.api.get("/api/vms", headers=other.headers()).status_code == 503

    cable.mend()
    wait_for(lambda: ready(lone) == 200, "it serves again")
    wait_for(lambda: shared_evenly([lone, other], hosts), "both watch their share")
    assert {fleet.machines()[f"{host}-b"] for host in lost} == {"error"}
    assert len(fleet.rows("SELECT * FROM service_process WHERE expires_at > clock_timestamp()")) == 2


@pytest.mark.parametrize("seconds", [1, 15], ids=["briefly", "longer-than-a-lease"])
def test_when_the_database_is_restarted_all_serve_again_and_watch_what_they_watched(
    fleet: Fleet, postgres_server: PostgresServer, seconds: float
) -> None:
    hosts = fleet.hosts(6)
    services = fleet.start(3)
    wait_for(lambda: shared_evenly(services, hosts), "each host is watched by one service")
    wait_for(lambda: len(fleet.machines()) == 12, "all VMs are known")
    owners = fleet.owners()

    postgres_server.stop()
    try:
        time.sleep(seconds)
        assert [ready(service) for service in services] == [503] * 3
        assert all(service.process.poll() is None for service in services)
    finally:
        postgres_server.start()

    wait_for(lambda: [ready(service) for service in services] == [200] * 3, "all serve again")
    time.sleep(8)
    assert fleet.owners() == owners
    assert shared_evenly(services, hosts)
    wait_for(lambda: set(fleet.machines().values()) == {"running"}, "what the VMs are is known")
    answer: httpx.Response = services[0].api.get("/api/servers", headers=services[1].headers())
    assert {server["state"] for server in answer.json()["items"]} == {"reachable"}
