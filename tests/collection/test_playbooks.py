# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks, by the names that people and the service know, with values as shells and services have them."""

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.collection.conftest import Ansible, Run
from tests.core.actions.guests import KEY, desired, made, named
from tests.core.machines import MIB

pytestmark = pytest.mark.lab

CREATE, RESIZE = "hostler.libvirt.vm_create", "hostler.libvirt.vm_resize"
DELETE = "hostler.libvirt.vm_delete"
SECRET = "hunter2-the-user-data"


@pytest.fixture
def hypervisor(lab_host: Host) -> Any:
    with Hypervisor.open(lab_host.uri) as opened:
        yield opened


@pytest.fixture
def sizes(lab_host: Host) -> dict[str, Any]:
    """The variables of a small VM with a blank disk, as the service gives them."""
    return {"vm_cpu_cores": 1, "vm_memory_mb": 128, "vm_disk_gb": 0.125, "vm_virt_type": lab_host.virt_type}


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    """A site's steps: each writes down that it ran, and what it was told of the VM."""
    folder = tmp_path / "hooks"
    folder.mkdir()
    for when in ("create_before", "create_after", "resize_after", "delete_before", "delete_after"):
        told = "{{ (vm | default({'name': 'none yet'})).name }}"
        task = {
            "name": f"Note {when}",
            "ansible.builtin.lineinfile": {
                "path": str(tmp_path / "notes"), "line": f"{when} {told}", "create": True, "mode": "0600",
            },
        }  # fmt: skip
        (folder / f"vm_{when}.yml").write_text(json.dumps([task]))
    return folder


def unsafe(text: str) -> dict[str, str]:
    """A text that Ansible shall not look into, as the service's runner gives it."""
    return {"__ansible_unsafe": text}


def assert_fine(run: Run, changed: int) -> None:
    assert run.code == 0, run.output
    assert f"changed={changed} " in run.output, run.output


def test_a_vm_from_a_shell_with_every_value_a_string(ansible: Ansible, lab_host: Host, hypervisor: Hypervisor) -> None:
    shell = [
        "vm_name=from-shell", "vm_cpu_cores=1", "vm_memory_mb=128", "vm_disk_gb=0.125", "vm_image=tiny.qcow2",
        "vm_image_mode=backing", "vm_image_pool=images", f"vm_virt_type={lab_host.virt_type}", "vm_tags=a,b",
        "vm_autostart=yes", "vm_protected=false", 'vm_network_config=\'{"type": "none"}\'', "vm_start=no",
        "vm_description='two words'", f"libvirt_uri={lab_host.uri}",
    ]  # fmt: skip
    arguments = [part for value in shell for part in ("-e", value)]

    assert_fine(ansible(CREATE, *arguments, LIBVIRT_DEFAULT_URI="qemu:///system?socket=/nowhere"), changed=1)

    vm = named(hypervisor, "from-shell")
    assert (vm.status, vm.cpu_cores, vm.memory_kib, vm.disk_gb) == ("stopped", 1, 131072, 0.125)
    assert (vm.autostart, vm.protected, vm.definition.interfaces) == (True, False, ())
    assert vm.record is not None
    assert (vm.record.tags, vm.record.description) == (("a", "b"), "two words")

    assert_fine(ansible(CREATE, *arguments), changed=0)

    resize = ["-e", "vm_name=from-shell", "-e", "vm_memory_mb=160", "-e", "vm_cpu_cores="]
    assert_fine(ansible(RESIZE, "--check", "--diff", *resize), changed=1)
    assert named(hypervisor, "from-shell").memory_kib == 131072
    assert_fine(ansible(RESIZE, *resize), changed=1)
    assert_fine(ansible(RESIZE, *resize), changed=0)
    vm = named(hypervisor, "from-shell")
    assert (vm.memory_kib, vm.cpu_cores, vm.disk_gb) == (160 * 1024, 1, 0.125)

    hypervisor.domain(vm.uuid).start()
    live = ["-e", "vm_name=from-shell", "-e", "vm_disk_gb=0.25", "-e", "vm_live=yes", "-e", "vm_memory_mb="]
    assert_fine(ansible(RESIZE, *live), changed=1)
    assert named(hypervisor, "from-shell").disk_gb == 0.25


