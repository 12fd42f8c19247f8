# SPDX-License-Identifier: GPL-3.0-or-later
"""One VM, whichever door it comes through: REST, a playbook from a shell, libvirt's own tools."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.host import Host
from tests.end_to_end.conftest import RunningService, eventually

pytestmark = pytest.mark.lab

SMALL = {"server_id": 1, "cpu_cores": 1, "memory_mb": 128, "disk_gb": 0.25, "image": "tiny.qcow2"}


def playbook(host: Host, name: str, folder: Path, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the collection as a user would from a shell."""
    (folder / "variables.json").write_text(json.dumps(variables))
    program = Path(sys.executable).with_name("ansible-playbook")
    return subprocess.run(
        [str(program), f"hostler.libvirt.{name}", "-e", f"@{folder / 'variables.json'}", *options],
        env={
            "PATH": f"{program.parent}:/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "LIBVIRT_DEFAULT_URI": host.uri,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def hostname(host: Host, guest: str) -> str:
    """The guest's own word for its name; empty while its agent does not answer."""
    try:
        return host.virsh("domhostname", guest, "--source", "agent").strip()
    except LabError:
        return ""


@pytest.mark.rule("vms", "vm-addresses")
def test_a_guests_whole_life_over_rest(service: RunningService, lab_host: Host) -> None:
    made = service.post(
        "/api/vms", name="whole-life", **SMALL, cloud_init={"hostname": "seeded"}, os_version="tiny", tags=["e2e"]
    )
    assert made.status_code == 201, made.text
    vm = made.json()
    assert (vm["status"], vm["resources"]) == ("stopped", {"cpu_cores": 1, "memory_mb": 128, "disk_gb": 0.25})
    path = f"/api/vms/{vm['id']}"

    assert service.post(f"{path}/start").json()["message"] == "VM started successfully"
    eventually(lambda: service.get(path)["network"]["ip_address"], "the guest has an address", 90)
    assert service.get(path)["vnc_port"]
    refused = service.post(f"{path}/resize", memory_mb=256)
    assert (refused.status_code, refused.json()["detail"]) == (400, "VM must be stopped before resizing")

    # the agent answers a little later than DHCP; by then the guest listens to its power button as well
    eventually(lambda: hostname(lab_host, "whole-life") == "seeded", "the guest has its seed's host name", 90)
    assert service.post(f"{path}/stop").json()["message"] == "VM stopped successfully"
    assert service.get(path)["status"] == "stopped"
    resized = service.post(f"{path}/resize", cpu_cores=2, memory_mb=256, disk_gb=0.5)
    assert resized.json()["message"] == "VM resized successfully"
    assert service.get(path)["resources"] == {"cpu_cores": 2, "memory_mb": 256, "disk_gb": 0.5}
    assert "CPU(s):         2" in lab_host.virsh("dominfo", "whole-life")

    deleted = service.client.delete(path)
    assert deleted.json()["message"] == "VM 'whole-life' deleted successfully"
    assert "whole-life" not in lab_host.virsh("list", "--all", "--name")
    assert list(lab_host.layout.pools["default"].iterdir()) == []
    assert service.client.get(path).json()["detail"] == f"VM with ID {vm['id']} not found"


def test_a_vm_made_by_a_playbook_from_a_shell_is_in_the_api(
    service: RunningService, lab_host: Host, tmp_path: Path
) -> None:
    variables = {
        "vm_name": "from-a-shell",
        "vm_cpu_cores": "1",
        "vm_memory_mb": "64",
        "vm_disk_gb": "0.1",
        "vm_virt_type": lab_host.virt_type,
        "vm_description": "made by hand",
        "vm_tags": ["shell"],
        "vm_image": "",
    }
    planned = playbook(lab_host, "vm_create", tmp_path, "--check", "--diff", **variables)
    assert planned.returncode == 0, planned.stdout
    assert "changed=1" in planned.stdout
    assert '+    "description": "made by hand"' in planned.stdout
    assert "from-a-shell" not in lab_host.virsh("list", "--all", "--name")

    assert "changed=1" in playbook(lab_host, "vm_create", tmp_path, **variables).stdout
    again = playbook(lab_host, "vm_create", tmp_path, **variables)
    assert "changed=0" in again.stdout

    refreshed = service.post("/api/servers/1/refresh")
    assert refreshed.status_code == 200
    vm = service.vm_named("from-a-shell")
    assert vm is not None
    assert (vm["status"], vm["description"], vm["tags"]) == ("stopped", "made by hand", ["shell"])
    # the service's number stands in the VM's own record from now on
    eventually(
        lambda: f"id>{vm['id']}</" in lab_host.virsh("dumpxml", "from-a-shell"), "the record has the service's number"
    )

    resized = playbook(lab_host, "vm_resize", tmp_path, vm_name="from-a-shell", vm_memory_mb=96)
    assert "changed=1" in resized.stdout
    service.post("/api/servers/1/refresh")
    assert service.get(f"/api/vms/{vm['id']}")["resources"]["memory_mb"] == 96


def test_what_others_do_shows_by_itself(service: RunningService, lab_host: Host) -> None:
    vm = service.post("/api/vms", name="touched", **SMALL).json()
    path = f"/api/vms/{vm['id']}"

    lab_host.virsh("start", "touched")
    eventually(lambda: service.get(path)["status"] == "running", "a start by virsh shows", 10)
    lab_host.virsh("destroy", "touched")
    eventually(lambda: service.get(path)["status"] == "stopped", "a destroy by virsh shows", 10)
    lab_host.virsh("undefine", "touched")
    eventually(lambda: service.get(path)["status"] == "error", "an undefine by virsh shows", 10)
    gone = service.client.delete(path)
    assert gone.status_code == 200
    assert gone.json()["message"] == "VM 'touched' deleted successfully: its host no longer had it"


def test_nothing_that_a_user_typed_is_ever_templated(service: RunningService, lab_host: Host, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    spell = (
        "{{ lookup('pipe', 'touch "
        + str(mark)
        + "') }}{% if true %}x{% endif %}</hostler:description><x/>&amp; !unsafe \"'"
    )
    made = service.post(
        "/api/vms",
        name="spelled",
        **SMALL,
        description=spell,
        os_version=spell[:255],
        cloud_init={"user_data": f"#cloud-config\n# {spell}\n"},
    )
    assert made.status_code == 201, made.text
    assert made.json()["description"] == spell
    path = f"/api/vms/{made.json()['id']}"
    service.post("/api/servers/1/refresh")

    assert service.get(path)["description"] == spell
    assert not mark.exists()
    assert "<x/>" not in lab_host.virsh("dumpxml", "spelled")
    for name in ("{{ evil }}", "../../etc/passwd", "a<b", "a'b", "", "x" * 300, "naïve", "a\nb", "-rf"):
        refused = service.post("/api/vms", **{**SMALL, "name": name})
        assert refused.status_code == 422, name
        assert "name" in [error["field"] for error in refused.json()["errors"]]
    assert service.post("/api/vms", **{**SMALL, "name": "a\x00b"}).status_code == 422


def test_a_sites_steps_run_around_the_create_and_fail_it_whole(service: RunningService, lab_host: Host) -> None:
    hooks = service.folder / "hooks"
    try:
        (hooks / "vm_create_after.yml").write_text(
            "- name: Write the VM down\n  ansible.builtin.copy:\n    content: '{{ vm.name }} {{ vm.uuid }}'\n"
            f"    dest: {service.folder / 'seen'}\n    mode: '0600'\n"
        )
        made = service.post("/api/vms", name="hooked", **SMALL)
        assert made.status_code == 201, made.text
        assert (service.folder / "seen").read_text() == f"hooked {made.json()['uuid']}"

        (hooks / "vm_create_after.yml").write_text(
            "- name: Register the address\n  ansible.builtin.fail:\n    msg: no address left\n"
        )
        refused = service.post("/api/vms", name="unlucky", **SMALL)
        assert refused.status_code == 500
        assert "no address left" in refused.json()["detail"]
        assert service.vm_named("unlucky") is None
        assert "unlucky" not in lab_host.virsh("list", "--all", "--name")
        assert not [disk.name for disk in lab_host.layout.pools["default"].iterdir() if "unlucky" in disk.name]
        failed = service.get("/api/jobs?state=failed")["items"][-1]
        assert (failed["action"], failed["vm_name"], failed["error"]["code"]) == (
            "vm_create",
            "unlucky",
            "operation_failed",
        )
    finally:
        (hooks / "vm_create_after.yml").unlink(missing_ok=True)
