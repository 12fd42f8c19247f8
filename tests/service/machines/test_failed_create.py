# SPDX-License-Identifier: GPL-3.0-or-later
"""A create that fails leaves nothing, and says why in words that name nothing of the service's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.settings import Settings
from lab.host import Host
from tests.service.machines.lab_service import SMALL, create, domains, volumes

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An operator's folder of hooks and playbooks."""
    for name in ("hooks", "playbooks"):
        (tmp_path / "site" / name).mkdir(parents=True)
    return tmp_path / "site"


@pytest.fixture
def settings(settings: Settings, site: Path) -> Settings:
    return settings.model_copy(
        update={"dispatch": {}, "hooks_dir": site / "hooks", "playbooks_dir": site / "playbooks"}
    )


async def failing(api: httpx.AsyncClient, server: Server, site: Path, **fields: Any) -> httpx.Response:
    """Have a create fail; nothing of the service's machine is in the answer, or in the job as a client sees it."""
    answer = await api.post("/api/vms", json={**SMALL, "name": "doomed", "server_id": server.id, **fields})

    assert not await Machine.all().exists()
    job = await Job.get()
    assert job.state == "failed"
    shown = (await api.get(f"/api/jobs/{job.id}")).json()
    assert shown["error"]["detail"] == answer.json()["detail"]
    for text in (answer.text, json.dumps(shown)):
        assert "Traceback" not in text
        assert str(site.parent) not in text
        assert "site-packages" not in text
    return answer


def assert_nothing_is_left(host: Host) -> None:
    assert domains(host) == set()
    assert volumes(host) == set()


async def test_a_step_before_that_fails(api: httpx.AsyncClient, server: Server, clean_host: Host, site: Path) -> None:
    (site / "hooks" / "vm_create_before.yml").write_text("- ansible.builtin.fail:\n    msg: no ticket, no VM\n")

    answer = await failing(api, server, site)

    assert answer.status_code == 500
    assert answer.json()["detail"] == "Failed to create VM: no ticket, no VM"
    assert_nothing_is_left(clean_host)


@pytest.mark.parametrize("protected", [False, True])
@pytest.mark.rule("create-all-or-nothing")
async def test_a_step_after_that_fails_takes_the_vm_back(
    api: httpx.AsyncClient, server: Server, clean_host: Host, site: Path, protected: bool
) -> None:
    (site / "hooks" / "vm_create_after.yml").write_text(
        "- ansible.builtin.assert:\n    that: vm.status == 'running'\n"
        "- ansible.builtin.fail:\n    msg: 'no address left for {{ vm.name }}'\n"
    )

    answer = await failing(
        api, server, site, start=True, protected=protected, cloud_init={"hostname": "h"}, autostart=True
    )

    assert answer.status_code == 500
    assert answer.json()["detail"] == "Failed to create VM: no address left for doomed"
    assert_nothing_is_left(clean_host)


async def test_a_step_that_can_not_be_read(
    api: httpx.AsyncClient, server: Server, clean_host: Host, site: Path
) -> None:
    (site / "hooks" / "vm_create_before.yml").write_text("- this: is: no: yaml\n  {{{\n")

    answer = await failing(api, server, site)

    assert answer.status_code == 500
    assert answer.json()["detail"].startswith("Failed to create VM: ")
    assert_nothing_is_left(clean_host)


async def test_a_step_that_prints_what_no_text_can_be(
    api: httpx.AsyncClient, server: Server, clean_host: Host, site: Path
) -> None:
    (site / "hooks" / "vm_create_before.yml").write_text(
        "- name: Print bytes\n  ansible.builtin.command: printf '\\377\\000\\033[31m\\303'\n"
        "  register: said\n  changed_when: false\n"
        "- ansible.builtin.debug:\n    var: said.stdout\n"
        '- ansible.builtin.fail:\n    msg: "{{ said.stdout }} was said"\n'
    )

    answer = await failing(api, server, site)

    assert answer.status_code == 500
    assert answer.json()["detail"].startswith("Failed to create VM: ")
    assert_nothing_is_left(clean_host)


PLAY = "- hosts: '{{ hypervisor }}'\n  gather_facts: false\n"


