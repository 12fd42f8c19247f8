# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a run: exactly one host, under a name that no user chose.

Ansible templates the values of an inventory like those of extra variables, and ``ssh`` reads a host that
begins with a dash as an option. So whatever is not a constant of ours has to fit a character set in which
neither can be written.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ADDRESS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252})|[0-9a-fA-F:]{2,39}")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_PATH = re.compile(r"/[A-Za-z0-9/._+@-]+")


@dataclass(frozen=True, slots=True)
class LocalHost:
    """The playbook's modules run on the service's own machine, in the service's own Python."""

    @property
    def inventory_name(self) -> str:
        """The host's name in the inventory, and the value of the extra variable ``hypervisor``."""
        return "localhost"

    def with_credential(self, variables: Mapping[str, str]) -> LocalHost:  # noqa: ARG002 - they are in the environment
        """Answer the same host: the modules there find the credential's ``variables`` themselves."""
        return self

    def variables(self, temp: Path) -> dict[str, object]:
        """Answer the host's variables; ``temp`` is a folder of the job for the files that modules need."""
        if "{" in str(temp):
            raise ValueError(f"the state folder's path can't hold a brace: {temp}")
        return {
            "ansible_connection": "ansible.builtin.local",
            # An explicit localhost would be searched for a Python, and get the system's, which has no
            # libvirt.
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "ansible_remote_tmp": str(temp),
        }


@dataclass(frozen=True, slots=True)
class SshHost:
    """The playbook's modules run on the hypervisor, reached over SSH.

    :raises ValueError: a value does not fit its character set.
    """

    address: str  # a host name, an IPv4 or an IPv6 address
    user: str = "root"
    port: int = 22
    private_key: Path | None = None  # None: the keys of the service's user
    known_hosts: Path | None = None  # None: the known_hosts of the service's user
    python: Path = Path("/usr/bin/python3")  # the hypervisor's Python that has libvirt

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.address):
            raise ValueError(f"{self.address!r} is no host name and no address")
        if not _USER.fullmatch(self.user):
            raise ValueError(f"{self.user!r} is no user name")
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is no port")
        for path in (self.private_key, self.known_hosts, self.python):
            if path is not None and not _PATH.fullmatch(str(path)):
                raise ValueError(f"{str(path)!r} is no absolute path of plain characters")

    @property
    def inventory_name(self) -> str:
        """The host's name in the inventory, and the value of the extra variable ``hypervisor``."""
        return "hypervisor"

    def with_credential(self, variables: Mapping[str, str]) -> SshHost:
        """Answer the same host, reached with the key and the known hosts that ``variables`` name, if they do."""
        if "HOSTLER_SSH_KEY" not in variables:
            return self
        key, known = (Path(variables[name]) for name in ("HOSTLER_SSH_KEY", "HOSTLER_SSH_KNOWN_HOSTS"))
        return dataclasses.replace(self, private_key=key, known_hosts=known)

    def variables(self, temp: Path) -> dict[str, object]:  # noqa: ARG002 - the folder is on another machine
        """Answer the host's variables."""
        options = ["-o BatchMode=yes"]
        if self.known_hosts is not None:
            options += [f"-o UserKnownHostsFile={self.known_hosts}", "-o GlobalKnownHostsFile=/dev/null"]
            options.append("-o StrictHostKeyChecking=yes")
        if self.private_key is not None:
            options.append("-o IdentitiesOnly=yes")
        variables: dict[str, object] = {
            "ansible_connection": "ansible.builtin.ssh",
            "ansible_host": self.address,
            "ansible_user": self.user,
            "ansible_port": self.port,
            "ansible_python_interpreter": str(self.python),
            "ansible_ssh_common_args": " ".join(options),
        }
        if self.private_key is not None:
            variables["ansible_ssh_private_key_file"] = str(self.private_key)
        return variables


def document(host: LocalHost | SshHost, temp: Path) -> dict[str, object]:
    """Answer the inventory as Ansible's YAML inventory plugin reads it (JSON is YAML)."""
    return {"all": {"hosts": {host.inventory_name: host.variables(temp)}}}
