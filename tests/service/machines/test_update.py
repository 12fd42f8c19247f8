# SPDX-License-Identifier: GPL-3.0-or-later
"""``PUT /api/vms/{id}`` and ``PUT /api/vms/{id}/config``: what is changed, on the host and in the answer."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.jobs.ledger import PROCESS
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.settings import Settings
from lab.host import Host
from tests.service.machines.lab_service import create, domains, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

FOREIGN = """
<domain type='{type}' xmlns:other='urn:other'>
  <name>foreign</name><uuid>{uuid}</uuid><memory>65536</memory><vcpu>1</vcpu>
  <metadata><other:kept>as it was</other:kept></metadata>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices><interface type='network'><source network='default'/><model type='e1000'/></interface>
    <graphics type='vnc' port='-1' autoport='yes' passwd='hunter2' keymap='de'/></devices>
</domain>
"""


@pytest.fixture
async def vm(api: httpx.AsyncClient, server: Server) -> dict[str, Any]:
    return await create(api, server, "my-vm", description="first", tags=["a"], network_config={"type": "nat"})


async def put(api: httpx.AsyncClient, vm: dict[str, Any], path: str = "", **fields: Any) -> httpx.Response:
    return await api.put(f"/api/vms/{vm['id']}{path}", json=fields)


async def shown(api: httpx.AsyncClient, vm: dict[str, Any], path: str = "") -> dict[str, Any]:
    return dict((await api.get(f"/api/vms/{vm['id']}{path}")).json())


def fields_of(answer: httpx.Response) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


@pytest.mark.rule("put-vm")
async def test_the_contracts_example_renames_and_resizes(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    answer = await put(api, vm, name="renamed-vm", cpu_cores=4, memory_mb=4096)

    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert changed == {
        **vm,
        "name": "renamed-vm",
        "resources": {"cpu_cores": 4, "memory_mb": 4096, "disk_gb": 0.125},
        "updated_at": changed["updated_at"],
    }
    assert changed == await shown(api, vm)
    assert domains(clean_host) == {"renamed-vm"}
    assert "Max memory:     4194304 KiB" in clean_host.virsh("dominfo", "renamed-vm")
    job = await Job.get(action="vm_update")
    assert (job.state, job.executor, job.parameters) == (
        "succeeded",
        "direct",
        {"name": "renamed-vm", "cpu_cores": 4, "memory_mb": 4096},
    )


@pytest.mark.rule("put-vm")
async def test_every_field_is_changed_on_the_host_and_in_the_answer(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    fields = {
        "os_type": "freebsd",
        "os_version": "FreeBSD 14 <&>",
        "description": 'it\'s "changed" {{ 1 }}',
        "tags": ["b", "c"],
        "autostart": True,
        "protected": True,
    }

    answer = await put(api, vm, **fields, disk_gb=0.25)

    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in fields} == fields
    assert answer.json()["resources"]["disk_gb"] == 0.25
    assert "Autostart:      enable" in clean_host.virsh("dominfo", "my-vm")
    assert "Capacity:       268435456" in clean_host.virsh("domblkinfo", "my-vm", "vda")
    xml = clean_host.virsh("dumpxml", "my-vm")
    for text in ("<hostler:osType>freebsd<", "<hostler:tag>b<", "<hostler:tag>c<", "<hostler:protected>yes<"):
        assert text in xml
    assert f"<hostler:id>{vm['id']}<" in xml


@pytest.mark.rule("put-vm")
async def test_what_is_left_out_or_null_stays_and_an_empty_text_empties(
    api: httpx.AsyncClient, vm: dict[str, Any]
) -> None:
    nothing = await put(api, vm)
    null = await put(api, vm, name=None, description=None, tags=None, cpu_cores=None, autostart=None)
    same = await put(api, vm, name="my-vm", description="first", tags=["a"], memory_mb=64, protected=False)

    for answer in (nothing, null, same):
        assert (answer.status_code, answer.json()) == (200, vm)
    assert await Job.all().count() == 1

    emptied = (await put(api, vm, description="", os_version="", tags=[])).json()

    assert (emptied["description"], emptied["os_version"], emptied["tags"]) == ("", None, [])
    assert await Job.all().count() == 2


async def test_the_spec_and_its_revision_follow(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    before = await Machine.get(id=vm["id"])
    await put(api, vm, name="other", memory_mb=96, description="", tags=["x"])
    await put(api, vm, "/config", network_config={"type": "none"})
    await put(api, vm, memory_mb=96)  # nothing new

    row = await Machine.get(id=vm["id"])
    assert row.revision == before.revision + 2
    assert row.spec["name"] == "other"
    assert row.spec["memory_mb"] == 96
    assert row.spec["tags"] == ["x"]
    assert "description" not in row.spec
    assert row.spec["network_config"]["type"] == "none"  # type: ignore[index]
    assert row.spec["cpu_cores"] == before.spec["cpu_cores"]


@pytest.mark.rule("put-sizes", "resize-rule")
async def test_a_running_vm_is_neither_resized_nor_renamed_and_all_else_is(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    await api.post(f"/api/vms/{vm['id']}/start")
    for path, fields in (("", {"memory_mb": 96}), ("", {"disk_gb": 0.25}), ("/config", {"cpu_cores": 2})):
        answer = await put(api, vm, path, **fields, os_version="never")

        assert (answer.status_code, answer.json()["detail"]) == (400, "VM must be stopped before resizing")
    answer = await put(api, vm, name="other", description="never")
    assert (answer.status_code, answer.json()["detail"]) == (400, "VM must be stopped before renaming")
    assert (await shown(api, vm))["description"] == "first"
    assert await Job.filter(action="vm_update").count() == 0

    answer = await put(api, vm, description="while it runs", tags=["b"], autostart=True, protected=True, name="my-vm")

    assert (answer.status_code, answer.json()["description"]) == (200, "while it runs")
    assert answer.json()["status"] == "running"
    assert "while it runs" in clean_host.virsh("dumpxml", "my-vm")
    assert "while it runs" in clean_host.virsh("dumpxml", "my-vm", "--inactive")


@pytest.mark.rule("put-sizes")
async def test_a_disk_never_shrinks_and_nothing_else_is_done_then(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    answer = await put(api, vm, name="other", memory_mb=96, disk_gb=0.1)

    assert answer.status_code == 400
    assert fields_of(answer) == ["disk_gb"]
    assert await shown(api, vm) == vm
    assert domains(clean_host) == {"my-vm"}


@pytest.mark.rule("vm-names")
async def test_a_name_that_is_taken_is_409_on_the_host_and_in_the_database(
    api: httpx.AsyncClient, vm: dict[str, Any], server: Server, clean_host: Host
) -> None:
    await create(api, server, "taken")
    being_made = await Machine.create(
        server=server,
        name="being-made",
        uuid=str(uuid.uuid4()),
        status="creating",
        cpu_cores=1,
        memory_mb=64,
        disk_gb=1,
    )
    await Job.create(
        action="vm_create", executor="direct", state="running", vm_id=being_made.id, server_id=server.id,
        lease_owner=PROCESS,
    )  # fmt: skip
    for name in ("taken", "being-made"):
        answer = await put(api, vm, name=name, description="never")

        assert answer.status_code == 409
        assert answer.json()["detail"] == f"A VM named '{name}' already exists on host 'lab1'"
        assert (answer.json()["code"], fields_of(answer)) == ("name_taken", ["name"])
    assert await shown(api, vm) == vm
    assert domains(clean_host) == {"my-vm", "taken"}


async def test_a_name_of_a_vm_that_others_removed_is_free(
    api: httpx.AsyncClient, vm: dict[str, Any], server: Server, clean_host: Host
) -> None:
    other = await create(api, server, "removed")
    clean_host.virsh("undefine", "removed")

    async def is_gone() -> bool:
        return (await shown(api, other))["status"] == "error"

    await eventually(is_gone, "the service notices")

    assert (await put(api, vm, name="removed")).json()["name"] == "removed"


@pytest.mark.rule("unknown-fields")
async def test_fields_that_can_be_nowhere_are_422_and_named(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    impossible: dict[str, list[Any]] = {
        "name": ["", "a/b", "../x", "a b", "-x", "a" * 64, "{{ x }}", "a\x00b", 7],
        "cpu_cores": [0, -1, 513, 1.5, "2", True],
        "memory_mb": [0, 31, 2**40],
        "disk_gb": [0, -1, 65537, "1"],
        "os_type": ["", "Linux", "a b", 7],
        "os_version": ["x" * 256, "a\x07b"],
        "description": ["x" * 4097, "a\x08b"],
        "tags": ["a", ["a"] * 65, ["not ok"], ["a", "a"]],
        "autostart": ["yes", 1],
        "protected": ["no", 0],
        "status": ["running"],
        "uuid": [str(uuid.uuid4())],
        "vnc_enabled": [True],
        "live": [True],
        "id": [2],
    }
    for field, values in impossible.items():
        for value in values:
            answer = await put(api, vm, **{field: value})

            assert answer.status_code == 422, (field, value, answer.text)
            assert fields_of(answer)[0].split(".")[0] in (field, "body"), (field, value, answer.text)
    assert await shown(api, vm) == vm
    assert await Job.all().count() == 1


@pytest.mark.rule("unknown-fields")
async def test_fields_of_a_configuration_that_can_be_nowhere_are_422_and_named(
    api: httpx.AsyncClient, vm: dict[str, Any]
) -> None:
    impossible: list[tuple[dict[str, Any], str]] = [
        ({"vnc_enabled": "yes"}, "vnc_enabled"),
        ({"name": "other"}, "name"),
        ({"vnc_port": 5900}, "vnc_port"),
        ({"xml_config": "<domain/>"}, "xml_config"),
        ({"network_config": "nat"}, "network_config"),
        ({"network_config": {}}, "network_config.type"),
        ({"network_config": {"type": "vlan"}}, "network_config.type"),
        ({"network_config": {"type": "bridge"}}, "network_config.bridge_name"),
        ({"network_config": {"type": "nat", "bridge_name": "br0"}}, "network_config.bridge_name"),
        ({"network_config": {"type": "bridge", "bridge_name": "a;b"}}, "network_config.bridge_name"),
        ({"network_config": {"type": "network"}}, "network_config.network_name"),
        ({"network_config": {"type": "nat", "mtu": 9000}}, "network_config.mtu"),
    ]
    for fields, path in impossible:
        answer = await put(api, vm, "/config", **fields)

        assert answer.status_code == 422, (fields, answer.text)
        assert fields_of(answer) == [path]
    assert await Job.all().count() == 1


async def test_what_is_not_on_the_host_is_400_and_named(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    answer = await put(api, vm, "/config", memory_mb=96, network_config={"type": "network", "network_name": "no-such"})

    assert answer.status_code == 400
    assert fields_of(answer) == ["network_config.network_name"]
    assert await shown(api, vm) == vm


@pytest.mark.rule("put-config")
async def test_the_contracts_example_changes_the_configuration_and_answers_it(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    before = await shown(api, vm, "/config")

    answer = await put(api, vm, "/config", cpu_cores=4, memory_mb=4096, vnc_enabled=True)

    assert answer.status_code == 200, answer.text
    assert answer.json() == {**before, "cpu_cores": 4, "memory_mb": 4096}
    assert answer.json() == await shown(api, vm, "/config")


@pytest.mark.rule("put-config")
async def test_display_and_network_of_a_vm_that_is_off_change_at_once(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    answer = await put(api, vm, "/config", vnc_enabled=False, network_config={"type": "none"}, os_version="none")

    assert answer.status_code == 200, answer.text
    assert answer.json()["vnc_enabled"] is False
    assert answer.json()["network_config"] == {"type": "none", "bridge_name": None}
    assert "next_boot" not in answer.json()
    xml = clean_host.virsh("dumpxml", "my-vm")
    assert "<graphics" not in xml
    assert "<interface" not in xml
    await put(api, vm, "/config", vnc_enabled=True, network_config={"type": "nat"})
    xml = clean_host.virsh("dumpxml", "my-vm")
    assert "<graphics type='vnc'" in xml
    assert "<source network='default'/>" in xml


@pytest.mark.rule("put-config")
async def test_what_a_running_vm_can_not_change_waits_for_its_next_boot(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    await api.post(f"/api/vms/{vm['id']}/start")

    answer = await put(api, vm, "/config", vnc_enabled=False, os_version="other")

    assert answer.status_code == 200, answer.text
    assert (answer.json()["vnc_enabled"], answer.json()["next_boot"]) == (False, ["vnc_enabled"])
    assert "<graphics" in clean_host.virsh("dumpxml", "my-vm")
    assert "<graphics" not in clean_host.virsh("dumpxml", "my-vm", "--inactive")
    assert "next_boot" not in await shown(api, vm, "/config")


@pytest.mark.rule("delete-protected")
async def test_protection_is_taken_off_by_a_put(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    vm = await create(api, server, "precious", protected=True)
    answer = await api.delete(f"/api/vms/{vm['id']}")
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "VM 'precious' is protected: take that off before deleting it",
    )

    assert (await put(api, vm, protected=False)).json()["protected"] is False

    assert (await api.delete(f"/api/vms/{vm['id']}")).status_code == 200
    assert domains(clean_host) == set()


async def test_a_vm_that_others_made_is_changed_and_keeps_what_we_do_not_model(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    made = str(uuid.uuid4())
    file = clean_host.layout.pools["default"] / "foreign.xml"
    file.write_text(FOREIGN.format(type=clean_host.virt_type, uuid=made))
    clean_host.virsh("define", str(file))
    file.unlink()

    async def is_known() -> bool:
        return (await api.get(f"/api/vms/{made}")).status_code == 200

    await eventually(is_known, "the VM has appeared")
    vm = (await api.get(f"/api/vms/{made}")).json()
    assert (vm["os_type"], vm["protected"]) == (None, False)

    answer = await put(
        api, vm, name="ours-now", memory_mb=96, os_type="linux", description="taken in", tags=["t"], protected=True
    )

    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert (changed["id"], changed["uuid"], changed["name"]) == (vm["id"], made, "ours-now")
    assert (changed["os_type"], changed["description"], changed["tags"]) == ("linux", "taken in", ["t"])
    assert changed["resources"]["memory_mb"] == 96
    xml = clean_host.virsh("dumpxml", "ours-now", "--security-info")
    for text in ("as it was</other:kept>", "<model type='e1000'/>", "keymap='de'", "passwd='hunter2'"):
        assert text in xml
    assert f"<hostler:id>{vm['id']}<" in xml
    assert (await Machine.get(id=vm["id"])).foreign is False


async def test_a_change_of_a_vm_that_is_gone_is_404(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    clean_host.virsh("undefine", "my-vm")

    for path in ("", "/config"):
        answer = await put(api, vm, path, memory_mb=96)
        assert (answer.status_code, answer.json()["detail"]) == (404, "VM 'my-vm' is no longer on host 'lab1'")
    assert (await api.put("/api/vms/999", json={})).status_code == 404


class TestLive:
    """A resize of a VM that runs."""

    @pytest.mark.rule("resize-rule")
    async def test_grows_what_can_and_says_what_waits(
        self, api: httpx.AsyncClient, server: Server, clean_host: Host
    ) -> None:
        vm = await create(api, server, "roomy", max_cpu_cores=4, start=True)

        answer = await api.post(
            f"/api/vms/{vm['id']}/resize", json={"cpu_cores": 2, "memory_mb": 128, "disk_gb": 0.25, "live": True}
        )

        assert answer.status_code == 200, answer.text
        assert answer.json()["message"] == "VM resized successfully"
        assert answer.json()["details"] == {
            "name": "roomy",
            "status": "resized",
            "changed": True,
            "next_boot": ["memory_mb"],
        }
        assert (await shown(api, vm))["resources"] == {"cpu_cores": 2, "memory_mb": 128, "disk_gb": 0.25}
        assert "current      live           2" in clean_host.virsh("vcpucount", "roomy")
        assert "Capacity:       268435456" in clean_host.virsh("domblkinfo", "roomy", "vda")
        job = await Job.get(action="vm_resize")
        assert job.result == {"changed": True, "next_boot": ["memory_mb"]}

    @pytest.mark.rule("resize-rule")
    async def test_of_a_vm_that_is_off_waits_for_nothing(self, api: httpx.AsyncClient, server: Server) -> None:
        vm = await create(api, server, "off")

        answer = await api.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96, "live": True})

        assert answer.json()["details"] == {"name": "off", "status": "resized", "changed": True, "next_boot": []}

    async def test_is_asked_for_by_true_alone(self, api: httpx.AsyncClient, server: Server) -> None:
        vm = await create(api, server, "strict", start=True)

        for value in ("true", 1, None):
            answer = await api.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96, "live": value})
            assert (answer.status_code, fields_of(answer)) == (422, ["live"])
        answer = await api.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96, "live": False})
        assert answer.status_code == 400


class TestPlaybook:
    """Changes whose sizes are a site's affair, too."""

    @pytest.fixture
    def hooks(self, tmp_path: Path) -> Path:
        (tmp_path / "hooks").mkdir()
        return tmp_path / "hooks"

    @pytest.fixture
    def settings(self, settings: Settings, hooks: Path) -> Settings:
        return settings.model_copy(update={"dispatch": {"vm_create": "direct"}, "hooks_dir": hooks})

    @pytest.mark.rule("put-sizes")
    async def test_a_change_of_sizes_is_the_resizes_playbook_with_its_hooks_and_the_rest_is_direct(
        self, api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host, hooks: Path
    ) -> None:
        said = hooks / "said"
        (hooks / "vm_resize_after.yml").write_text(
            f"- ansible.builtin.copy:\n    dest: {said}\n    content: '{{{{ vm.name }}}} {{{{ vm.memory_mb }}}}'\n"
        )

        answer = await put(api, vm, name="renamed", memory_mb=96, description="both")

        assert answer.status_code == 200, answer.text
        assert (answer.json()["name"], answer.json()["description"]) == ("renamed", "both")
        assert answer.json()["resources"]["memory_mb"] == 96
        assert said.read_text() == "my-vm 96"
        assert domains(clean_host) == {"renamed"}
        job = await Job.get(action="vm_update")
        assert (job.executor, job.state) == ("playbook", "succeeded")

    @pytest.mark.slow
    async def test_a_hook_that_fails_leaves_the_vm_with_its_name(
        self, api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host, hooks: Path
    ) -> None:
        (hooks / "vm_resize_before.yml").write_text("- ansible.builtin.fail:\n    msg: not today\n")

        answer = await put(api, vm, name="renamed", memory_mb=96)

        assert (answer.status_code, answer.json()["detail"]) == (500, "not today")
        now = await shown(api, vm)
        assert {**now, "updated_at": ""} == {**vm, "updated_at": ""}
        assert domains(clean_host) == {"my-vm"}

    async def test_what_changes_no_size_runs_no_playbook(self, api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
        assert (await put(api, vm, description="quick", memory_mb=64)).status_code == 200

        assert (await Job.get(action="vm_update")).executor == "direct"

    @pytest.mark.slow
    @pytest.mark.rule("resize-rule")
    async def test_a_live_resize_is_the_playbooks_too(self, api: httpx.AsyncClient, server: Server) -> None:
        vm = await create(api, server, "roomy", max_cpu_cores=4, start=True)

        answer = await api.post(f"/api/vms/{vm['id']}/resize", json={"cpu_cores": 2, "live": True})

        assert answer.status_code == 200, answer.text
        assert answer.json()["details"]["next_boot"] == []
        assert (await shown(api, vm))["resources"]["cpu_cores"] == 2
        assert (await Job.get(action="vm_resize")).executor == "playbook"
