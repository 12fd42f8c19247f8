# SPDX-License-Identifier: GPL-3.0-or-later
"""A hypervisor is reached from an execution environment by SSH and TLS, and playbooks run on it over SSH."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.host import Host
from lab.ports import LOOPBACK
from tests.awx.answers import answered
from tests.awx.job import Controller, Finished

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="a user's own lab has neither SSH nor TLS"),
]

# what a credential sends of the fields that nobody filled in; an empty file besides, for those that are files
UNSET = {
    "HOSTLER_SSH_INSECURE": "False",
    "HOSTLER_TLS_INSECURE": "False",
    "HOSTLER_URL": "",
    "HOSTLER_TOKEN": "",
    "HOSTLER_INSECURE": "False",
}
FILES = (
    "HOSTLER_SSH_KEY",
    "HOSTLER_SSH_KNOWN_HOSTS",
    "HOSTLER_TLS_CACERT",
    "HOSTLER_TLS_CLIENTCERT",
    "HOSTLER_TLS_CLIENTKEY",
    "HOSTLER_CA_CERT",
)


@pytest.fixture
def launched(controller: Controller, tmp_path: Path) -> Callable[..., Finished]:
    """Run a playbook with a credential of which these fields are filled in."""

    def run(playbook: str, variables: dict[str, Any], **filled: str) -> Finished:
        empty = tmp_path / "empty"
        empty.write_text("")
        credential = {**UNSET, **dict.fromkeys(FILES, str(empty)), **filled}
        return dataclasses.replace(controller, credential=credential).run(playbook, variables)

    return run


def test_libvirt_s_own_ways_with_a_job_s_credential(
    launched: Callable[..., Finished], surveys: dict[str, Any], lab_hosts: list[Host]
) -> None:
    lab, ports = lab_hosts[0].layout.lab, lab_hosts[0].access.ports
    ways = {
        "ssh": {
            "LIBVIRT_DEFAULT_URI": f"qemu+ssh://root@{LOOPBACK}:{ports.ssh}/system",
            "HOSTLER_SSH_KEY": str(lab.ssh_key),
            "HOSTLER_SSH_KNOWN_HOSTS": str(lab.ssh_known_hosts),
        },
        "tls": {
            "LIBVIRT_DEFAULT_URI": f"qemu+tls://{LOOPBACK}:{ports.tls}/system",
            "HOSTLER_TLS_CACERT": str(lab.client_certificate / "cacert.pem"),
            "HOSTLER_TLS_CLIENTCERT": str(lab.client_certificate / "clientcert.pem"),
            "HOSTLER_TLS_CLIENTKEY": str(lab.client_certificate / "clientkey.pem"),
        },
    }
    sizes = {"vm_cpu_cores": 1, "vm_memory_mb": 64, "vm_disk_gb": 0.125}

    for way, credential in ways.items():
        create = answered(surveys["vm_create"], vm_name=f"by-{way}", **sizes)
        made = launched("vm_create", create, **credential)
        assert made.code == 0, made.output
        assert made.artifacts["vm"]["name"] == f"by-{way}"
        gone = launched("vm_delete", answered(surveys["vm_delete"], vm_name=f"by-{way}"), **credential)
        assert gone.code == 0, gone.output
        assert lab.ssh_key.read_text() not in made.output


def test_on_the_hypervisor_itself(launched: Callable[..., Finished], surveys: dict[str, Any]) -> None:
    sizes = {"vm_cpu_cores": 1, "vm_memory_mb": 64, "vm_disk_gb": 0.125}

    for playbook, answers in (("vm_create", sizes), ("vm_start", {}), ("vm_force_stop", {}), ("vm_delete", {})):
        done = launched(playbook, answered(surveys[playbook], vm_name="there", hypervisor="remote", **answers))
        assert done.code == 0, done.output


def test_a_host_that_is_not_reached_is_one_clear_message(
    launched: Callable[..., Finished], surveys: dict[str, Any], lab_hosts: list[Host]
) -> None:
    ports, lab = lab_hosts[0].access.ports, lab_hosts[0].layout.lab
    credential = {
        "LIBVIRT_DEFAULT_URI": f"qemu+ssh://root@{LOOPBACK}:{ports.ssh}/system",
        "HOSTLER_SSH_KEY": str(lab_hosts[0].layout.ssh_host_key),
        "HOSTLER_SSH_KNOWN_HOSTS": str(lab.ssh_known_hosts),
    }

    done = launched("vm_start", answered(surveys["vm_start"], vm_name="nobody"), **credential)

    assert done.code != 0
    assert "Failed to connect to the host: root@127.0.0.1: Permission denied" in done.output
