# SPDX-License-Identifier: GPL-3.0-or-later
"""``POST /api/vms`` with everything that a new VM can have, by both ways; and where its secrets are not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from hostler.database import rows
from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.settings import Settings
from lab.host import Host
from tests.service.conftest import DATABASE
from tests.service.machines.lab_service import create, domains, volumes
from tests.service.machines.test_create import fields_of, post

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

MAC = "52:54:00:ab:cd:e0"
WHOLE: dict[str, Any] = {
    "firmware": "uefi",
    "secure_boot": True,
    "tpm": True,
    "memory_mb": 128,
    "max_cpu_cores": 4,
    "max_memory_mb": 512,
    "disks": [{"size_gb": 0.25, "bus": "scsi"}, {"size_gb": 1, "image": "tiny.qcow2", "image_mode": "backing"}],
    "network_config": {"type": "nat", "model": "e1000e"},
    "nics": [{"type": "nat", "mac_address": MAC.upper()}],
}
MARKER = "hunter2-is-in-no-place-but-the-seed"
SECRETS = {"user_data": f"#cloud-config\npassword: {MARKER}\n", "network_config": f"wifis: {{password: {MARKER}}}"}


Logged = Callable[[], str]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Logged:
    """What the process has logged, by whichever library and wherever to."""
    caplog.set_level(logging.DEBUG)
    return lambda: "".join((caplog.text, *capfd.readouterr()))


async def assert_whole(api: httpx.AsyncClient, host: Host, vm: dict[str, Any]) -> None:
    """The host has what was asked for, and takes it back whole."""
    assert (vm["status"], vm["resources"]["disk_gb"]) == ("stopped", 0.125)
    definition = read_domain(host.virsh("dumpxml", vm["name"]))
    assert (definition.firmware, definition.secure_boot, definition.tpm) == ("uefi", True, True)
    assert (definition.max_vcpus, definition.max_memory_kib) == (4, 512 * 1024)
    assert [(disk.target, disk.bus) for disk in definition.disks] == [
        ("vda", "virtio"),
        ("vdb", "virtio"),
        ("sda", "scsi"),
    ]
    source = None if host.network is None else "default"  # a plain user's guests are behind QEMU's own NAT
    assert [(card.source, card.model) for card in definition.interfaces] == [(source, "e1000e"), (source, "virtio")]
    assert definition.interfaces[1].mac_address == MAC
    assert vm["network"]["mac_address"] == definition.interfaces[0].mac_address
    prefix = f"whole-{vm['uuid'][:8]}"
    assert volumes(host) == {f"{prefix}-{what}.qcow2" for what in ("root", "disk1", "disk2")}

    row = await Machine.get(id=vm["id"])
    assert row.spec["disks"][1] == {"size_gb": 1, "image": "tiny.qcow2", "image_mode": "backing", "bus": "virtio"}
    assert row.spec["nics"] == [{"type": "nat", "model": "virtio", "mac_address": MAC.upper()}]

    deleted = await api.delete(f"/api/vms/{vm['id']}")
    assert deleted.status_code == 200, deleted.text
    assert (domains(host), volumes(host)) == (set(), set())


@pytest.mark.rule("create-disks", "create-fields")
async def test_disks_cards_and_the_rest_directly(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    await assert_whole(api, clean_host, await create(api, server, "whole", **WHOLE))


class TestByPlaybook:
    """The same by the playbook that sites add their own steps to."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"dispatch": {}})

    @pytest.mark.slow
    async def test_disks_cards_and_the_rest(self, api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
        await assert_whole(api, clean_host, await create(api, server, "whole", **WHOLE))

    async def test_secrets_are_in_the_seed_alone(
        self, api: httpx.AsyncClient, server: Server, clean_host: Host, settings: Settings, logged: Logged
    ) -> None:
        await assert_secrets_are_kept(api, server, clean_host, settings, logged)


async def test_secrets_are_in_the_seed_alone(
    api: httpx.AsyncClient, server: Server, clean_host: Host, settings: Settings, logged: Logged
) -> None:
    await assert_secrets_are_kept(api, server, clean_host, settings, logged)


async def assert_secrets_are_kept(
    api: httpx.AsyncClient, server: Server, host: Host, settings: Settings, logged: Logged
) -> None:
    """Create a VM with a marker in its secrets, and look for it wherever the service writes."""
    vm = await create(api, server, "secretive", cloud_init=SECRETS, description="a marker of what is to be found")
    refused = await post(api, server, name="secretive", cloud_init=SECRETS)

    assert refused.status_code == 409
    (seed,) = [name for name in volumes(host) if name.endswith(".iso")]
    assert (host.layout.pools["default"] / seed).read_bytes().count(MARKER.encode()) == 2
    job = await Job.get(action="vm_create")
    told = [
        refused.text,
        (await api.get(f"/api/jobs/{job.id}")).text,
        (await api.get("/api/jobs")).text,
        (await api.get(f"/api/vms/{vm['id']}")).text,
        (await api.get(f"/api/vms/{vm['id']}/config", params={"xml": True})).text,
        logged(),
        host.virsh("dumpxml", "--security-info", "secretive"),
    ]
    for table in await tables():
        told.append(str(await rows(f'SELECT * FROM "{table}"')))  # noqa: S608  the database's own name of it
    assert "a marker of what is to be found" in str(told)
    assert "(not shown)" in str(told)
    assert MARKER not in str(told)
    for file in settings.state_dir.rglob("*"):
        if file.is_file():
            assert MARKER.encode() not in file.read_bytes(), file


async def tables() -> list[str]:
    """The names of the database's tables."""
    of_sqlite = "SELECT name FROM sqlite_master WHERE type = 'table'"
    of_postgres = "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
    listed = await rows(of_postgres if DATABASE == "postgres" else of_sqlite)
    return [str(row["name"]) for row in listed]


async def test_what_can_be_nowhere_is_422_and_named(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    address = {"type": "nat", "mac_address": MAC}
    impossible: list[tuple[dict[str, Any], str]] = [
        ({"disks": [{"size_gb": 1}, {"size_gb": 0}]}, "disks.1.size_gb"),
        ({"disks": [{}]}, "disks.0.size_gb"),
        ({"disks": [{"size_gb": "1"}]}, "disks.0.size_gb"),
        ({"disks": [{"size_gb": 1, "image": "../x"}]}, "disks.0.image"),
        ({"disks": [{"size_gb": 1, "image_mode": "move"}]}, "disks.0.image_mode"),
        ({"disks": [{"size_gb": 1, "bus": "ide"}]}, "disks.0.bus"),
        ({"disks": [{"size_gb": 1, "pool": "x"}]}, "disks.0.pool"),
        ({"disks": [1]}, "disks.0"),
        ({"disks": {"size_gb": 1}}, "disks"),
        ({"disks": [{"size_gb": 1}] * 25}, "disks"),
        ({"nics": [{"type": "none"}]}, "nics.0.type"),
        ({"nics": [{}, {"type": "bridge"}]}, "nics.1.bridge_name"),
        ({"nics": [{"type": "bridge", "bridge_name": "br0;reboot"}]}, "nics.0.bridge_name"),
        ({"nics": [{"mac_address": "ff:ff:ff:ff:ff:ff"}]}, "nics.0.mac_address"),
        ({"nics": [{"mac_address": "{{ 7 * 7 }}"}]}, "nics.0.mac_address"),
        ({"nics": [{"model": "ne2k_pci"}]}, "nics.0.model"),
        ({"nics": [address, address]}, "nics.1.mac_address"),
        ({"network_config": address, "nics": [address]}, "nics.0.mac_address"),
        ({"nics": [{}] * 16}, "nics"),
        ({"network_config": {"type": "none", "mac_address": MAC}}, "network_config.mac_address"),
        ({"secure_boot": True}, "secure_boot"),
        ({"secure_boot": "yes", "firmware": "uefi"}, "secure_boot"),
        ({"tpm": 1}, "tpm"),
        ({"cpu_cores": 4, "max_cpu_cores": 3}, "max_cpu_cores"),
        ({"max_cpu_cores": 2.5}, "max_cpu_cores"),
        ({"memory_mb": 128, "max_memory_mb": 127}, "max_memory_mb"),
        ({"max_memory_mb": 2**60}, "max_memory_mb"),
    ]
    for fields, path in impossible:
        answer = await post(api, server, **fields)

        assert answer.status_code == 422, (fields, answer.text)
        assert fields_of(answer) == [path], (fields, answer.text)
    assert await Machine.all().count() == 0
    assert domains(clean_host) == set()


async def test_what_is_not_on_the_server_is_400_and_named(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    missing: list[tuple[dict[str, Any], str, str]] = [
        (
            {"disks": [{"size_gb": 1}, {"size_gb": 1, "image": "no-such.qcow2"}]},
            "disks.1.image",
            "Image 'no-such.qcow2' not found in storage pool 'images'",
        ),
        ({"disks": [{"size_gb": 0.01, "image": "tiny.qcow2"}]}, "disks.0.size_gb", "disks.0.size_gb: is smaller than"),
        ({"disks": [{"size_gb": 65536}]}, "disks.0.size_gb", "Storage pool 'default' holds "),
        (
            {"nics": [{}, {"type": "network", "network_name": "no-such"}]},
            "nics.1.network_name",
            "nics.1.network_name: network 'no-such' not found on this host",
        ),
        (
            {"nics": [{"type": "bridge", "bridge_name": "no-such"}]},
            "nics.0.bridge_name",
            "nics.0.bridge_name: bridge 'no-such' not found on this host",
        ),
        ({"cpu_cores": 256}, "cpu_cores", "A guest on this host can have at most 255 virtual CPUs"),
        ({"max_cpu_cores": 256}, "max_cpu_cores", "A guest on this host can have at most 255 virtual CPUs"),
    ]
    for fields, field, detail in missing:
        answer = await post(api, server, **fields)

        assert answer.status_code == 400, (fields, answer.text)
        assert fields_of(answer) == [field]
        assert answer.json()["detail"].startswith(detail)
    assert await Machine.all().count() == 0
    assert await Job.all().count() == 0
    assert volumes(clean_host) == set()


async def test_the_schema_says_what_the_core_knows(app: FastAPI) -> None:
    schema = app.openapi()["components"]["schemas"]

    disk, body = schema["DiskConfigBody"], schema["CreateBody"]["properties"]
    assert disk["required"] == ["size_gb"]
    assert disk["properties"]["size_gb"]["exclusiveMinimum"] == 0
    assert "GiB" in disk["properties"]["size_gb"]["description"]
    assert (body["disks"]["maxItems"], body["nics"]["maxItems"]) == (24, 15)
    assert "C(" not in str(body) + str(disk) + str(schema["NetworkConfigBody"])
