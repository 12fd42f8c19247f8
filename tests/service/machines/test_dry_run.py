# SPDX-License-Identifier: GPL-3.0-or-later
"""``dry_run=true``: the answer that the Ansible module gives in check mode, and nothing is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from lab.host import Host
from tests.service.machines.lab_service import SMALL, clear, create, domains, eventually, volumes

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.rule("dry-run")]

DRY = {"dry_run": "true"}


def checked(host: Host, **desired: Any) -> dict[str, Any]:
    """What the module answers in check mode, as it arrives at a client."""
    with Hypervisor.open(host.uri) as hypervisor:
        answer = ensure(hypervisor, Desired(**desired), check=True)
    return dict(json.loads(json.dumps(answer)))


async def dry(api: httpx.AsyncClient, method: str, path: str, **more: Any) -> dict[str, Any]:
    """The answer of a dry run, during which nothing has changed."""
    before = [(row.id, row.status, row.updated_at) for row in await Machine.all()], await Job.all().count()
    answer = await api.request(method, path, **{**more, "params": {**DRY, **more.get("params", {})}})
    assert answer.status_code == 200, answer.text
    after = [(row.id, row.status, row.updated_at) for row in await Machine.all()], await Job.all().count()
    assert after == before
    return dict(answer.json())


async def test_of_a_create(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    fields = {"name": "planned", **SMALL, "cloud_init": {"user_data": "#cloud-config\npassword: secret"}}

    answer = await dry(api, "POST", "/api/vms", json={**fields, "server_id": server.id, "start": True})

    placement = Placement(image_pool="images", virt_type=clean_host.virt_type)
    assert answer == checked(clean_host, spec=fields, placement=placement, state="running")
    assert answer["changed"] is True
    assert answer["vm"] is None
    assert (answer["diff"]["before"], answer["diff"]["after"]["memory_mb"]) == ({}, 64)
    assert answer["plan"][0] == {"title": "Define VM 'planned'", "applies": "now"}
    assert "secret" not in json.dumps(answer)
    assert domains(clean_host) == set()
    assert volumes(clean_host) == set()


async def test_of_verbs_on_a_vm_that_is_off(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    vm = await create(api, server, "off")
    path, uuid = f"/api/vms/{vm['id']}", vm["uuid"]

    start = await dry(api, "POST", f"{path}/start")
    stop = await dry(api, "POST", f"{path}/stop")
    force_stop = await dry(api, "POST", f"{path}/force-stop")
    resize = await dry(api, "POST", f"{path}/resize", json={"memory_mb": 96, "disk_gb": 0.25})
    same = await dry(api, "POST", f"{path}/resize", json={"memory_mb": 64})

    assert start == checked(clean_host, uuid=uuid, state="running")
    assert start["plan"] == [{"title": "Start VM 'off'", "applies": "now"}]
    assert stop == force_stop == checked(clean_host, uuid=uuid, state="stopped")
    assert stop["changed"] is False
    assert resize == checked(clean_host, uuid=uuid, spec={"memory_mb": 96, "disk_gb": 0.25})
    assert resize["diff"] == {
        "before": {"memory_mb": 64, "disk_gb": 0.125},
        "after": {"memory_mb": 96, "disk_gb": 0.25},
    }
    assert same["changed"] is False
    assert (await api.post(f"{path}/resize", json={})).json()["details"]["changed"] is False


async def test_of_verbs_on_a_vm_that_runs(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    vm = await create(api, server, "on", start=True)
    path, uuid = f"/api/vms/{vm['id']}", vm["uuid"]

    start = await dry(api, "POST", f"{path}/start")
    stop = await dry(api, "POST", f"{path}/stop", params={"timeout": 1})
    force_stop = await dry(api, "POST", f"{path}/force-stop")
    restart = await dry(api, "POST", f"{path}/restart")
    power_cycle = await dry(api, "POST", f"{path}/restart", params={"force": "true"})
    reset = await dry(api, "POST", f"{path}/reset")

    assert start["changed"] is False
    assert stop == checked(clean_host, uuid=uuid, state="stopped", timeout=1)
    assert force_stop["plan"] == [{"title": "Power off VM 'on'", "applies": "now"}]
    assert force_stop["diff"] == {"before": {"state": "running"}, "after": {"state": "stopped"}}
    for answer, title in (
        (restart, "Restart VM 'on'"),
        (power_cycle, "Power cycle VM 'on'"),
        (reset, "Reset VM 'on'"),
    ):
        assert (answer["changed"], answer["plan"]) == (True, [{"title": title, "applies": "now"}])
        assert answer["vm"]["name"] == "on"
    assert clean_host.virsh("domstate", "on") == "running"


async def test_of_a_delete(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    vm = await create(api, server, "kept", start=True)

    answer = await dry(api, "DELETE", f"/api/vms/{vm['id']}")
    sparing = await dry(api, "DELETE", f"/api/vms/{vm['id']}", params={"delete_disks": "false"})

    assert answer == checked(clean_host, uuid=vm["uuid"], state="absent")
    (disk,) = volumes(clean_host)
    assert [Path(path).name for path in answer["deleted_disks"]] == [disk]
    assert sparing == checked(clean_host, uuid=vm["uuid"], state="absent", delete_disks=False)
    assert sparing["deleted_disks"] == []
    assert domains(clean_host) == {"kept"}


async def test_of_a_delete_of_a_vm_that_is_gone(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    vm = await create(api, server, "lost")
    clear(clean_host)

    async def is_missed() -> bool:
        return bool((await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "error")

    await eventually(is_missed, "the service misses it")

    answer = await dry(api, "DELETE", f"/api/vms/{vm['id']}")

    assert answer == {
        "changed": True,
        "diff": {"before": {}, "after": {}},
        "plan": [{"title": "Forget VM 'lost', which its host no longer has", "applies": "now"}],
        "next_boot": [],
        "vm": None,
        "deleted_disks": [],
    }


async def test_of_puts(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    vm = await create(api, server, "changed")
    path = f"/api/vms/{vm['id']}"

    renamed = await dry(api, "PUT", path, json={"name": "other", "memory_mb": 96, "tags": ["a"]})
    configured = await dry(api, "PUT", f"{path}/config", json={"vnc_enabled": False, "network_config": {"type": "nat"}})
    same = await dry(api, "PUT", path, json={"name": "changed", "memory_mb": 64})

    assert renamed["diff"] == {
        "before": {"name": "changed", "memory_mb": 64, "tags": []},
        "after": {"name": "other", "memory_mb": 96, "tags": ["a"]},
    }
    assert renamed["vm"]["name"] == "changed"
    assert configured["diff"]["after"]["vnc_enabled"] is False
    assert (same["changed"], same["plan"]) == (False, [])
    assert domains(clean_host) == {"changed"}


async def test_what_can_not_be_fails_as_it_would(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    vm = await create(api, server, "there", start=True, protected=True)
    off = await create(api, server, "off")
    path = f"/api/vms/{vm['id']}"
    new = {**SMALL, "server_id": server.id}
    requests: list[tuple[str, str, Any]] = [
        ("POST", "/api/vms", {**new, "name": "a/b"}),
        ("POST", "/api/vms", {**new, "name": "there"}),
        ("POST", "/api/vms", {**new, "name": "x", "server_id": 99}),
        ("POST", "/api/vms", {**new, "name": "x", "image": "none.qcow2"}),
        ("POST", f"{path}/resize", {"memory_mb": 96}),
        ("POST", f"{path}/resize", {"memory": 96}),
        ("POST", f"/api/vms/{off['id']}/resize", {"disk_gb": 0.01}),
        ("POST", f"/api/vms/{off['id']}/restart", None),
        ("POST", f"/api/vms/{off['id']}/reset", None),
        ("PUT", path, {"name": "renamed"}),
        ("PUT", f"/api/vms/{off['id']}", {"name": "there"}),
        ("PUT", f"/api/vms/{off['id']}/config", {"network_config": {"type": "network", "network_name": "none"}}),
        ("DELETE", path, None),
        ("POST", "/api/vms/999/start", None),
    ]
    for method, address, body in requests:
        rehearsed = await api.request(method, address, json=body, params=DRY)
        real = await api.request(method, address, json=body)

        assert rehearsed.status_code >= 400, (method, address)
        assert rehearsed.status_code == real.status_code, (method, address, rehearsed.text, real.text)
        assert rehearsed.json()["detail"] == real.json()["detail"]
    assert domains(clean_host) == {"there", "off"}


async def test_who_may_not_write_may_not_rehearse(
    api: httpx.AsyncClient, server: Server, read_headers: dict[str, str]
) -> None:
    vm = await create(api, server, "seen")

    assert (await api.post(f"/api/vms/{vm['id']}/start", params=DRY, headers=read_headers)).status_code == 403


async def test_a_value_that_makes_no_sense_is_422_and_does_nothing(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    vm = await create(api, server, "kept")
    for value in ("", "perhaps", "2"):
        answer = await api.delete(f"/api/vms/{vm['id']}", params={"dry_run": value})

        assert answer.status_code == 422, value
        assert [error["field"] for error in answer.json()["errors"]] == ["dry_run"]
    assert domains(clean_host) == {"kept"}
