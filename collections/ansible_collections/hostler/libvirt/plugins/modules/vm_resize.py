#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_resize
short_description: Other sizes for a virtual machine that is there
version_added: 0.1.0
description:
  - Gives a VM, whoever made it, another number of virtual CPUs, more or less memory, a larger root disk. What is left out
    stays as it is.
  - A VM that is off gets it at once. One that runs gets it only with O(live), as far as it can grow while it runs; the rest
    waits for its next boot, and RV(next_boot) says what that is.
  - A change that fails half-way is put back, as far as it can be; the error says what can't.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
options:
  name:
    description: The domain's name. One of O(name) and O(uuid) is needed.
    type: str
  uuid:
    description: The domain's UUID. Where O(name) is given, too, they must be of the same VM.
    type: str
  cpu_cores:
    description: Virtual CPUs, 1 to 512. A VM that runs grows to as many as it was made with room for.
    type: int
  memory_mb:
    description:
      - Memory in MiB, at least 32. A VM that runs grows in steps of 128 MiB to as much as it was made with room for.
    type: int
  disk_gb:
    description: Size of the root disk in GiB, rounded up to a whole MiB. A disk never shrinks.
    type: float
  live:
    description: Whether a VM that runs may be resized; without it that is an error.
    type: bool
    default: false
seealso:
  - module: hostler.libvirt.vm
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: More memory for a VM that is off
  hostler.libvirt.vm_resize:
    name: web-server-01
    memory_mb: 4096

- name: More of everything for one that goes on running
  hostler.libvirt.vm_resize:
    name: database-01
    cpu_cores: 8
    memory_mb: 16384
    disk_gb: 40
    live: true
  register: resized

- name: Say what it gets when it is started again
  ansible.builtin.debug:
    var: resized.next_boot
"""

RETURN = r"""
vm:
  description: The VM as it is after the task, as M(hostler.libvirt.vm) has it; in check mode, as it was before.
  returned: success
  type: dict
  sample:
    name: web-server-01
    status: stopped
    cpu_cores: 2
    memory_mb: 4096
    disk_gb: 20.0
plan:
  description: The steps, in order, each with when it takes effect (V(now), V(next_boot), V(off)).
  returned: success
  type: list
  elements: dict
  sample:
    - title: Set 4096 MiB of memory
      applies: "off"
next_boot:
  description: The options whose value a running VM gets only at its next boot.
  returned: success
  type: list
  elements: str
  sample: []
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: wrong_state
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: disk_gb
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired

SIZE_OPTIONS = dict(
    cpu_cores=dict(type="int"),
    memory_mb=dict(type="int"),
    disk_gb=dict(type="float"),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type="str"),
            uuid=dict(type="str"),
            live=dict(type="bool", default=False),
            **CONNECTION_OPTIONS,
            **SIZE_OPTIONS,
        ),
        required_one_of=[("name", "uuid"), tuple(SIZE_OPTIONS)],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    desired = Desired(
        spec={name: params[name] for name in ("name", *SIZE_OPTIONS)},
        uuid=params["uuid"],
        live=params["live"],
        create=False,
    )
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            outcome = ensure(hypervisor, desired, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
