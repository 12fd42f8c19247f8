#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_power
short_description: Switches one virtual machine or many of a libvirt host on, off, or to sleep
version_added: 0.1.0
description:
  - Starts, stops, restarts, pauses or saves VMs, whoever made them, over one connection in one task.
  - A VM that is so already is left alone.
  - All VMs are tried, whatever becomes of the others. If one fails, the task fails, its message names each that did and
    why, and RV(vms) has what became of every one. Guests that are asked for something are waited for together.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
  - hostler.libvirt.selection
attributes:
  check_mode:
    details: That a guest obeys can't be foretold, only that it is there and can hear.
  idempotent:
    support: partial
    details: V(restart) and V(reset) do it each time, by their nature.
options:
  operation:
    description:
      - What is done; one of O(name), O(uuid) and O(pattern) says to which VMs.
      - V(start) powers a VM on. One that is paused is on; one that was saved goes on from there.
      - V(stop) asks the guest to power off and waits until it has.
      - V(force-stop) pulls the plug.
      - V(restart) asks the guest to reboot and waits until it does; V(reset) presses the reset button. A VM that is off
        can't be, which is an error.
      - V(pause) stops the guest where it stands, V(resume) lets it go on. A VM that is off can't be, which is an error.
      - V(save) writes the guest's memory to disk and ends it, V(restore) lets it go on from there, also if it was paused
        when it was saved. A VM that is off and was not saved can't be either, which is an error.
    type: str
    choices: [start, stop, force-stop, restart, reset, pause, resume, save, restore]
    required: true
  timeout:
    description:
      - How many seconds each guest has for V(stop) and V(restart). One that has not obeyed by then runs on, and has failed.
      - It does not count where O(force_after) is given.
    type: int
    default: 60
  force_after:
    description:
      - After how many seconds a guest that has not obeyed is forced; with V(stop) its plug is pulled, with V(restart) its
        power is cut for a moment. Goes with these two only.
      - A guest that can't hear, because it is paused for one, is forced at once.
      - Where it is left out, no guest is forced.
    type: int
  parallel:
    description:
      - How many VMs are started, powered off, saved or restored at the same time, 1 to 64, each over a connection of its own.
      - Guests that are asked to stop or restart are all waited for together.
    type: int
    default: 8
seealso:
  - module: hostler.libvirt.vm
  - module: hostler.libvirt.vm_info
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: Start a VM
  hostler.libvirt.vm_power:
    name: web-server-01
    operation: start

- name: Stop all web servers; whoever does not obey within two minutes is powered off
  hostler.libvirt.vm_power:
    pattern: web-*
    operation: stop
    force_after: 120

- name: Put two VMs aside while the host boots
  hostler.libvirt.vm_power:
    name:
      - database-01
      - database-02
    operation: save
"""

RETURN = r"""
vms:
  description:
    - What became of each VM, those of O(name) first, then those of O(uuid), then those of O(pattern) in the order of their
      names.
  returned: when the host was reached
  type: list
  elements: dict
  contains:
    name:
      description: Its name; none for a UUID that no VM has.
      returned: always
      type: str
    uuid:
      description: Its UUID; none for a name that no VM has.
      returned: always
      type: str
    status:
      description:
        - Its state after the task, as M(hostler.libvirt.vm_info) has it; in check mode that before it.
        - None of a VM that is not there, V(unknown) where the host was lost meanwhile.
      returned: always
      type: str
    changed:
      description: Whether something was done to it, or in check mode would be.
      returned: always
      type: bool
    error:
      description: Why it failed; none where it did not.
      returned: always
      type: str
    code:
      description: The same as a word for programs that stays the same.
      returned: always
      type: str
  sample:
    - name: web-server-01
      uuid: 12345678-1234-1234-1234-123456789012
      status: stopped
      changed: true
      error:
      code:
code:
  description: What went wrong, as a word for programs that stays the same; with the first VM that failed, if several did.
  returned: failure
  type: str
  sample: guest_timeout
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: force_after
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.fleet import switch
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import (
    CONNECTION_OPTIONS,
    SELECTION_OPTIONS,
    host_uri,
    selection_from,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import OPERATIONS, Switching


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            operation=dict(type="str", choices=list(OPERATIONS), required=True),
            timeout=dict(type="int", default=Switching.timeout),
            force_after=dict(type="int"),
            parallel=dict(type="int", default=Switching.parallel),
            **CONNECTION_OPTIONS,
            **SELECTION_OPTIONS,
        ),
        required_one_of=[tuple(SELECTION_OPTIONS)],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    wanted = Switching(**{name: params[name] for name in ("operation", "timeout", "force_after", "parallel")})
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            fleet = switch(hypervisor, selection_from(params), wanted, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    outcome = fleet.as_data()
    if fleet.failed:
        module.fail_json(msg=fleet.failure, code=fleet.failed[0].as_data()["code"], field=None, **outcome)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
