# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX asks before it runs each of the playbooks that people run.

What a question's answer may be follows from the option behind it (`Question`); here stand only which options are asked
for, in which order and under which label. Where a playbook takes more than it is asked for, what is missing here is for
those who write YAML: further disks and cards as lists, devices, what the service says of itself.

No libvirt URI is asked for: it is code (``qemu+ssh://…?command=…`` runs a program where Ansible runs), and who may
launch a job need not be someone who may run programs there. It comes from the credential, or from the inventory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from awx.question import Question

_NAME = Question("vm_name", "VM", "vm.name", says="The name of the VM.", required=True)
_NEW_NAME = Question("vm_name", "Name", "vm.name")
_NAMES = Question(
    "vm_name",
    "VM",
    "vm_power.name",
    says="The name of the VM, or the names of several, separated by commas.",
    required=True,
)
_WHERE = Question(
    "hypervisor",
    "Libvirt host",
    says="The host of the inventory on which it runs. Empty: where Ansible does, with the credential's URI.",
)
_TIMEOUT = Question("vm_timeout", "Time to obey", "vm_power.timeout")
_FORCE_AFTER = Question("vm_force_after", "Force after", "vm_power.force_after")
_KEYS = Question(
    "vm_ssh_authorized_keys",
    "SSH public keys",
    "vm.cloud_init.ssh_authorized_keys",
    says="Public keys that may log in as the image's default user, one on a line.",
    lines=True,
)
_HOSTNAME = Question("vm_hostname", "Host name", "vm.cloud_init.hostname")
_USER_DATA = Question(
    "vm_user_data",
    "cloud-init user data",
    "vm.cloud_init.user_data",
    says="cloud-init user data, passed on as it is. Whoever may see the job sees it: no place for passwords.",
    lines=True,
)

_WAITING = (
    Question(
        "vm_wait_for",
        "Wait for",
        "vm_clone.wait_for",
        says="What is waited for once it runs, nothing by default; goes with starting it.",
    ),
    Question(
        "vm_wait_port", "Port to wait for", "vm_clone.wait_port", says="The TCP port, where a port is waited for."
    ),
    Question(
        "vm_wait_timeout", "Time to wait", "vm_clone.wait_timeout", says="After how long the job fails; the VM stays."
    ),
)

# where a workflow tells a step of its VM, nobody has to say which
_THE_VM = Question(
    "vm_name", "VM", "vm.name", says="The name of the VM; that of the step before, if empty.", required=False
)

_CONNECTION = Question(
    "vm_connection",
    "Reached by",
    "inventory:vms.connection",
    says="How the VM is reached: by SSH at its address, or by its guest agent, without a network.",
)

SURVEYS: dict[str, tuple[Question, ...]] = {
    "vm_create": (
        _NEW_NAME,
        Question("vm_cpu_cores", "CPU cores", "vm.cpu_cores"),
        Question("vm_memory_mb", "Memory", "vm.memory_mb"),
        Question("vm_disk_gb", "Root disk", "vm.disk_gb"),
        Question("vm_image", "Base image", "vm.image"),
        Question("vm_image_mode", "How the disk is made of the image", "vm.image_mode"),
        Question("vm_os_type", "Operating system", "vm.os_type"),
        Question("vm_os_version", "Its version", "vm.os_version"),
        Question("vm_firmware", "Firmware", "vm.firmware"),
        Question("vm_secure_boot", "Secure boot", "vm.secure_boot"),
        Question("vm_tpm", "TPM", "vm.tpm"),
        Question("vm_network_type", "Network", "vm.network_config.type"),
        Question("vm_bridge_name", "Bridge", "vm.network_config.bridge_name"),
        Question("vm_network_name", "Libvirt network", "vm.network_config.network_name"),
        Question("vm_mac_address", "MAC address", "vm.network_config.mac_address"),
        _KEYS,
        _HOSTNAME,
        _USER_DATA,
        Question("vm_description", "Description", "vm.description"),
        Question("vm_tags", "Tags", "vm.tags"),
        Question("vm_owner", "Owner", "vm.owner"),
        Question("vm_pool", "Storage pool", "vm.pool"),
        Question("vm_image_pool", "Storage pool of images", "vm.image_pool"),
        Question("vm_autostart", "Start with its host", "vm.autostart"),
        Question("vm_protected", "Protected", "vm.protected"),
        Question("vm_start", "Start it", says="Whether it is started.", choices=("true", "false"), default="false"),
        *_WAITING,
        _WHERE,
    ),
    "vm_start": (_NAMES, _WHERE),
    "vm_stop": (_NAMES, _TIMEOUT, _FORCE_AFTER, _WHERE),
    "vm_force_stop": (_NAMES, _WHERE),
    "vm_restart": (_NAMES, _TIMEOUT, _FORCE_AFTER, _WHERE),
    "vm_reset": (_NAMES, _WHERE),
    "vm_pause": (_NAMES, _WHERE),
    "vm_resume": (_NAMES, _WHERE),
    "vm_resize": (
        _NAME,
        Question("vm_cpu_cores", "CPU cores", "vm_resize.cpu_cores"),
        Question("vm_memory_mb", "Memory", "vm_resize.memory_mb"),
        Question("vm_disk_gb", "Root disk", "vm_resize.disk_gb"),
        Question("vm_live", "While it runs", "vm_resize.live"),
        _WHERE,
    ),
    "vm_delete": (
        _NAME,
        Question(
            "vm_delete_disks",
            "Delete its disks",
            "vm.delete_disks",
            says="Whether the disks that are its own are deleted.",
        ),
        _WHERE,
    ),
    "vm_clone": (
        _NEW_NAME,
        Question("vm_source", "Source", "vm_clone.source", required=True),
        Question("vm_snapshot", "Snapshot", "vm_clone.snapshot"),
        Question(
            "vm_mode",
            "Full or linked",
            "vm_clone.mode",
            says="full copies the disks; linked builds upon those of a template, or of the snapshot.",
        ),
        Question("vm_pool", "Storage pool", "vm_clone.pool"),
        Question("vm_mac_addresses", "MAC addresses", "vm_clone.mac_addresses"),
        _KEYS,
        _HOSTNAME,
        _USER_DATA,
        Question("vm_description", "Description", "vm_clone.description"),
        Question("vm_tags", "Tags", "vm_clone.tags"),
        Question("vm_owner", "Owner", "vm_clone.owner"),
        Question("vm_start", "Start it", says="Whether it is started.", choices=("true", "false"), default="false"),
        *_WAITING,
        _WHERE,
    ),
    "vm_snapshot": (
        _NAME,
        Question("vm_snapshot", "Snapshot", "vm_snapshot.snapshot"),
        Question(
            "vm_snapshot_state",
            "What is done",
            "vm_snapshot.state",
            says="Whether it is taken (present) or removed (absent).",
            choices=("present", "absent"),
        ),
        Question("vm_snapshot_description", "Description", "vm_snapshot.description"),
        Question("vm_snapshot_memory", "With memory", "vm_snapshot.memory"),
        Question("vm_snapshot_external", "Beside the disks", "vm_snapshot.external"),
        Question("vm_snapshot_quiesce", "Quiesced", "vm_snapshot.quiesce"),
        Question("vm_snapshot_series", "Series", "vm_snapshot.series"),
        Question("vm_snapshot_keep", "Keep of the series", "vm_snapshot.keep"),
        Question("vm_snapshot_children", "Remove its children, too", "vm_snapshot.children"),
        Question("vm_snapshot_timeout", "Time for each step", "vm_snapshot.timeout"),
        _WHERE,
    ),
    "vm_revert": (
        _NAME,
        Question("vm_snapshot", "Snapshot", "vm_snapshot.snapshot", says="The name of the snapshot.", required=True),
        Question("vm_snapshot_power", "Power after it", "vm_snapshot.power"),
        Question("vm_snapshot_force", "Force", "vm_snapshot.force"),
        Question("vm_snapshot_timeout", "Time for each step", "vm_snapshot.timeout"),
        _WHERE,
    ),
    "vm_migrate": (
        _NAME,
        Question(
            "vm_migrate_destination",
            "Destination",
            says="The host of the inventory to which it goes. Its variable libvirt_uri is needed.",
            required=True,
        ),
        Question("vm_migrate_storage", "Storage", "vm_migrate.storage"),
        Question("vm_migrate_unsafe", "Storage is shared, whatever it looks like", "vm_migrate.unsafe"),
        Question("vm_migrate_delete_source_disks", "Delete what was copied", "vm_migrate.delete_source_disks"),
        Question("vm_migrate_bandwidth_mb", "Bandwidth a second", "vm_migrate.bandwidth_mb"),
        Question("vm_migrate_max_downtime_ms", "Longest standstill", "vm_migrate.max_downtime_ms"),
        Question("vm_migrate_auto_converge", "Slow the guest down if need be", "vm_migrate.auto_converge"),
        Question("vm_migrate_timeout", "Time to send it", "vm_migrate.timeout"),
        Question("vm_migrate_on_timeout", "After that", "vm_migrate.on_timeout"),
        _WHERE,
    ),
    "vm_wait": (
        _THE_VM,
        Question(
            "vm_wait_for",
            "Wait for",
            "vm_clone.wait_for",
            says="An address that the host knows, the guest's agent, or an open port.",
            default="address",
        ),
        *_WAITING[1:],
        _WHERE,
    ),
    "vm_configure": (_THE_VM, _CONNECTION, _WAITING[2], _WHERE),
    "vm_report": (_THE_VM, _WHERE),
    "host_prepare": (
        Question("hypervisor", "Machine", says="The host of the inventory that becomes a libvirt host.", required=True),
        Question("hypervisor_daemons", "Daemons", "role:hypervisor.hypervisor_daemons"),
        Question("host_users", "Users who manage VMs", "role:hypervisor.hypervisor_users"),
        Question("host_packages", "Further packages", "role:hypervisor.hypervisor_extra_packages"),
        Question(
            "host_prepare_service",
            "With the Hostler service",
            says="Whether the Hostler service is installed there, too.",
            choices=("true", "false"),
            default="false",
        ),
        Question("service_package", "Its package", "role:service.service_package", required=False),
        Question("service_database_url", "Its database", "role:service.service_database_url", secret=True),
        Question("service_admin_password", "Password", "role:service.service_admin_password", secret=True),
    ),
}


def surveys(repo: Path) -> dict[str, dict[str, Any]]:
    """The survey of each playbook, by its name, as AWX's API takes it."""
    return {
        playbook: {"name": "", "description": "", "spec": [question.as_survey(repo) for question in asked]}
        for playbook, asked in SURVEYS.items()
    }
