#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_cdrom
short_description: A CD-ROM drive of a virtual machine, and what is in it
version_added: 0.1.0
description:
  - Inserts a medium into a CD-ROM drive of a VM, whoever made that, changes or ejects it, makes a drive or takes it away, while
    the VM is off or runs.
  - What would change is planned first; check mode and diff show that plan, and a real run carries out the same one.
  - A medium is never deleted.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
  - hostler.libvirt.devices
options:
  state:
    description:
      - V(present) sees that there is a drive, and that it holds O(path) or O(volume); where both are left out, what is in it stays.
      - V(ejected) takes out what is in it; where there is no drive, there is nothing to do.
      - V(absent) takes the drive away, with what is in it. From a VM that runs it is unplugged, for which its guest has
        O(timeout) seconds.
    type: str
    choices: [present, ejected, absent]
    default: present
  target:
    description:
      - Which drive of the VM it is, by its name in the VM's definition, such as V(sda).
      - Where it is left out, it is the only one but that of the VM's cloud-init seed, which is left alone unless it is named. If there
        is none, V(present) makes one, at the first name that is free.
    type: str
  path:
    description: The medium, a plain absolute path of a file or block device on the host.
    type: str
  volume:
    description: The medium, a volume of O(pool).
    type: str
  pool:
    description: The storage pool of the medium.
    type: str
    default: default
  bus:
    description:
      - How a new drive is attached. Where it is left out, V(scsi), as kernels for clouds see no V(sata) drive; V(sata) for a VM that
        has such disks and no SCSI controller.
      - A V(scsi) drive is plugged in while the VM runs if it holds a medium. An empty one, and one on V(sata), waits for the next
        boot.
    type: str
    choices: [scsi, sata]
  force:
    description: Whether the tray is opened if the guest has locked it; without it that is an error.
    type: bool
    default: false
  timeout:
    description: How many seconds the guest has to let go of the drive, for O(state=absent).
    type: int
    default: 60
notes:
  - libvirt 9.0 can't open the tray of a drive that was plugged in while the VM ran. That is an error that says so;
    O(state=absent) takes such a drive away, and after the next boot it is like any other.
seealso:
  - module: hostler.libvirt.vm_disk
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: Insert an ISO
  hostler.libvirt.vm_cdrom:
    name: web-server-01
    volume: debian-12-netinst.iso
    pool: isos
    live: true

- name: Eject it, whatever the guest says
  hostler.libvirt.vm_cdrom:
    name: web-server-01
    state: ejected
    force: true
    live: true

- name: Take away the drive of the cloud-init seed, which has been read
  hostler.libvirt.vm_cdrom:
    name: web-server-01
    target: sda
    state: absent
    live: true
"""

RETURN = r"""
cdrom:
  description: The drive as it is after the task; in check mode, as it was before. None where there is none.
  returned: success
  type: dict
  contains:
    target:
      description: Its name in the VM's definition.
      returned: always
      type: str
    bus:
      description: How it is attached.
      returned: always
      type: str
    medium:
      description: The path of what is in it now, or in a VM that is off, when it starts; none where it is empty.
      returned: always
      type: str
    defined:
      description: Whether the VM starts with it.
      returned: always
      type: bool
    running:
      description: Whether the VM runs and has it.
      returned: always
      type: bool
  sample:
    target: sdb
    bus: scsi
    medium: /var/lib/libvirt/isos/debian-12-netinst.iso
    defined: true
    running: true
plan:
  description: The steps, in order, each with when it takes effect (V(now), V(next_boot)).
  returned: success
  type: list
  elements: dict
  sample:
    - title: Take the medium out of drive sdb
      applies: now
next_boot:
  description: The options whose value a running VM gets only at its next boot; O(state) for a drive that comes or goes then.
  returned: success
  type: list
  elements: str
  sample: []
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: guest_timeout
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: force
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_cdrom import ensure_cdrom
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import (
    CONNECTION_OPTIONS,
    DEVICE_OPTIONS,
    host_uri,
    one_from,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.cdrom import BUSES, STATES, WantedCdrom

# named as in the core's WantedCdrom
CDROM_OPTIONS = dict(
    state=dict(type="str", choices=list(STATES), default="present"),
    target=dict(type="str"),
    path=dict(type="str"),
    volume=dict(type="str"),
    pool=dict(type="str", default="default"),
    bus=dict(type="str", choices=list(BUSES)),
    force=dict(type="bool", default=False),
    timeout=dict(type="int", default=60),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(**CONNECTION_OPTIONS, **DEVICE_OPTIONS, **CDROM_OPTIONS),
        required_one_of=[("name", "uuid")],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    wanted = WantedCdrom(**{option: params[option] for option in CDROM_OPTIONS}, live=params["live"])
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            outcome = ensure_cdrom(hypervisor, one_from(params), wanted, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
