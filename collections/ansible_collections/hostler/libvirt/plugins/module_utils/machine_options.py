# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that describe a VM, as a module's argument spec. Their documentation is the fragment ``machine``."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.spec import (
    CARD_MODELS,
    DEVICE_TYPES,
    DISK_BUSES,
    DISPLAY_TYPES,
    FIRMWARES,
    IMAGE_MODES,
    NETWORK_TYPES,
    VIRT_TYPES,
    WATCHDOG_ACTIONS,
)

# one network card, named as in the core's NetworkConfig
CARD_OPTIONS = dict(
    type=dict(type="str", choices=list(NETWORK_TYPES), default="nat"),
    bridge_name=dict(type="str"),
    network_name=dict(type="str"),
    model=dict(type="str", choices=list(CARD_MODELS), default="virtio"),
    mac_address=dict(type="str"),
)

# options that describe a VM, named as in the core's MachineSpec
SPEC_OPTIONS = dict(
    cpu_cores=dict(type="int"),
    memory_mb=dict(type="int"),
    disk_gb=dict(type="float"),
    image=dict(type="str"),
    image_mode=dict(type="str", choices=list(IMAGE_MODES)),
    os_type=dict(type="str"),
    os_version=dict(type="str"),
    firmware=dict(type="str", choices=list(FIRMWARES)),
    secure_boot=dict(type="bool"),
    tpm=dict(type="bool"),
    machine=dict(type="str"),
    graphics=dict(
        type="dict",
        options=dict(
            type=dict(type="str", choices=list(DISPLAY_TYPES), default="vnc"),
            listen=dict(type="str"),
            port=dict(type="int"),
            websocket=dict(type="bool"),
            keymap=dict(type="str", no_log=False),
            password=dict(type="str", no_log=True),
        ),
    ),
    max_cpu_cores=dict(type="int"),
    max_memory_mb=dict(type="int"),
    network_config=dict(type="dict", options=CARD_OPTIONS),
    nics=dict(type="list", elements="dict", options=CARD_OPTIONS),
    disks=dict(
        type="list",
        elements="dict",
        options=dict(
            size_gb=dict(type="float", required=True),
            image=dict(type="str"),
            image_mode=dict(type="str", choices=list(IMAGE_MODES), default="copy"),
            bus=dict(type="str", choices=list(DISK_BUSES), default="virtio"),
        ),
    ),
    devices=dict(
        type="list",
        elements="dict",
        options=dict(
            type=dict(type="str", choices=list(DEVICE_TYPES), required=True),
            address=dict(type="str"),
            vendor=dict(type="str"),
            product=dict(type="str"),
            bus=dict(type="int"),
            device=dict(type="int"),
            source=dict(type="str"),
            tag=dict(type="str"),
            model=dict(type="str"),
            action=dict(type="str", choices=list(WATCHDOG_ACTIONS)),
        ),
    ),
    cloud_init=dict(
        type="dict",
        options=dict(
            hostname=dict(type="str"),
            ssh_authorized_keys=dict(type="list", elements="str", no_log=False),
            user_data=dict(type="str", no_log=True),
            network_config=dict(type="str", no_log=True),
        ),
    ),
    description=dict(type="str"),
    tags=dict(type="list", elements="str"),
    metadata=dict(type="dict"),
    autostart=dict(type="bool"),
    protected=dict(type="bool"),
)

PLACEMENT_OPTIONS = dict(
    pool=dict(type="str", default="default"),
    image_pool=dict(type="str", default="default"),
    network=dict(type="str", default="default"),
    virt_type=dict(type="str", choices=list(VIRT_TYPES), default="auto"),
)
