# SPDX-License-Identifier: GPL-3.0-or-later
"""The surveys, and jobs as AWX runs them on the lab's hosts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.host import Host
from lab.ports import LOOPBACK
from tests.awx.job import Controller, project_in
from tests.awx.made import REPO, made_by
from tests.core.actions.guests import swept

CORES = ("2.16", "2.18", "2.19")


@pytest.fixture(scope="session")
def surveys() -> dict[str, Any]:
    """The surveys by their playbooks' names, as the templates get them."""
    content = yaml.safe_load((REPO / "playbooks" / "vars" / "awx_surveys.yml").read_text())
    found: dict[str, Any] = content["awx_surveys"]
    return found


@pytest.fixture(scope="module", params=CORES)
def environment(request: pytest.FixtureRequest) -> Path:
    """An environment with each ansible-core in turn."""
    return made_by("ansible-core", request.param)


@pytest.fixture(scope="module")
def controller(
    environment: Path, lab_hosts: list[Host], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Controller]:
    """Runs jobs on an inventory of the lab's hosts; the first is the credential's."""
    folder = tmp_path_factory.mktemp("awx")
    project_in(folder, REPO)
    inventory = {
        "all": {
            "hosts": {
                f"kvm{number}": {
                    "ansible_connection": "local",
                    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                    "libvirt_uri": host.uri,
                    "vm_virt_type": host.virt_type,
                }
                for number, host in enumerate(lab_hosts, start=1)
            }
            | {
                # a libvirt host already, whose Python has apt's library
                "machine": {
                    "ansible_connection": "local",
                    "ansible_python_interpreter": "/usr/bin/python3",
                    "hypervisor_uri": lab_hosts[0].uri,
                    "hypervisor_config_dir": str(folder),
                },
                "remote": {
                    "ansible_host": LOOPBACK,
                    "ansible_port": lab_hosts[0].access.ports.ssh,
                    "ansible_user": "root",
                    "ansible_ssh_private_key_file": str(lab_hosts[0].layout.lab.ssh_key),
                    "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab_hosts[0].layout.lab.ssh_known_hosts}",
                    "ansible_python_interpreter": "/usr/bin/python3",
                    "libvirt_uri": lab_hosts[0].uri,
                    "vm_virt_type": lab_hosts[0].virt_type,
                },
            },
        }
    }
    with swept(lab_hosts[0].uri), swept(lab_hosts[1].uri):
        yield Controller(environment, folder, {"LIBVIRT_DEFAULT_URI": lab_hosts[0].uri}, inventory)


@pytest.fixture(scope="module")
def launch(controller: Controller) -> Callable[..., Any]:
    """Run a playbook with a launch's variables."""
    return controller.run