@pytest.mark.parametrize(
    "playbook",
    [
        pytest.param(f"{PLAY}  roles: [no_such_role]\n", id="role"),
        pytest.param("", id="empty"),
        pytest.param(f"{PLAY}  tasks:\n    - no.such.module:\n", id="module", marks=pytest.mark.slow),
        pytest.param(f"{PLAY}  tasks: [{{{{{{\n", id="yaml", marks=pytest.mark.slow),
        pytest.param("- hosts: nobody\n  tasks: []\n", id="hosts", marks=pytest.mark.slow),
        pytest.param("[]\n", id="plays", marks=pytest.mark.slow),
    ],
)
async def test_an_operators_playbook_that_does_not_work(
    api: httpx.AsyncClient, server: Server, clean_host: Host, site: Path, playbook: str
) -> None:
    (site / "playbooks" / "vm_create.yml").write_text(playbook)

    answer = await failing(api, server, site)

    assert answer.status_code == 500
    assert answer.json()["detail"].startswith("Failed to create VM: ")
    assert_nothing_is_left(clean_host)


async def test_an_operators_playbook_that_makes_no_vm(
    api: httpx.AsyncClient, server: Server, clean_host: Host, site: Path
) -> None:
    (site / "playbooks" / "vm_create.yml").write_text(f"{PLAY}  tasks:\n    - ansible.builtin.debug:\n")

    answer = await failing(api, server, site)

    assert answer.status_code == 500
    assert answer.json()["detail"].startswith("Failed to create VM: ")
    assert_nothing_is_left(clean_host)


@pytest.mark.rule("error-silence")
async def test_what_the_module_refuses_keeps_its_code(
    api: httpx.AsyncClient, server: Server, clean_host: Host, site: Path
) -> None:
    # somebody else is quicker, between the service's look at the host and the module's
    (site / "playbooks" / "vm_create.yml").write_text(
        "- hosts: '{{ hypervisor }}'\n"
        "  gather_facts: false\n"
        "  tasks:\n"
        "    - hostler.libvirt.vm:\n"
        "        uri: '{{ libvirt_uri }}'\n"
        "        name: doomed\n"
        "        cpu_cores: 1\n"
        "        memory_mb: 64\n"
        "        disk_gb: 0.1\n"
        "        virt_type: '{{ vm_virt_type }}'\n"
        "    - hostler.libvirt.vm:\n"
        "        uri: '{{ libvirt_uri }}'\n"
        "        name: doomed\n"
        "        uuid: '{{ vm_uuid }}'\n"
        "        cpu_cores: 1\n"
        "        memory_mb: 64\n"
        "        disk_gb: 0.1\n"
    )

    answer = await api.post("/api/vms", json={**SMALL, "name": "doomed", "server_id": server.id})

    assert answer.status_code == 409
    assert answer.json()["detail"] == "A VM named 'doomed' already exists on host 'lab1'"
    assert (await Job.get()).error_code == "name_taken"
    assert domains(clean_host) == {"doomed"}  # the other one


@pytest.mark.slow
async def test_a_playbook_that_never_ends(
    api: httpx.AsyncClient, server: Server, clean_host: Host, site: Path, settings: Settings
) -> None:
    object.__setattr__(settings, "playbook_timeout_seconds", 4)
    (site / "hooks" / "vm_create_after.yml").write_text("- ansible.builtin.command: sleep 600\n")

    answer = await failing(api, server, site)

    assert answer.status_code == 500
    assert answer.json()["detail"] == "Failed to create VM: The playbook took too long and was ended"
    assert_nothing_is_left(clean_host)


async def test_a_failed_resize_leaves_the_vm_as_it_was(
    api: httpx.AsyncClient, server: Server, clean_host: Host, site: Path
) -> None:
    vm = await create(api, server, "kept")
    (site / "hooks" / "vm_resize_before.yml").write_text("- ansible.builtin.fail:\n    msg: not today\n")

    answer = await api.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96})

    assert answer.status_code == 500
    assert answer.json()["detail"] == "not today"
    shown = (await api.get(f"/api/vms/{vm['id']}")).json()
    assert (shown["resources"], shown["status"]) == (vm["resources"], "stopped")
    assert (await Job.get(action="vm_resize")).state == "failed"
