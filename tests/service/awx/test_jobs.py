# SPDX-License-Identifier: GPL-3.0-or-later
"""Create and resize over REST, carried out by AWX: the VM, the job with its steps and log, and how it fails."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from lab.host import Host
from lab.ports import LOOPBACK
from tests.service.awx.conftest import Awx
from tests.service.machines.lab_service import SMALL, create, domains, volumes

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


def hostile(trace: Path) -> str:
    """A text that leaves a trace where it is taken for a template."""
    return f"{{{{ lookup('ansible.builtin.pipe', 'touch {trace}') }}}} {{# … #}} ä 💥"


async def job_of(api: httpx.AsyncClient, number: int | None = None) -> dict[str, Any]:
    """The newest job, or that one, in full."""
    newest = (await Job.all().order_by("-id").first() if number is None else await Job.get(id=number)) or Job()
    return dict((await api.get(f"/api/jobs/{newest.id}")).json())


async def test_a_create_and_a_resize_are_jobs_there_and_here(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    vm = await create(api, server, "by-awx", description="one", tags=["a", "b"], autostart=True, start=True)

    assert clean_host.virsh("domuuid", "by-awx") == vm["uuid"]
    assert f"<hostler:id>{vm['id']}</hostler:id>" in clean_host.virsh("dumpxml", "by-awx")
    assert (vm["status"], vm["tags"], vm["description"]) == ("running", ["a", "b"], "one")
    job, there = await job_of(api), awx.launched[0]
    assert (job["executor"], job["state"], job["progress"]) == ("awx", "succeeded", 100)
    assert job["external_id"] == str(there["id"])
    assert [(step["name"], step["state"], step["changed"]) for step in job["steps"]][-1] == (
        "Tell workflows of the VM",
        "succeeded",
        False,
    )
    assert ("Create the VM", "succeeded", True) in [
        (step["name"], step["state"], step["changed"]) for step in job["steps"]
    ]
    lines = [line["line"] for line in job["log"]]
    assert f"AWX job {there['id']} runs" in lines
    assert f"AWX job {there['id']} has succeeded" in lines
    assert any(line.startswith("TASK [Create the VM]") for line in lines)
    # as Ansible printed it, though AWX stores events out of their order
    tasks = [line.removeprefix("TASK [").partition("] *")[0] for line in lines if line.startswith("TASK [")]
    assert tasks == [step["name"] for step in job["steps"]]
    assert [step["position"] for step in job["steps"]] == list(range(len(job["steps"])))

    assert (await api.post(f"/api/vms/{vm['id']}/force-stop")).status_code == 200
    answer = await api.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96})

    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "VM resized successfully"
    assert "Max memory:     98304 KiB" in clean_host.virsh("dominfo", "by-awx")
    assert (await job_of(api))["executor"] == "awx"
    assert len(awx.launched) == 2


async def test_a_change_of_sizes_and_more_is_awx_s_and_ours(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    vm = await create(api, server, "both")

    answer = await api.put(f"/api/vms/{vm['id']}", json={"memory_mb": 80, "description": "new"})

    assert answer.status_code == 200, answer.text
    assert (answer.json()["description"], answer.json()["resources"]["memory_mb"]) == ("new", 80)
    assert len(awx.launched) == 2
    assert (await api.put(f"/api/vms/{vm['id']}", json={"description": "newer"})).status_code == 200
    assert len(awx.launched) == 2, "what is no change of sizes goes straight to libvirt"


@pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts are reached by their sockets only")
async def test_a_server_whose_modules_run_there_is_a_host_of_awx_s_inventory(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    server.ansible_connection = "ssh"
    await server.save()
    lab = clean_host.layout.lab
    awx.add_host(
        "lab1",
        ansible_host=LOOPBACK,
        ansible_port=clean_host.access.ports.ssh,
        ansible_user="root",
        ansible_ssh_private_key_file=str(lab.ssh_key),
        # no socket in a folder whose name is too long for one
        ansible_ssh_args="-o ControlMaster=no -o ControlPath=none",
        ansible_ssh_common_args=f"-o UserKnownHostsFile={lab.ssh_known_hosts}",
        ansible_python_interpreter="/usr/bin/python3",
    )
    awx.hook(
        "vm_create_before",
        {"name": "Say where", "ansible.builtin.debug": {"msg": "{{ ansible_host }} {{ libvirt_uri }}"}},
    )

    answer = await api.post("/api/vms", json={"name": "there", "server_id": server.id, **SMALL})

    assert answer.status_code == 201, answer.text
    assert clean_host.virsh("domuuid", "there") == answer.json()["uuid"]
    job = await job_of(api)
    sent = json.loads(awx.launched[0]["extra_vars"])
    assert (sent["hypervisor"], sent["libvirt_uri"]) == ("lab1", "qemu:///system")
    assert any(f"{LOOPBACK} qemu:///system" in line["line"] for line in job["log"])


async def test_a_text_of_a_user_is_no_template_at_awx(
    api: httpx.AsyncClient, server: Server, awx: Awx, tmp_path: Path
) -> None:
    text = hostile(tmp_path / "trace")

    vm = await create(api, server, "hostile", description=text, os_version=text)

    assert (vm["description"], vm["os_version"]) == (text, text)
    assert json.loads(awx.launched[0]["extra_vars"])["vm_description"] == text
    assert not (tmp_path / "trace").exists()


async def test_where_awx_takes_all_for_templates_nothing_is_done(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx, tmp_path: Path
) -> None:
    awx.controller.jobs.allow_jinja = "always"
    body = {"name": "hostile", "server_id": server.id, **SMALL, "description": hostile(tmp_path / "trace")}

    answer = await api.post("/api/vms", json=body)

    assert answer.status_code == 500, answer.text
    assert "ALLOW_JINJA_IN_EXTRA_VARS" in answer.json()["detail"]
    assert domains(clean_host) == set()
    steps = [step["name"] for step in (await job_of(api))["steps"]]
    assert steps == ["Refuse to take texts for templates"]
    assert not (tmp_path / "trace").exists()


async def test_what_cloud_init_is_told_is_a_secret_at_awx_too(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    told = {
        "hostname": "web-1",
        "ssh_authorized_keys": ["ssh-ed25519 AAAA one"],
        "user_data": "#cloud-config\npassword: {{ 'hunter2' }} \"ä💥\" null\n",
    }
    vm = await create(api, server, "secret", image="tiny.qcow2", disk_gb=0.25, cloud_init=told)

    assert vm["status"] == "stopped"
    there = awx.launched[0]
    assert json.loads(there["extra_vars"])["vm_cloud_init"] == "$encrypted$"
    seeds = [file for file in clean_host.layout.pools["default"].iterdir() if "seed" in file.name]
    assert len(seeds) == 1, volumes(clean_host)
    seed = seeds[0].read_bytes()
    for expected in (told["user_data"], "web-1", "ssh-ed25519 AAAA one"):
        assert expected.encode() in seed
    everything = json.dumps(await job_of(api)) + json.dumps(awx.controller.jobs.events[there["id"]])
    assert "hunter2" not in everything


async def test_a_template_that_would_keep_the_secret_in_clear_is_not_launched(
    api: httpx.AsyncClient, server: Server, awx: Awx
) -> None:
    for template in awx.templates.values():
        template["survey_enabled"] = False
    body = {"name": "secret", "server_id": server.id, **SMALL, "image": "tiny.qcow2", "disk_gb": 0.25}

    answer = await api.post("/api/vms", json={**body, "cloud_init": {"user_data": "#cloud-config\n"}})

    assert (answer.status_code, answer.json()["code"]) == (503, "awx_secret_in_clear")
    assert "question of type password for vm_cloud_init" in answer.json()["detail"]
    assert awx.launched == []


async def test_a_failure_carries_the_module_s_own_message_and_leaves_nothing(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    # what the service's own look at the host can't see, because it is only so when the module comes
    awx.hook(
        "vm_create_before",
        {
            "name": "Take the pool away",
            "ansible.builtin.command": {"argv": ["virsh", "-c", "{{ libvirt_uri }}", "pool-destroy", "default"]},
        },
    )
    try:
        answer = await api.post("/api/vms", json={"name": "poolless", "server_id": server.id, **SMALL})
    finally:
        clean_host.virsh("pool-start", "default")

    assert answer.status_code in (400, 500), answer.text
    job = await job_of(api)
    assert job["state"] == "failed"
    assert "pool" in answer.json()["detail"].lower()
    failed = [step for step in job["steps"] if step["state"] == "failed"]
    assert [step["name"] for step in failed] == ["Create the VM"]
    assert job["error"]["code"] == answer.json()["code"]
    assert (await api.get("/api/vms")).json()["total"] == 0


async def test_a_step_of_the_site_that_fails_takes_the_vm_back(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.hook("vm_create_after", {"name": "Register it", "ansible.builtin.fail": {"msg": "The IPAM says no."}})

    answer = await api.post("/api/vms", json={"name": "unwanted", "server_id": server.id, **SMALL})

    assert (answer.status_code, answer.json()["detail"]) == (500, "Failed to create VM: The IPAM says no")
    assert domains(clean_host) == set()
    assert volumes(clean_host) == set()


async def test_what_a_step_without_log_says_stays_hidden(api: httpx.AsyncClient, server: Server, awx: Awx) -> None:
    awx.hook(
        "vm_create_before",
        {"name": "Log in", "ansible.builtin.fail": {"msg": "the password is hunter2"}, "no_log": True},
    )

    answer = await api.post("/api/vms", json={"name": "hidden", "server_id": server.id, **SMALL})

    assert answer.status_code == 500
    assert "hidden, because it may hold secrets" in answer.json()["detail"]
    assert "hunter2" not in json.dumps(await job_of(api))


async def test_a_long_line_comes_whole_as_far_as_our_own_would(
    api: httpx.AsyncClient, server: Server, awx: Awx
) -> None:
    awx.hook("vm_create_before", {"name": "Say", "ansible.builtin.debug": {"msg": "x" * 3000 + " end"}})

    await create(api, server, "talkative")

    lines = [line["line"] for line in (await job_of(api))["log"]]
    assert any("x" * 900 in line for line in lines)
    assert lines[-1].endswith("has succeeded")