def test_empty_answers_count_as_left_out(ansible: Ansible, lab_host: Host, hypervisor: Hypervisor) -> None:
    """As AWX's surveys give them."""
    left_out = [
        "uuid", "record_id", "owner", "start", "image", "image_mode", "os_type", "os_version", "firmware",
        "network_config", "cloud_init", "description", "tags", "autostart", "protected", "pool", "image_pool",
        "network", "secure_boot", "tpm", "max_cpu_cores", "max_memory_mb", "disks", "nics",
    ]  # fmt: skip
    extra: dict[str, Any] = {f"vm_{name}": "" for name in left_out}
    extra |= {"vm_name": "survey", "vm_cpu_cores": "1", "vm_memory_mb": 128, "vm_disk_gb": "0.125"}
    extra |= {"vm_virt_type": lab_host.virt_type, "hypervisor": "", "libvirt_uri": "", "hooks_dir": ""}

    assert_fine(ansible(CREATE, extra=extra), changed=1)

    vm = named(hypervisor, "survey")
    assert vm.definition.firmware == "bios"
    assert (vm.definition.secure_boot, vm.definition.tpm, vm.definition.max_vcpus) == (False, False, None)
    assert (len(vm.disks), len(vm.definition.interfaces)) == (1, 1)
    assert vm.record is not None
    assert (vm.record.owner, vm.record.os_type, vm.record.tags) == (None, "linux", ())
    survey = {"vm_name": "survey", "vm_live": "", "vm_memory_mb": "", "vm_disk_gb": None, "hypervisor": ""}
    assert_fine(ansible(RESIZE, extra=survey), changed=0)

    run = ansible(RESIZE, extra={**survey, "vm_cpu_cores": 0})  # which is not empty
    assert run.code == 2
    assert "cpu_cores: must be at least 1" in run.output


