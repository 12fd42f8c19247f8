# SPDX-License-Identifier: GPL-3.0-or-later
"""Several services on one PostgreSQL: each host is watched by one of them, and by another when that one is gone."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Mapping
from functools import partial

import pytest

from tests.service.hosts.fleet import Fleet, Service, fleet, identity, shared_evenly, wait_for

__all__ = ["fleet"]

pytestmark = pytest.mark.slow


def test_hosts_are_spread_evenly_and_stay_where_they_are(fleet: Fleet) -> None:
    hosts = fleet.hosts(8)
    services = fleet.start(3)

    wait_for(lambda: shared_evenly(services, hosts), "each host is watched by one service")
    wait_for(lambda: len(fleet.machines()) == 16, "all VMs are known")
    assert sorted(len(service.watched()) for service in services) == [2, 3, 3]

    taken = fleet.rows("SELECT server_id, owner, taken_at FROM host_lease ORDER BY server_id")
    time.sleep(8)
    assert fleet.rows("SELECT server_id, owner, taken_at FROM host_lease ORDER BY server_id") == taken
    assert shared_evenly(services, hosts)


def test_the_hosts_of_one_that_is_killed_are_taken_over_and_looked_at_anew(fleet: Fleet) -> None:
    hosts = fleet.hosts(6)
    killed, *left = fleet.start(3)
    wait_for(lambda: shared_evenly([killed, *left], hosts), "each host is watched by one service")
    wait_for(lambda: len(fleet.machines()) == 12, "all VMs are known")
    changed, _ = killed.watched()
    fleet.host(changed, f"{changed}-a", "new")

    killed.kill()

    wait_for(lambda: shared_evenly(left, hosts), "the others watch its hosts")
    wait_for(lambda: "new" in fleet.machines(), "they look what is there")
    assert fleet.machines()[f"{changed}-b"] == "error"
    wait_for(
        lambda: fleet.rows("SELECT * FROM service_process WHERE expires_at < clock_timestamp()") != [], "it is dead"
    )
    assert all(any(service.is_owner(owner) for service in left) for owner in fleet.owners().values())


def test_one_that_comes_gets_its_share_and_one_that_leaves_leaves_it_to_the_rest(fleet: Fleet) -> None:
    hosts = fleet.hosts(6)
    (first,) = fleet.start()
    wait_for(lambda: first.watched() == hosts, "the first watches all")
    wait_for(lambda: len(fleet.machines()) == 12, "all VMs are known")

    (second,) = fleet.start()
    wait_for(lambda: shared_evenly([first, second], hosts), "the second has its half")
    kept = first.watched()

    second.stop()

    # it has let go of everything by the time that it has ended
    assert not any(second.is_owner(row["name"]) for row in fleet.rows("SELECT name FROM service_process"))
    assert not any(second.is_owner(owner) for owner in fleet.owners().values())
    wait_for(lambda: first.watched() == hosts, "the first watches all again")
    assert set(kept) <= set(first.watched())
    assert set(fleet.machines().values()) == {"running"}


def test_one_that_was_stopped_writes_nothing_of_hosts_that_are_anothers_by_now(fleet: Fleet) -> None:
    hosts = fleet.hosts(4)
    stopped, other = fleet.start(2)
    wait_for(lambda: shared_evenly([stopped, other], hosts), "each host is watched by one service")
    wait_for(lambda: len(fleet.machines()) == 8, "all VMs are known")
    lost = stopped.watched()
    stopped.send(signal.SIGSTOP)
    # what it still has before its eyes
    for host in lost:
        fleet.host(host, f"{host}-a", f"{host}-c")

    wait_for(lambda: other.watched() == hosts, "the other watches all")
    wait_for(lambda: all(f"{host}-c" in fleet.machines() for host in lost), "it has seen what is there now")
    wait_for(lambda: all(fleet.machines()[f"{host}-b"] == "error" for host in lost), "and what is not")
    (last,) = fleet.rows("SELECT MAX(id) AS id FROM event")
    stopped.send(signal.SIGCONT)

    # it comes back as one that joins: some hosts are given to it, which it looks at anew
    wait_for(lambda: shared_evenly([stopped, other], hosts), "both watch their share")
    time.sleep(5)
    machines = fleet.machines()
    for host in lost:
        assert (machines[f"{host}-a"], machines[f"{host}-b"], machines[f"{host}-c"]) == ("running", "error", "running")
    assert fleet.rows("SELECT kind, data FROM event WHERE id > %s AND kind LIKE 'vm.%%'", last["id"]) == []
    assert shared_evenly([stopped, other], hosts)
    assert {row["uuid"] for row in fleet.rows("SELECT uuid FROM vm")} >= {identity(host, f"{host}-c") for host in lost}


def test_what_a_host_uses_is_read_by_whoever_watches_it_and_shown_by_all(fleet: Fleet) -> None:
    hosts = fleet.hosts(2)
    services = fleet.start(2, HOSTLER_STATISTICS_SECONDS="2")
    wait_for(lambda: shared_evenly(services, hosts), "each host is watched by one service")
    ids = {row["hostname"]: row["id"] for row in fleet.rows("SELECT id, hostname FROM server")}

    for service, host in itertools.product(services, hosts):
        wait_for(partial(shows_now, service, ids[host], service.headers()), f"the present use of {host} is shown")

    for service, name in itertools.product(services, ("hostler_statistics_age_seconds", "hostler_monitor_lag_seconds")):
        wait_for(partial(tells_of_its_own, service, name), f"{name} is told of the own hosts alone")
    assert all("hostler_services 2.0" in service.api.get("/metrics").text for service in services)


def shows_now(service: Service, server_id: int, headers: Mapping[str, str]) -> bool:
    return service.api.get(f"/api/servers/{server_id}/statistics", headers=headers).json()["now"] is not None


def tells_of_its_own(service: Service, metric: str) -> bool:
    return service.told(metric) == service.watched()


def test_a_server_is_disabled_and_enabled_by_one_that_does_not_watch_it(fleet: Fleet) -> None:
    hosts = fleet.hosts(2)
    services = fleet.start(2)
    wait_for(lambda: shared_evenly(services, hosts), "each host is watched by one service")
    wait_for(lambda: set(fleet.machines().values()) == {"running"} and len(fleet.machines()) == 4, "all VMs are known")
    one, another = services
    (host,) = one.watched()
    (row,) = fleet.rows("SELECT id FROM server WHERE hostname = %s", host)
    path, headers = f"/api/servers/{row['id']}", another.headers()

    assert another.api.put(path, json={"enabled": False}, headers=headers).status_code == 200

    wait_for(lambda: another.api.get(path, headers=headers).json()["state"] == "unknown", "nobody knows of it")
    wait_for(lambda: host not in fleet.owners(), "nobody holds it")
    assert {fleet.machines()[f"{host}-{name}"] for name in "ab"} == {"unknown"}
    query = "SELECT data->>'state' AS state FROM event WHERE kind = 'server.changed' AND server_id = %s"
    assert [event["state"] for event in fleet.rows(query, row["id"])].count("unknown") == 1

    assert another.api.put(path, json={"enabled": True}, headers=headers).status_code == 200

    wait_for(lambda: shared_evenly(services, hosts), "it is watched again")
    wait_for(lambda: set(fleet.machines().values()) == {"running"}, "all VMs are known")
