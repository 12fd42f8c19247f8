#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: guest_exec
short_description: Runs a program in a guest, over its agent
version_added: 0.1.0
description:
  - Runs a program in the guest of a VM, as the guest agent's user (root, as a rule), and waits for its end. It needs no
    network and no login, only C(qemu-guest-agent) in the guest.
  - The task fails if the program ends with another exit code than 0; what it printed is told all the same.
  - Some systems forbid it (C(guest-exec) in the agent's C(block-rpcs)); that is an error of its own.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
attributes:
  check_mode:
    support: partial
    details: The program is not run, and a change foretold, unless O(creates) or O(removes) says that it would not run.
  diff_mode:
    support: none
    details: What a program does can't be seen.
  idempotent:
    support: none
    details: The program runs each time, unless O(creates) or O(removes) says that it need not.
options:
  name:
    description: The domain's name. One of O(name) and O(uuid) is needed.
    type: str
  uuid:
    description: The domain's UUID. Where O(name) is given, too, they must be of the same VM.
    type: str
  argv:
    description:
      - The program and its arguments; no shell looks into them. A program without a path is searched.
      - One of O(argv) and O(shell) is needed.
    type: list
    elements: str
  shell:
    description: A line for the guest's C(/bin/sh), or C(cmd.exe) of Windows.
    type: str
  stdin:
    description: What the program reads from its standard input, 64 KiB at most.
    type: str
  env:
    description:
      - Variables of the program's environment. Where there are any it has these and C(PATH), else what the agent has.
    type: dict
  creates:
    description: A file of the guest, by its full path; where it is there the program need not run.
    type: str
  removes:
    description: A file of the guest, by its full path; where it is not there the program need not run.
    type: str
  timeout:
    description:
      - How many seconds the program may take. One that takes longer runs on, as the agent can't end it, and the task fails.
    type: int
    default: 60
seealso:
  - module: hostler.libvirt.guest_file
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: See how long the guest is up
  hostler.libvirt.guest_exec:
    name: web-server-01
    argv: [uptime, -s]
  register: up
  changed_when: false

- name: Have it write down when it was handed over, once
  hostler.libvirt.guest_exec:
    name: web-server-01
    shell: date >/etc/handed-over
    creates: /etc/handed-over
"""

RETURN = r"""
rc:
  description: The program's exit code; of one that a signal ended, 128 and the signal's number.
  returned: when it ran and ended
  type: int
  sample: 0
stdout:
  description: What it printed, at most 1 MiB. What is no UTF-8 is replaced.
  returned: when it ran and ended
  type: str
  sample: "2024-05-06 07:08:09"
stderr:
  description: What it printed to its standard error, at most 1 MiB.
  returned: when it ran and ended
  type: str
  sample: ""
truncated:
  description: Whether it printed more.
  returned: when it ran and ended
  type: bool
  sample: false
skip_reason:
  description: Why the program was not run; none where it was.
  returned: success
  type: str
  sample: /etc/ssh/renewed is there
code:
  description: What went wrong, as a word for programs that stays the same; V(exit_code) if the program failed.
  returned: failure
  type: str
  sample: agent_unavailable
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: stdin
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_exec import (
    Command,
    execute,
    shell_line,
    validate_command,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_file import is_there
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import require_one
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri, one_from


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type="str"),
            uuid=dict(type="str"),
            argv=dict(type="list", elements="str"),
            shell=dict(type="str"),
            stdin=dict(type="str"),
            env=dict(type="dict"),
            creates=dict(type="str"),
            removes=dict(type="str"),
            timeout=dict(type="int", default=60),
            **CONNECTION_OPTIONS,
        ),
        required_one_of=[("name", "uuid"), ("argv", "shell")],
        mutually_exclusive=[("argv", "shell")],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            domain = require_one(hypervisor, one_from(params))
            argv = shell_line(domain, params["shell"]) if params["argv"] is None else params["argv"]
            command = validate_command(
                Command(
                    argv=tuple(argv),
                    stdin=(params["stdin"] or "").encode(),
                    env={name: str(value) for name, value in (params["env"] or {}).items()},
                    timeout=params["timeout"],
                )
            )
            if params["creates"] and is_there(domain, params["creates"]):
                module.exit_json(changed=False, skip_reason=f"{params['creates']} is there")
            if params["removes"] and not is_there(domain, params["removes"]):
                module.exit_json(changed=False, skip_reason=f"{params['removes']} is not there")
            if module.check_mode:
                module.exit_json(changed=True, skip_reason="check mode")
            ended = execute(domain, command)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    outcome = dict(
        changed=True,
        rc=ended.exit_code,
        stdout=ended.stdout.decode(errors="replace"),
        stderr=ended.stderr.decode(errors="replace"),
        truncated=ended.truncated,
    )
    if ended.exit_code != 0:
        msg = f"The program ended with exit code {ended.exit_code}"
        module.fail_json(msg=msg, code="exit_code", field=None, **outcome)
    module.exit_json(skip_reason=None, **outcome)


if __name__ == "__main__":
    main()
