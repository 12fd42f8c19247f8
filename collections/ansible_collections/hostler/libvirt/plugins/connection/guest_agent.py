# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: guest_agent
short_description: Runs tasks in the guest of a VM, over its agent
version_added: 0.1.0
description:
  - Runs tasks in the guest of a VM by way of its libvirt host and C(qemu-guest-agent) in the guest. Neither needs the guest
    a network, nor Ansible a login there.
  - Everything runs as the agent's user, which is root as a rule. C(ansible_user) is not used.
  - For guests with a POSIX shell, C(find), C(sha256sum) and a folder C(/run). Modules need a Python there, as they do anywhere.
  - C(become) works with everything that asks for no password, as nothing does when root becomes another user. There is no
    terminal, so a C(sudo) with C(requiretty) and a C(su) that asks for a password fail at once.
  - Some systems forbid what this needs (C(guest-exec) and C(guest-file-*), in the agent's C(block-rpcs) or C(allow-rpcs));
    the host is unreachable then, and the message says so.
requirements:
  - libvirt-python
options:
  uri:
    description:
      - The libvirt connection URI of the VM's host, from where Ansible runs.
      - Where it is left out or empty, the environment variable E(LIBVIRT_DEFAULT_URI) of the machine that Ansible runs on
        counts; where that is empty too, libvirt's own default.
      - P(hostler.libvirt.vms#inventory) sets C(hostler_uri).
    type: str
    env:
      - name: LIBVIRT_DEFAULT_URI
    vars:
      - name: hostler_uri
      - name: ansible_libvirt_uri
  vm:
    description:
      - The VM, by UUID or by name. Of several that are set the last counts; where a host has an address in C(ansible_host)
        and no UUID, C(ansible_libvirt_vm) has to name the VM.
      - P(hostler.libvirt.vms#inventory) sets C(hostler_uuid).
    type: str
    required: true
    vars:
      - name: inventory_hostname
      - name: ansible_host # of a task that is delegated to the VM, this is the VM's name
      - name: hostler_uuid
      - name: ansible_libvirt_vm
  executable:
    description: The guest's shell that runs the lines which Ansible makes.
    type: str
    default: /bin/sh
    vars:
      - name: ansible_libvirt_executable
  timeout:
    description: How many seconds the libvirt host may take to answer when it is first asked.
    type: int
    default: 15
    vars:
      - name: ansible_libvirt_timeout
  agent_timeout:
    description:
      - How many seconds the agent may take for each answer. What runs in the guest may take longer.
      - A guest that is busy answers late.
    type: int
    default: 30
    vars:
      - name: ansible_libvirt_agent_timeout
  command_timeout:
    description:
      - How many seconds what is run in the guest may take, V(0) for as long as it does. One that takes longer runs on, as
        the agent can't end it, and the host is unreachable.
    type: int
    default: 0
    vars:
      - name: ansible_libvirt_command_timeout
  pipelining:
    description:
      - Whether modules are run without being written into files of the guest first, which is several times as fast. What
        does not go with it (C(su), C(async)) does without it by itself.
    type: bool
    default: true
    env:
      - name: ANSIBLE_PIPELINING
    ini:
      - section: defaults
        key: pipelining
      - section: connection
        key: pipelining
    vars:
      - name: ansible_pipelining
notes:
  - A file arrives whole or not at all, compared by its checksum; it is a new file with the mode of such.
  - What does not go into one message lies for a moment in C(/run/hostler-agent) of the guest, where only root looks.
seealso:
  - plugin: hostler.libvirt.vms
    plugin_type: inventory
  - module: hostler.libvirt.guest_exec
  - module: hostler.libvirt.guest_file
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: Configure a VM that has no network yet
  hosts: web-server-01
  connection: hostler.libvirt.guest_agent
  vars:
    hostler_uri: qemu+ssh://root@kvm1.example.com/system
  tasks:
    - name: Have it say who it is
      ansible.builtin.copy:
        content: This is {{ inventory_hostname }}.
        dest: /etc/motd
        mode: "0644"
"""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Optional, Tuple

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.connection import ConnectionBase, ensure_connect

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_shell import ShellLine, run_line
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_transfer import (
    pieces_from,
    receive_file,
    send_file,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import require_one
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine, plain_uuid


class Connection(ConnectionBase):
    """Tasks in a guest, over its agent. Its connection to libvirt is the worker's own, and lasts as long as its task."""

    transport = "hostler.libvirt.guest_agent"
    has_pipelining = True
    has_tty = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hypervisor: Optional[Hypervisor] = None
        self._domain: Optional[Domain] = None

    def _connect(self) -> Connection:
        if self._connected:
            return self
        if LIBVIRT_IMPORT_ERROR is not None:
            raise AnsibleError("The Python that runs Ansible lacks libvirt-python")
        for option in ("timeout", "agent_timeout"):
            if self.get_option(option) < 1:
                raise AnsibleError(f"{option}: must be at least 1")
        with self._failures():
            self._hypervisor = Hypervisor.open(self.get_option("uri") or None, self.get_option("timeout"))
            self._domain = require_one(self._hypervisor, self._which())
        self._connected = True
        return self

    def _which(self) -> OneMachine:
        vm = self.get_option("vm")
        # written as libvirt does: a name of so many hexadecimal digits is still a name
        return OneMachine(uuid=vm.lower()) if plain_uuid(vm) == vm.lower() else OneMachine(name=vm)

    @ensure_connect
    def exec_command(
        self, cmd: str, in_data: Optional[bytes] = None, sudoable: bool = True
    ) -> Tuple[int, bytes, bytes]:
        """Run a line in the guest; its exit code and outputs. Raises AnsibleConnectionFailure."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        wanted = ShellLine(
            line=to_text(cmd),
            stdin=in_data or b"",
            shell=self.get_option("executable"),
            timeout=self.get_option("command_timeout"),
            patience=self.get_option("agent_timeout"),
        )
        with self._failures():
            ended = run_line(self._domain, wanted)
        return ended.exit_code, ended.stdout, ended.stderr

    @ensure_connect
    def put_file(self, in_path: str, out_path: str) -> None:
        """Bring a file into the guest, whole or not at all. Raises AnsibleError."""
        super().put_file(in_path, out_path)
        file = Path(to_text(in_path))
        if not file.is_file():
            raise AnsibleFileNotFound(f"There is no file {to_text(in_path)} to be brought into the guest")
        with self._failures(), file.open("rb") as source:
            send_file(self._domain, pieces_from(source), to_text(out_path))

    @ensure_connect
    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Bring a file out of the guest, whole or not at all. Raises AnsibleError."""
        super().fetch_file(in_path, out_path)
        beside = Path(f"{to_text(out_path)}.{os.getpid()}.part")
        try:
            with self._failures(), beside.open("wb") as target:
                for piece in receive_file(self._domain, to_text(in_path)):
                    target.write(piece)
            beside.replace(to_text(out_path))
        finally:
            beside.unlink(missing_ok=True)

    def close(self) -> None:
        """End the connection to libvirt."""
        if self._hypervisor is not None:
            self._hypervisor.close()
        self._hypervisor = self._domain = None
        self._connected = False

    def reset(self) -> None:
        """Begin anew, with the next task: the guest may be another boot of itself."""
        self.close()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except Unsupported as error:
            message = f"{error.message} (the guest's agent has block-rpcs or allow-rpcs for this)"
            raise AnsibleConnectionFailure(message) from None
        except HostlerError as error:
            raise AnsibleConnectionFailure(error.message) from None  # Ansible would tell all three messages
