# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a workflow after vm_create: what they take from the step before, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.host import Host
from tests.collection.conftest import Ansible

pytestmark = [pytest.mark.lab, pytest.mark.slow]

STEPS = ["vm_wait", "vm_configure", "vm_report"]


@pytest.mark.parametrize("step", STEPS)
def test_no_vm_is_no_guess(ansible: Ansible, step: str) -> None:
    run = ansible(f"hostler.libvirt.{step}", extra={"vm_name": ""})

    assert run.code != 0
    assert "vm_name is empty, and no step before this one made a VM." in run.output


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("vm_wait", "VM 'gone' not found on this host"),
        ("vm_configure", "The VM 'gone' is not there."),
        ("vm_report", "The VM 'gone' is not there."),
    ],
)
def test_a_vm_that_is_not_there_is_named(ansible: Ansible, step: str, says: str) -> None:
    run = ansible(f"hostler.libvirt.{step}", extra={"vm": {"name": "gone"}, "hypervisor": ""})

    assert run.code != 0
    assert says in run.output


def test_a_vm_that_is_off_is_no_good_report(ansible: Ansible, lab_host: Host, tmp_path: Path) -> None:
    sizes = {"vm_cpu_cores": 1, "vm_memory_mb": 128, "vm_disk_gb": 0.125, "vm_virt_type": lab_host.virt_type}
    assert ansible("hostler.libvirt.vm_create", extra=sizes | {"vm_name": "off"}).code == 0

    report = ansible("hostler.libvirt.vm_report", extra={"vm_name": "off"})
    assert report.code != 0
    assert "The VM 'off' is stopped, not running." in report.output

    configure = ansible("hostler.libvirt.vm_configure", extra={"vm_name": "off"})
    assert configure.code != 0
    assert "The VM 'off' has no address that its host knows." in configure.output


def test_the_site_s_steps_are_taken_in_the_guest(ansible: Ansible, lab_host: Host, tmp_path: Path) -> None:
    """Through its agent, which needs neither a network nor a Python there."""
    made = {
        "vm_name": "guest", "vm_cpu_cores": 1, "vm_memory_mb": 128, "vm_disk_gb": 0.25, "vm_image": "tiny.qcow2",
        "vm_image_pool": "images", "vm_virt_type": lab_host.virt_type,
    }  # fmt: skip
    assert ansible("hostler.libvirt.vm_create", extra=made).code == 0
    before = {"vm": {"name": "guest"}, "vm_connection": "guest_agent", "hooks_dir": str(tmp_path)}
    (tmp_path / "vm_configure.yml").write_text(
        "- name: Look around\n  ansible.builtin.raw: cat /proc/sys/kernel/ostype /proc/uptime\n  register: seen\n"
        "- name: Show it\n  ansible.builtin.debug:\n    var: seen.stdout_lines\n"
    )

    assert ansible("hostler.libvirt.vm_wait", extra=before | {"vm_wait_for": "agent"}).code == 0
    configured = ansible("hostler.libvirt.vm_configure", extra=before)
    reported = ansible("hostler.libvirt.vm_report", extra=before)

    assert configured.code == 0, configured.output
    assert '"Linux"' in configured.output
    assert reported.code == 0, reported.output
    assert "The VM 'guest' runs at" in reported.output.replace("\n", " ")
