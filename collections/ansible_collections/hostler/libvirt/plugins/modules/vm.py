#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm
short_description: A virtual machine on a libvirt host, as it should be
version_added: 0.1.0
description:
  - Makes a VM, brings an existing one to what is described, switches it on or off, or takes it away.
  - Of an existing VM, whoever made it, only what is named is looked at and changed; all else is left alone.
  - What would change is planned first; check mode and diff show that plan, and a real run carries out the same one.
  - Making a VM is all or nothing. What a failed run made is gone afterwards, or the error says what remains.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
  - hostler.libvirt.machine
attributes:
  check_mode:
    details: That a guest obeys can't be foretold, only that it is there and can hear.
  idempotent:
    support: partial
    details: O(state=restarted) restarts a VM that is on each time, by its nature.
options:
  name:
    description:
      - The domain's name, unique on its host.
      - 1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit.
      - One of O(name), O(uuid), O(xml) and O(vms) is needed; a new VM needs its name, or O(xml), which has it.
    type: str
  uuid:
    description:
      - The UUID that a new VM gets; a random one where it is left out.
      - An existing VM must have it, or the task fails.
    type: str
  record_id:
    description: The number under which a Hostler service knows the new VM; written into the VM's own record.
    type: int
  owner:
    description: Whose VM it is; written into a new VM's own record.
    type: str
  vms:
    description:
      - Many VMs in one task, over one connection; each is described with the options of this module but O(uri).
      - What an entry leaves out is the task's own option, so what they have in common is said once. O(name), O(uuid),
        O(record_id) and O(xml) are each VM's own.
      - All VMs are tried, whatever becomes of the others. If one fails, the task fails, its message names each that did and
        why, and RV(vms) has what became of every one.
      - One after the other is made or changed; the guests of all are waited for together (O(wait_for)).
    type: list
    elements: dict
  state:
    description:
      - All but V(absent) make the VM if it is not there. V(present) leaves the power of one that is there alone.
      - V(running) starts a VM that is off or was saved, and lets a paused one go on.
      - V(stopped) asks the guest to power off and waits until it has; then the VM is given what else is described.
      - V(restarted) starts a VM that is off, and has the guest of one that is on reboot. Where something is described that
        the VM can't be given while it runs, it is stopped, changed and started instead.
      - V(paused) stops the guest where it stands; one that is off is started and stands still at once.
      - V(saved) writes the guest's memory to disk and ends it. A VM that is off can't be, which is an error.
      - V(absent) powers the VM off, undefines it and then deletes its disks (see O(delete_disks)).
    type: str
    choices: [present, running, stopped, restarted, paused, saved, absent]
    default: present
  create:
    description: Whether a VM that is not there is made; with V(false) that is an error.
    type: bool
    default: true
  timeout:
    description:
      - How many seconds a guest has to power off or to reboot, for O(state=stopped) and O(state=restarted), and to let go
        of a device that is taken away from it. One that has not by then runs on, and the task fails.
      - For power it does not count where O(force_after) is given.
    type: int
    default: 60
  force_after:
    description:
      - After how many seconds a guest that has not obeyed is forced. With O(state=stopped) its plug is pulled, with
        O(state=restarted) its power is cut for a moment.
      - A guest that can't hear, because it is paused for one, is forced at once.
      - Where it is left out, no guest is forced.
    type: int
  wait_for:
    description:
      - What is waited for once the VM is as it should be, whether the task changed it or not.
      - V(off) is that it has powered itself off, as an installer does at its end.
      - V(address) is that the host knows an address of the guest. It may be one that the guest had before it was started; that
        it is up is proved by V(agent), that its guest agent is there, and V(port), that it takes connections at O(wait_port)
        from the host on which the task runs.
      - In check mode nothing is waited for.
    type: str
    choices: ["off", address, agent, port]
  wait_port:
    description: The TCP port for O(wait_for=port), 1 to 65535.
    type: int
  wait_timeout:
    description: How many seconds are waited before the task fails; the VM stays as it is then.
    type: int
    default: 300
  live:
    description:
      - Whether a VM that runs may get other sizes, disks and cards; without it that is an error, unless O(state=stopped)
        or O(state=restarted).
      - Virtual CPUs, memory and disk grow while it runs as far as O(max_cpu_cores) and O(max_memory_mb), which it was made
        with, leave room; memory in steps of 128 MiB. Disks and cards are plugged in and out as its buses and its guest
        allow.
      - What can't be done while it runs is written into its definition, and RV(next_boot) says so.
    type: bool
    default: false
  delete_disks:
    description:
      - Whether O(state=absent) deletes the VM's disks.
      - Only its own are ever deleted, never one that is shared, read only, another VM's or another volume's backing file.
    type: bool
    default: true
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: A VM from an image, running
  hostler.libvirt.vm:
    name: web-server-01
    cpu_cores: 2
    memory_mb: 2048
    disk_gb: 20
    image: debian-12.qcow2
    cloud_init:
      ssh_authorized_keys:
        - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q admin
    state: running