def test_what_a_user_writes_stays_what_it_is(
    ansible: Ansible, hypervisor: Hypervisor, sizes: dict[str, Any], tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    attack = f"{{{{ lookup('pipe', 'touch {touched}') }}}}{{% raw %}} </hostler:description><x/> ]]> $(touch {touched})"
    extra = {
        **sizes,
        "vm_name": unsafe("hostile"),
        "vm_description": unsafe(attack),
        "vm_os_version": unsafe(attack),
        "vm_owner": unsafe(attack),
        "vm_cloud_init": {"user_data": unsafe(f"#cloud-config\n# {attack}\n"), "ssh_authorized_keys": [unsafe(KEY)]},
    }

    run = ansible(CREATE, "-v", "--diff", extra=extra)

    assert_fine(run, changed=1)
    record = named(hypervisor, "hostile").record
    assert record is not None
    assert (record.description, record.os_version, record.owner) == (attack, attack, attack)
    assert not touched.exists()


@pytest.mark.slow
def test_further_disks_and_cards_are_given_as_json(
    ansible: Ansible, lab_host: Host, hypervisor: Hypervisor, sizes: dict[str, Any]
) -> None:
    extra = {
        **sizes,
        "vm_name": "furnished",
        "vm_image_pool": "images",
        "vm_disks": [{"size_gb": 0.25, "bus": "scsi"}, {"size_gb": 1, "image": unsafe("tiny.qcow2")}],
        "vm_nics": [{"type": "nat", "mac_address": unsafe("52:54:00:ab:cd:ee")}],
        "vm_secure_boot": True,
        "vm_firmware": "uefi",
        "vm_tpm": True,
        "vm_max_cpu_cores": 4,
        "vm_max_memory_mb": 256,
    }

    assert_fine(ansible(CREATE, extra=extra), changed=1)

    vm = named(hypervisor, "furnished")
    assert sorted(disk.size or 0 for disk in vm.disks) == [128 * MIB, 256 * MIB, 1024 * MIB]
    assert [card.mac_address for card in vm.definition.interfaces][1:] == ["52:54:00:ab:cd:ee"]
    assert (vm.definition.secure_boot, vm.definition.tpm) == (True, True)
    assert (vm.definition.max_vcpus, vm.definition.max_memory_kib) == (4, 256 * 1024)


def test_a_template_in_what_is_not_marked_is_ansibles_own_business_and_no_longer_ours_in_the_domain(
    ansible: Ansible, hypervisor: Hypervisor, sizes: dict[str, Any]
) -> None:
    """A shell's -e is the operator's own; what comes out of it is text for us."""
    extra = {**sizes, "vm_name": "templated", "vm_description": "{{ 6 * 7 }} {{ '{{' }} x }}"}

    assert_fine(ansible(CREATE, extra=extra), changed=1)

    record = named(hypervisor, "templated").record
    assert record is not None
    assert record.description == "42 {{ x }}"


def test_a_sites_steps_run_before_and_after_and_are_told_of_the_vm(
    ansible: Ansible, sizes: dict[str, Any], hooks: Path
) -> None:
    run = ansible(CREATE, extra={**sizes, "vm_name": "hooked", "hooks_dir": str(hooks)})

    assert run.code == 0, run.output
    notes = hooks.parent / "notes"
    assert notes.read_text().splitlines() == ["create_before none yet", "create_after hooked"]

    run = ansible(RESIZE, extra={"vm_name": "hooked", "vm_memory_mb": 160, "hooks_dir": str(hooks)})

    assert run.code == 0, run.output  # it has no steps before a resize
    assert notes.read_text().splitlines()[2:] == ["resize_after hooked"]


def test_a_step_that_fails_before_ends_the_run_before_anything_is_made(
    ansible: Ansible, sizes: dict[str, Any], hypervisor: Hypervisor, hooks: Path
) -> None:
    (hooks / "vm_create_before.yml").write_text(json.dumps([{"ansible.builtin.fail": {"msg": "no address is free"}}]))

    run = ansible(CREATE, extra={**sizes, "vm_name": "stopped-short", "hooks_dir": str(hooks)})

    assert run.code == 2
    assert "no address is free" in run.output
    assert hypervisor.find_domain_named("stopped-short") is None


def test_secrets_are_nowhere_in_the_output(ansible: Ansible, sizes: dict[str, Any]) -> None:
    told = {"user_data": f"#cloud-config\npassword: {SECRET}\n", "network_config": f"wifi: {SECRET}"}

    run = ansible(CREATE, "-vvv", "--diff", extra={**sizes, "vm_name": "secretive", "vm_cloud_init": told})

    assert_fine(run, changed=1)
    assert "(not shown)" in run.output  # that there is some is said
    assert SECRET not in run.output


@pytest.mark.parametrize(
    ("playbook", "extra", "words"),
    [
        (CREATE, {"vm_name": "x y"}, "name: must be 1 to 63 letters"),
        (RESIZE, {"vm_name": "nobody", "vm_memory_mb": 64}, "VM 'nobody' not found on this host"),
        (RESIZE, {"vm_memory_mb": 64}, "name, uuid"),
    ],
)
def test_a_failure_is_said_in_the_modules_words(
    ansible: Ansible, sizes: dict[str, Any], playbook: str, extra: dict[str, Any], words: str
) -> None:
    run = ansible(playbook, extra={**(sizes if playbook == CREATE else {}), **extra})

    assert run.code == 2
    assert words in run.output


def test_a_vm_is_deleted_once_and_a_sites_steps_are_told_which_it_was(
    ansible: Ansible, lab_host: Host, hypervisor: Hypervisor, hooks: Path, tmp_path: Path
) -> None:
    vm = made(hypervisor, desired(lab_host, "leaves"))
    disk = Path(vm.disks[0].path or "")
    by_uuid = ["-e", f"vm_uuid={vm.uuid}", "-e", "vm_name=", "-e", "vm_delete_disks="]

    assert_fine(ansible(DELETE, "--check", *by_uuid), changed=1)
    assert disk.exists()
    assert_fine(ansible(DELETE, *by_uuid, "-e", f"hooks_dir={hooks}"), changed=3)
    assert not disk.exists()
    assert (tmp_path / "notes").read_text().splitlines() == ["delete_before leaves", "delete_after leaves"]
    assert_fine(ansible(DELETE, *by_uuid), changed=0)

    kept = Path(made(hypervisor, desired(lab_host, "leaves-its-disk")).disks[0].path or "")
    assert_fine(ansible(DELETE, "-e", "vm_name=leaves-its-disk", "-e", "vm_delete_disks=false"), changed=1)
    assert kept.exists()
    assert hypervisor.find_domain_named("leaves-its-disk") is None
