# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift over REST, on a real host: shown, adopted, put right."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from hostler.hosts.models import Server
from hostler.machines.models import Machine
from lab.host import Host
from tests.service.conftest import Headers
from tests.service.hosts.test_watch import appears, define
from tests.service.machines.lab_service import create, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


async def drift_of(api: httpx.AsyncClient, vm: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What was asked and what is, by field."""
    answer = await api.get(f"/api/vms/{vm['id']}/drift")
    assert answer.status_code == 200, answer.text
    return {one["field"]: (one["asked"], one["actual"]) for one in answer.json()["differences"]}


async def drifts(api: httpx.AsyncClient, vm: dict[str, Any], expected: dict[str, tuple[Any, Any]]) -> None:
    # libvirt tells nobody of what is set for the next start
    assert (await api.post(f"/api/servers/{vm['server']['id']}/refresh")).status_code == 200
    assert await drift_of(api, vm) == expected


@pytest.fixture
async def vm(api: httpx.AsyncClient, server: Server) -> dict[str, Any]:
    """A VM of ours that is off."""
    return await create(api, server, "asked", network_config={"type": "nat"})


@pytest.mark.rule("drift-shown")
async def test_what_others_change_is_shown_and_found_and_counted(
    app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], server: Server, clean_host: Host
) -> None:
    other = await create(api, server, "other")
    assert await drift_of(api, vm) == {}
    clean_host.virsh("setvcpus", "asked", "3", "--config", "--maximum")
    clean_host.virsh("setvcpus", "asked", "3", "--config")
    clean_host.virsh("autostart", "asked")

    await drifts(api, vm, {"cpu_cores": (1, 3), "autostart": (False, True)})

    assert await drift_of(api, other) == {}
    for query, names in (("true", ["asked"]), ("false", ["other"])):
        assert [one["name"] for one in (await api.get(f"/api/vms?drifted={query}")).json()["vms"]] == names
    shown = (await api.get(f"/api/vms/{vm['id']}")).json()
    assert (shown["drifted"], shown["resources"]["cpu_cores"]) == (True, 3)
    assert (await api.get(f"/api/vms/{other['id']}")).json()["drifted"] is False
    assert 'hostler_vms_drifted{server="lab1"} 1.0' in (await api.get("/metrics")).text


@pytest.mark.rule("drift-adopt")
async def test_what_was_adopted_is_what_was_asked(
    app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    clean_host.virsh("setmaxmem", "asked", "98304", "--config")
    clean_host.virsh("setmem", "asked", "98304", "--config")
    await drifts(api, vm, {"memory_mb": (64, 96)})

    stale = await api.post(f"/api/vms/{vm['id']}/drift/adopt", headers={"If-Match": '"stale"'})
    assert stale.status_code == 412
    adopted = await api.post(f"/api/vms/{vm['id']}/drift/adopt")

    assert adopted.json() == {"id": vm["id"], "name": "asked", "managed": True, "drifted": False, "differences": []}
    assert await drift_of(api, vm) == {}
    row = await Machine.get(id=vm["id"])
    assert row.spec["memory_mb"] == 96
    assert "98304" in clean_host.virsh("dominfo", "asked")


@pytest.mark.rule("drift-reapply")
async def test_what_is_applied_again_is_as_it_was_asked(
    app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    clean_host.virsh("setvcpus", "asked", "3", "--config", "--maximum")
    clean_host.virsh("setvcpus", "asked", "3", "--config")
    await drifts(api, vm, {"cpu_cores": (1, 3)})

    plan = (await api.post(f"/api/vms/{vm['id']}/drift/reapply", params={"dry_run": "true"})).json()
    assert plan["diff"] == {"before": {"cpu_cores": 3}, "after": {"cpu_cores": 1}}
    answer = await api.post(f"/api/vms/{vm['id']}/drift/reapply")

    assert (answer.status_code, answer.json()["resources"]["cpu_cores"]) == (200, 1)
    await drifts(api, vm, {})
    assert (await Machine.get(id=vm["id"])).spec["cpu_cores"] == 1


@pytest.mark.rule("drift-reapply")
async def test_memory_that_others_leave_to_its_balloon_is_shown_and_given_back_with_its_size(
    app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    clean_host.virsh("setmem", "asked", "49152", "--config")
    await drifts(api, vm, {"current_memory_mb": (64, 48)})

    refused = await api.post(f"/api/vms/{vm['id']}/drift/reapply")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_reapplicable")
    assert (await api.post(f"/api/vms/{vm['id']}/drift/adopt")).status_code == 200
    await drifts(api, vm, {})

    clean_host.virsh("setmaxmem", "asked", "98304", "--config")
    await drifts(api, vm, {"memory_mb": (64, 96)})
    assert (await api.post(f"/api/vms/{vm['id']}/drift/reapply")).status_code == 200

    await drifts(api, vm, {})
    xml = clean_host.virsh("dumpxml", "--inactive", "asked")
    assert "<memory unit='KiB'>65536</memory>" in xml
    assert "<currentMemory unit='KiB'>65536</currentMemory>" in xml


async def test_a_running_vm_is_applied_to_under_the_rule_of_any_resize(
    app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    clean_host.virsh("setmaxmem", "asked", "98304", "--config")
    clean_host.virsh("setmem", "asked", "98304", "--config")
    await drifts(api, vm, {"memory_mb": (64, 96)})
    await api.post(f"/api/vms/{vm['id']}/start")

    refused = await api.post(f"/api/vms/{vm['id']}/drift/reapply")

    assert refused.status_code == 400
    assert "stopped" in refused.json()["detail"]
    assert await drift_of(api, vm) == {"memory_mb": (64, 96)}


@pytest.mark.rule("drift-ours")
async def test_a_change_by_our_modules_is_none(
    app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    with Hypervisor.open(clean_host.uri) as hypervisor:
        ensure(hypervisor, Desired({"name": "asked", "memory_mb": 96, "cpu_cores": 2}))

    async def is_seen() -> bool:
        row = await Machine.get(id=vm["id"])
        return (row.memory_mb, row.cpu_cores, row.spec["memory_mb"], row.spec["cpu_cores"]) == (96, 2, 96, 2)

    await eventually(is_seen, "the change is seen, and is what is asked now")
    assert await drift_of(api, vm) == {}


async def test_a_change_over_rest_is_none(app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    changed = await api.put(f"/api/vms/{vm['id']}", json={"cpu_cores": 2, "name": "renamed", "autostart": True})
    assert changed.status_code == 200, changed.text
    await api.put(f"/api/vms/{vm['id']}/config", json={"vnc_enabled": False, "network_config": {"type": "none"}})

    assert await drift_of(api, vm) == {}
    assert (await api.post(f"/api/vms/{vm['id']}/drift/reapply")).json()["name"] == "renamed"


async def test_vms_of_others_never_drift(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, tmp_path: Any
) -> None:
    define(clean_host, tmp_path, "foreign")
    row = await appears("foreign")
    clean_host.virsh("setvcpus", "foreign", "2", "--config", "--maximum")
    clean_host.virsh("setvcpus", "foreign", "2", "--config")
    await api.post(f"/api/servers/{server.id}/refresh")
    assert (await Machine.get(id=row.id)).cpu_cores == 2
    answer = (await api.get(f"/api/vms/{row.id}/drift")).json()
    assert (answer["managed"], answer["drifted"]) == (False, False)


async def test_who_may_only_read_sees_it_and_changes_nothing(
    app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], read_headers: Headers
) -> None:
    assert (await api.get(f"/api/vms/{vm['id']}/drift", headers=read_headers)).status_code == 200
    for way in ("adopt", "reapply"):
        assert (await api.post(f"/api/vms/{vm['id']}/drift/{way}", headers=read_headers)).status_code == 403