- name: A VM that starts only signed systems, with a disk for its data and a card on a network of its own
  hostler.libvirt.vm:
    name: database-01
    cpu_cores: 4
    max_cpu_cores: 16
    memory_mb: 8192
    max_memory_mb: 65536
    disk_gb: 20
    image: debian-12.qcow2
    firmware: uefi
    secure_boot: true
    tpm: true
    disks:
      - size_gb: 60
    nics:
      - type: network
        network_name: storage
        mac_address: "52:54:00:6b:3c:58"

- name: Three web servers of one kind, one of them larger, once they take connections
  hostler.libvirt.vm:
    cpu_cores: 2
    memory_mb: 2048
    disk_gb: 20
    image: debian-12.qcow2
    tags: [web]
    state: running
    wait_for: port
    wait_port: 22
    vms:
      - name: web-1
      - name: web-2
      - name: web-3
        memory_mb: 4096

- name: More memory for it, for which it is stopped
  hostler.libvirt.vm:
    name: web-server-01
    state: stopped
    memory_mb: 4096
    create: false

- name: More of everything for a VM that goes on running
  hostler.libvirt.vm:
    name: database-01
    cpu_cores: 8
    memory_mb: 16384
    disk_gb: 40
    live: true
    create: false

- name: One more disk for its data, a larger first one, and no card but these two
  hostler.libvirt.vm:
    name: database-01
    disks:
      - size_gb: 80
      - size_gb: 20
        bus: scsi
    nics:
      - type: network
        network_name: storage
    nics_exclusive: true
    live: true
    create: false

- name: A shared folder, a watchdog, and a screen that asks for a password
  hostler.libvirt.vm:
    name: web-server-01
    devices:
      - type: virtiofs
        source: /srv/www
        tag: www
      - type: watchdog
        action: reset
    graphics:
      type: vnc
      password: "{{ vnc_password }}"
    tags: [web]
    metadata:
      rack: "12"
    create: false

- name: A VM of one's own XML
  hostler.libvirt.vm:
    xml: "{{ lookup('ansible.builtin.file', 'appliance.xml') }}"
    tags: [appliance]
    state: running

- name: Off with it
  hostler.libvirt.vm:
    name: web-server-01
    state: absent
"""

RETURN = r"""
vm:
  description: The VM as it is after the task; in check mode, as it was before. None where there is none.
  returned: success, without O(vms)
  type: dict
  sample:
    name: web-server-01
    uuid: 12345678-1234-1234-1234-123456789012
    status: running
    cpu_cores: 2
    memory_mb: 2048
    disk_gb: 20.0
    ip_address: 192.168.122.100
plan:
  description: The steps, in order, each with when it takes effect (V(now), V(next_boot), V(off)).
  returned: success, without O(vms)
  type: list
  elements: dict
  sample:
    - title: Set 4096 MiB of memory
      applies: "off"
next_boot:
  description: The options whose value a running VM gets only at its next boot (see O(live)).
  returned: success, without O(vms)
  type: list
  elements: str
  sample: []
deleted_disks:
  description: Paths of the disks that were deleted, or in check mode would be.
  returned: O(state=absent) or O(delete_detached_disks=true), without O(vms)
  type: list
  elements: str
