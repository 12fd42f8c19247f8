#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: volume
short_description: A volume of a storage pool on a libvirt host, as it should be
version_added: 0.1.0
description:
  - Makes a volume, blank, or as a copy or an overlay of another one; grows and shrinks it; wipes and deletes it.
  - A volume that a VM has, or that another volume is built on, is never deleted, whoever made it.
  - The further disk of a VM is better made by M(hostler.libvirt.vm_disk), which attaches it, too, and a base image brought by
    M(hostler.libvirt.image).
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
options:
  name:
    description: The volume's name.
    type: str
    required: true
  pool:
    description: Its storage pool, which has to be active.
    type: str
    default: default
  state:
    description:
      - V(present) makes it unless it is there; what is there keeps its content.
      - V(absent) deletes it. One that a VM has, running or not, or that another volume is built on, is an error that says which.
    type: str
    choices: [present, absent]
    default: present
  size_gb:
    description:
      - Its virtual size in GiB, rounded up to a whole MiB. A blank one needs it; one that has O(source) is as large as that
        where it is left out, and can't be smaller.
      - One that is there grows to it. A smaller size is an error unless O(allow_shrink).
      - What a running VM has is not touched; M(hostler.libvirt.vm_disk) grows its disk.
    type: float
  format:
    description:
      - Its format. A new one in a pool of files (dir, fs, netfs) is V(qcow2) where it is left out. In other pools
        there is only V(raw).
      - The format of a volume that is there can't be changed.
    type: str
    choices: [qcow2, raw]
  source:
    description:
      - The volume that a new one is made of. One that a running VM may write to is refused, since it changes meanwhile.
      - Counts for nothing where the volume is there already.
    type: str
  source_pool:
    description: The storage pool of O(source); O(pool) where it is left out.
    type: str
  source_mode:
    description:
      - V(copy) makes a new one independent of its source.
      - V(backing) makes it an overlay, which is quicker and smaller, and needs the source for as long as it lives. Goes with
        V(qcow2), and with a source that no VM may write to.
    type: str
    choices: [copy, backing]
    default: copy
  trust_source:
    description:
      - Whether a qcow2 that names other files, a backing file or a data file, may be the source.
      - A guest that has a raw disk can write the header of such a qcow2 into it, and would by that get to read any file of the host.
        Set it only for what you know to be an overlay.
    type: bool
    default: false
  preallocation:
    description:
      - What is set aside at once for a new one without O(source).
      - V(none) lets it grow as it is written to. V(metadata) makes the tables of a V(qcow2), which then is quicker. V(full) takes all
        of its space.
    type: str
    choices: [none, metadata, full]
    default: none
  allow_shrink:
    description:
      - Whether it may become smaller. B(What lies behind the new end is lost), and libvirt does not look whether that is anything.
      - Libvirt refuses a size that is less than what a volume takes of its pool.
    type: bool
    default: false
  wipe:
    description:
      - Whether zeros are written over what it holds before O(state=absent) deletes it. It takes as long as there is of it.
      - What a file system or an SSD keeps of what was there is out of reach.
    type: bool
    default: false
  timeout:
    description:
      - How many seconds each step may take. What takes longer is given up, and the error says that libvirt may still be at it.
    type: float
    default: 600
seealso:
  - module: hostler.libvirt.volume_info
  - module: hostler.libvirt.vm_disk
  - module: hostler.libvirt.image
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: A blank volume
  hostler.libvirt.volume:
    name: scratch.qcow2
    size_gb: 10

- name: The same, larger
  hostler.libvirt.volume:
    name: scratch.qcow2
    size_gb: 20

- name: An overlay of a base image
  hostler.libvirt.volume:
    name: web.qcow2
    source: debian-12.qcow2
    source_mode: backing
    size_gb: 20

- name: A raw volume that can't run out of space
  hostler.libvirt.volume:
    name: journal.raw
    format: raw
    size_gb: 0.25
    preallocation: full

- name: Off with one that held secrets
  hostler.libvirt.volume:
    name: journal.raw
    state: absent
    wipe: true
"""

RETURN = r"""
volume:
  description:
    - The volume as it is after the task; in check mode, as it was before. None where there is none.
    - M(hostler.libvirt.volume_info) describes what it has.
  returned: success
  type: dict
  sample:
    name: scratch.qcow2
    pool: default
    path: /var/lib/libvirt/images/scratch.qcow2
    type: file
    format: qcow2
    size_gb: 10.0
    capacity: 10737418240
    allocation: 200704
    backing_path:
    vms: []
    overlays: []
plan:
  description: The steps, in order, each with when it takes effect (V(now)).
  returned: success
  type: list
  elements: dict
  sample:
    - title: Make volume 'scratch.qcow2' in storage pool 'default'
      applies: now
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: wrong_state
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: size_gb
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_volume import ensure_volume
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_volume import (
    FORMATS,
    PREALLOCATIONS,
    SOURCE_MODES,
    STATES,
    WantedVolume,
)

# named as in the core's WantedVolume
VOLUME_OPTIONS = dict(
    name=dict(type="str", required=True),
    pool=dict(type="str", default="default"),
    state=dict(type="str", choices=list(STATES), default="present"),
    size_gb=dict(type="float"),
    format=dict(type="str", choices=list(FORMATS)),
    source=dict(type="str"),
    source_pool=dict(type="str"),
    source_mode=dict(type="str", choices=list(SOURCE_MODES), default="copy"),
    trust_source=dict(type="bool", default=False),
    preallocation=dict(type="str", choices=list(PREALLOCATIONS), default="none"),
    allow_shrink=dict(type="bool", default=False),
    wipe=dict(type="bool", default=False),
    timeout=dict(type="float", default=600),
)


def main() -> None:
    module = AnsibleModule(argument_spec=dict(**CONNECTION_OPTIONS, **VOLUME_OPTIONS), supports_check_mode=True)
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    wanted = WantedVolume(**{name: params[name] for name in VOLUME_OPTIONS})
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            outcome = ensure_volume(hypervisor, wanted, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
