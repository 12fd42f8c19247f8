# SPDX-License-Identifier: GPL-3.0-or-later
"""``GET /api/vms/{id}/config``: the contract's fields from the row, and the XML from the host, without secrets."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.machines.models import Machine
from lab.host import Host
from tests.service.conftest import Headers
from tests.service.machines.lab_service import create, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

SECRETIVE = """
<domain type='{type}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>secretive</name><uuid>{uuid}</uuid><memory>65536</memory>
  <os><type arch='x86_64'>hvm</type><cmdline>password=hunter2</cmdline></os>
  <devices><graphics type='vnc' port='-1' autoport='yes' passwd='hunter2'/></devices>
  <qemu:commandline><qemu:arg value='-name'/><qemu:arg value='guest=hunter2'/>
    <qemu:env name='SECRET' value='hunter2'/></qemu:commandline>
</domain>
"""


async def config(api: httpx.AsyncClient, vm: dict[str, Any], **query: Any) -> dict[str, Any]:
    answer = await api.get(f"/api/vms/{vm['id']}/config", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_the_contracts_fields_and_no_others(api: httpx.AsyncClient, server: Server) -> None:
    vm = await create(api, server, "my-vm", os_version="Ubuntu 22.04", network_config={"type": "nat"})

    assert await config(api, vm) == {
        "id": vm["id"],
        "name": "my-vm",
        "uuid": vm["uuid"],
        "cpu_cores": 1,
        "memory_mb": 64,
        "disk_gb": 0.125,
        "os_type": "linux",
        "os_version": "Ubuntu 22.04",
        "vnc_enabled": True,
        "vnc_port": None,
        "network_config": {"type": "nat", "bridge_name": None},
        "xml_config": None,
    }


async def test_a_card_on_another_network_names_it(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    await Server.filter(id=server.id).update(network="another")  # so that the host's network is not its NAT network
    await server.refresh_from_db()
    vm = await create(api, server, "wired", network_config={"type": "network", "network_name": "default"})

    assert (await config(api, vm))["network_config"] == {
        "type": "network",
        "bridge_name": None,
        "network_name": "default",
    }
    shown = await create(api, server, "unwired")
    assert (await config(api, shown))["network_config"] == {"type": "none", "bridge_name": None}


async def test_of_a_running_vm_it_has_the_port(api: httpx.AsyncClient, server: Server) -> None:
    vm = await create(api, server, "shown", start=True)

    assert (await config(api, vm))["vnc_port"] == vm["vnc_port"]
    assert vm["vnc_port"] >= 5900


@pytest.mark.rule("config-xml")
async def test_the_xml_is_for_those_who_may_write(
    api: httpx.AsyncClient, server: Server, clean_host: Host, read_headers: Headers
) -> None:
    vm = await create(api, server, "my-vm")

    shown = await config(api, vm, xml="true")

    assert shown["xml_config"].startswith("<domain ")
    assert f"<uuid>{vm['uuid']}</uuid>" in shown["xml_config"]
    refused = await api.get(f"/api/vms/{vm['id']}/config", params={"xml": "true"}, headers=read_headers)
    assert (refused.status_code, refused.json()["detail"]) == (403, "Not enough permissions")
    plain = await api.get(f"/api/vms/{vm['id']}/config", headers=read_headers)
    assert (plain.status_code, plain.json()["xml_config"]) == (200, None)


@pytest.mark.rule("config-xml")
async def test_the_xml_has_no_secret_in_it(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    made = str(uuid.uuid4())
    file = clean_host.layout.pools["default"] / "secretive.xml"
    file.write_text(SECRETIVE.format(type=clean_host.virt_type, uuid=made))
    clean_host.virsh("define", str(file))
    file.unlink()
    assert "hunter2" in clean_host.virsh("dumpxml", "secretive")
    assert "passwd='hunter2'" in clean_host.virsh("dumpxml", "secretive", "--security-info")

    async def is_known() -> bool:
        return (await api.get(f"/api/vms/{made}")).status_code == 200

    await eventually(is_known, "the VM has appeared")
    shown = await config(api, (await api.get(f"/api/vms/{made}")).json(), xml="true")

    assert "hunter2" not in shown["xml_config"]
    assert "(not shown)" in shown["xml_config"]


@pytest.mark.rule("never-dials")
async def test_a_host_that_hangs_is_503_with_the_xml_and_does_not_matter_without(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostler.machines.configuration.READ_SECONDS", 0.5)
    vm = await create(api, server, "hung")
    clean_host.pause_libvirtd()
    try:
        answer = await api.get(f"/api/vms/{vm['id']}/config", params={"xml": "true"})
        plain = await api.get(f"/api/vms/{vm['id']}/config")
    finally:
        clean_host.continue_libvirtd()

    assert answer.status_code == 503
    assert answer.json()["detail"] == "Host 'lab1' did not answer within 0.5 s"
    assert plain.status_code == 200


async def test_the_xml_of_a_vm_that_is_gone_is_404(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    vm = await create(api, server, "gone")
    clean_host.virsh("undefine", "gone")

    answer = await api.get(f"/api/vms/{vm['id']}/config", params={"xml": "true"})

    assert (answer.status_code, answer.json()["detail"]) == (404, "VM 'gone' is no longer on host 'lab1'")


async def test_without_a_hypervisor_the_xml_is_the_contracts_503(api: httpx.AsyncClient) -> None:
    server = await Server.create(hostname="shelf", libvirt_uri="qemu:///system", enabled=False)
    row = await Machine.create(
        server=server, name="kept", uuid=str(uuid.uuid4()), status="unknown", cpu_cores=1, memory_mb=1, disk_gb=1,
        network_type="nat",
    )  # fmt: skip

    answer = await api.get(f"/api/vms/{row.id}/config", params={"xml": "true"})

    assert answer.status_code == 503
    assert answer.json()["detail"] == "VM operations are not available - libvirt not configured"
    assert (await config(api, {"id": row.id}))["network_config"] == {"type": "nat", "bridge_name": None}