vms:
  description: What became of each VM, in the order of O(vms).
  returned: with O(vms), when the host was reached
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
    changed:
      description: Whether something was done to it, or in check mode would be.
      returned: always
      type: bool
    vm:
      description: As RV(vm).
      returned: always
      type: dict
    plan:
      description: As RV(plan).
      returned: always
      type: list
      elements: dict
    next_boot:
      description: As RV(next_boot).
      returned: always
      type: list
      elements: str
    deleted_disks:
      description: As RV(deleted_disks).
      returned: always
      type: list
      elements: str
    error:
      description: Why it failed; none where it did not.
      returned: always
      type: str
    code:
      description: The same as a word for programs that stays the same.
      returned: always
      type: str
    field:
      description: The option that caused it, where one did.
      returned: always
      type: str
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: name_taken
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: disk_gb
"""

import dataclasses
from typing import Iterator

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.validation import check_type_dict

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, HostlerError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.machine_options import PLACEMENT_OPTIONS, SPEC_OPTIONS
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import STATES, Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wait import WAITS

DESIRED_FIELDS = frozenset(field.name for field in dataclasses.fields(Desired)) - {"spec", "placement"}

# options of one VM; the rest are its host's
VM_OPTIONS = dict(
    name=dict(type="str"),
    uuid=dict(type="str"),
    record_id=dict(type="int"),
    owner=dict(type="str"),
    state=dict(type="str", choices=list(STATES), default="present"),
    create=dict(type="bool", default=True),
    timeout=dict(type="int", default=60),
    force_after=dict(type="int"),
    wait_for=dict(type="str", choices=list(WAITS)),
    wait_port=dict(type="int"),
    wait_timeout=dict(type="int", default=300),
    live=dict(type="bool", default=False),
    delete_disks=dict(type="bool", default=True),
    tags_exclusive=dict(type="bool", default=False),
    metadata_exclusive=dict(type="bool", default=False),
    disks_exclusive=dict(type="bool", default=False),
    nics_exclusive=dict(type="bool", default=False),
    delete_detached_disks=dict(type="bool", default=False),
    devices_exclusive=dict(type="bool", default=False),
    xml=dict(type="str", no_log=True),
    template=dict(type="bool"),
    **SPEC_OPTIONS,
    **PLACEMENT_OPTIONS,
)

# what is one VM's alone, and can't be meant for all of a list
OWN_OPTIONS = ("name", "uuid", "record_id", "xml")

# what an entry of the list leaves out is the task's
ENTRY_OPTIONS = {
    name: {key: value for key, value in option.items() if key != "default"} for name, option in VM_OPTIONS.items()
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(vms=dict(type="list", elements="dict"), **CONNECTION_OPTIONS, **VM_OPTIONS),
        required_one_of=[("name", "uuid", "xml", "vms")],
        mutually_exclusive=[("vms", name) for name in OWN_OPTIONS],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    try:
        if params["vms"] is None:
            desired = desired_from(params)
            with Hypervisor.open(host_uri(params)) as hypervisor:
                module.exit_json(**ensure(hypervisor, desired, check=module.check_mode))
        # here, as few need it: each task of a module compiles anew what it imports
        from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_each import ensure_each

        wanted = [desired_from({**params, **given}) for given in entries(module)]
        with Hypervisor.open(host_uri(params)) as hypervisor:
            outcome = ensure_each(hypervisor, wanted, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    answer = outcome.as_data()
    if outcome.failed:
        first = outcome.failed[0].as_data()
        module.fail_json(msg=outcome.failure, code=first["code"], field=first["field"], **answer)
    module.exit_json(**answer)


def desired_from(params: dict) -> Desired:
    return Desired(
        spec={name: params[name] for name in ("name", *SPEC_OPTIONS)},
        placement=Placement(**{name: params[name] for name in PLACEMENT_OPTIONS}),
        **{name: params[name] for name in VM_OPTIONS if name in DESIRED_FIELDS},
    )


def entries(module: AnsibleModule) -> list:
    """What each entry of the list gives, in the options' types."""
    given = module.params["vms"]
    module.no_log_values.update(secret for entry in given for secret in secrets_of(entry))
    errors = []
    found = []
    for index, entry in enumerate(given):
        checked = ArgumentSpecValidator(ENTRY_OPTIONS, required_one_of=[("name", "uuid", "xml")]).validate(entry)
        errors += (FieldError(f"vms.{index}", message) for message in checked.error_messages)
        found.append({name: value for name, value in checked.validated_parameters.items() if value is not None})
    if errors:
        raise InvalidSpec(errors)
    return found


def secrets_of(entry: dict) -> list:
    """What Ansible would hide by itself if it were an option of the task: also where a mapping is given as a text."""
    found = list(texts_in(entry.get("xml")))
    for name, option in SPEC_OPTIONS.items():
        secret = [part for part, one in option.get("options", {}).items() if one.get("no_log")]
        given = entry.get(name)
        if not secret or given is None:
            continue
        try:
            parts = check_type_dict(given)
        except TypeError:
            found += texts_in(given)  # it will be refused, and nobody knows what of it is the secret
            continue
        found += (text for part in secret for text in texts_in(parts.get(part)))
    return found


def texts_in(value: object) -> Iterator[str]:
    """Each text and number in plain data, as a text."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from texts_in(one)
    elif value is not None and not isinstance(value, bool) and str(value):
        yield str(value)


if __name__ == "__main__":
    main()
