# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM should be: the one place where a field's name, unit, bounds and meaning are written down.

The module's options, the service's OpenAPI schema and the surveys either are made from these classes or are tested
against them. A spec says what is *wanted*; what *is* stands in `machine.ObservedMachine`.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Tuple, Type

from ansible_collections.hostler.libvirt.plugins.module_utils.card import (
    CARD_MODELS,
    NETWORK_TYPES,
    NetworkConfig,
    cards_errors,
    no_card_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.cloud_init import (
    HOSTNAME_PATTERN,
    CloudInit,
    key_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.device import (
    DEVICE_TYPES,
    WATCHDOG_ACTIONS,
    DeviceConfig,
    device_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    FieldFacts,
    check_types,
    facts,
    facts_in,
    field_errors,
    object_from,
    value_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.graphics import (
    DISPLAY_TYPES,
    GraphicsConfig,
    graphics_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.metadata import metadata_errors

__all__ = [
    "CARD_MODELS",
    "DEVICE_TYPES",
    "DISK_BUSES",
    "DISPLAY_TYPES",
    "FIRMWARES",
    "HOSTNAME_PATTERN",
    "IMAGE_MODES",
    "LIBVIRT_NAME_PATTERN",
    "NAME_PATTERN",
    "NETWORK_TYPES",
    "VIRT_TYPES",
    "WATCHDOG_ACTIONS",
    "CloudInit",
    "DiskConfig",
    "MachineSpec",
    "NetworkConfig",
    "Resources",
    "cards_of",
    "disk_bytes",
    "disk_gib",
    "facts_of",
    "spec_from",
    "tag_errors",
    "validate",
    "validate_resources",
]

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
OS_TYPE_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
MACHINE_PATTERN = r"^(q35|pc|pc-(q35|i440fx)-[A-Za-z0-9][A-Za-z0-9._-]{0,62})$"
TAG_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:/=-]{0,62}$"
IMAGE_SAYS = "the name of a volume, without slashes and control characters"

MAX_CPU_CORES = 512
MAX_MEMORY_MB = 16 * 1024 * 1024

FIRMWARES = ("bios", "uefi")
IMAGE_MODES = ("copy", "backing")
DISK_BUSES = ("virtio", "scsi", "sata")
VIRT_TYPES = ("auto", "kvm", "qemu")


def facts_of(spec_class: Type[Any], name: str) -> FieldFacts:
    """What is known of the field ``name`` of one of this file's classes; KeyError if it has no such field."""
    known = facts_in({one.name: one for one in dataclasses.fields(spec_class)}[name])
    if known is None:
        raise KeyError(name)
    return known


@dataclass(frozen=True)
class DiskConfig:
    """A further disk of the VM, after its root disk."""

    size_gb: float = field(
        metadata=facts(
            "Size of the disk, rounded up to a whole MiB; at least that of its image.",
            unit="GiB",
            exclusive_minimum=0,
            maximum=64 * 1024,
        )
    )
    image: Optional[str] = field(
        default=None,
        metadata=facts(
            "The base image of the disk: a volume of the image pool. Blank where it is left out.",
            pattern=LIBVIRT_NAME_PATTERN,
            pattern_says=IMAGE_SAYS,
        ),
    )
    image_mode: str = field(
        default="copy",
        metadata=facts("How the disk is made of its image, as the root disk is of its own.", choices=IMAGE_MODES),
    )
    bus: str = field(
        default="virtio",
        metadata=facts(
            "How the disk is attached. C(sata) is for guests without drivers for C(virtio) and its C(scsi).",
            choices=DISK_BUSES,
        ),
    )


@dataclass(frozen=True)
class MachineSpec:
    """A VM as it should be."""

    name: str = field(
        metadata=facts(
            "The domain's name, unique on its host.",
            pattern=NAME_PATTERN,
            pattern_says="1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit",
        )
    )
    cpu_cores: int = field(metadata=facts("Virtual CPUs.", minimum=1, maximum=MAX_CPU_CORES))
    memory_mb: int = field(metadata=facts("Memory.", unit="MiB", minimum=32, maximum=MAX_MEMORY_MB))
    disk_gb: float = field(
        metadata=facts(
            "Size of the root disk, rounded up to a whole MiB; at least that of its image.",
            unit="GiB",
            exclusive_minimum=0,
            maximum=64 * 1024,
        )
    )
    image: Optional[str] = field(
        default=None,
        metadata=facts(
            "The base image of the root disk: a volume of the image pool. Blank where it is left out.",
            pattern=LIBVIRT_NAME_PATTERN,
            pattern_says=IMAGE_SAYS,
        ),
    )
    image_mode: str = field(
        default="copy",
        metadata=facts(
            "C(copy) makes the root disk independent of its image; C(backing) makes it an overlay, which is quicker"
            " and smaller and needs the image for as long as the VM lives.",
            choices=IMAGE_MODES,
        ),
    )
    os_type: str = field(
        default="linux",
        metadata=facts(
            "The family of the guest's system (C(linux), C(windows), C(freebsd) …)."
            " C(windows) gets a clock in local time.",
            pattern=OS_TYPE_PATTERN,
            pattern_says="one word of small letters, digits, dots, dashes and underscores",
        ),
    )
    os_version: Optional[str] = field(default=None, metadata=facts("The guest's system in words.", max_length=255))
    firmware: str = field(default="bios", metadata=facts("The guest's firmware.", choices=FIRMWARES))
    secure_boot: bool = field(
        default=False,
        metadata=facts("Whether the firmware, which is C(uefi), starts only what was signed by those it knows."),
    )
    tpm: bool = field(default=False, metadata=facts("Whether the guest has a TPM 2.0, which the host emulates."))
    machine: Optional[str] = field(
        default=None,
        metadata=facts(
            "The machine type: C(q35), which it is where it is left out, C(pc), or one of these in full.",
            pattern=MACHINE_PATTERN,
            pattern_says="q35, pc, or one of these in full, such as pc-q35-7.2",
        ),
    )
    graphics: Optional[GraphicsConfig] = field(
        default=None, metadata=facts("How the VM's screen is reached; by VNC at 127.0.0.1 where it is left out.")
    )
    max_cpu_cores: Optional[int] = field(
        default=None,
        metadata=facts(
            "To how many virtual CPUs the VM can grow while it runs; to those it has where it is left out.",
            minimum=1,
            maximum=MAX_CPU_CORES,
        ),
    )
    max_memory_mb: Optional[int] = field(
        default=None,
        metadata=facts(
            "To how much memory the VM can grow while it runs; to what it has where it is left out.",
            unit="MiB",
            minimum=32,
            maximum=MAX_MEMORY_MB,
        ),
    )
    network_config: NetworkConfig = field(default=NetworkConfig(), metadata=facts("How the VM is connected."))
    disks: Tuple[DiskConfig, ...] = field(
        default=(),
        metadata=facts("Further disks, after the root disk.", max_length=24),  # virtio's names end with vdz
    )
    nics: Tuple[NetworkConfig, ...] = field(
        default=(), metadata=facts("Further network cards, after that of C(network_config).", max_length=15)
    )
    devices: Tuple[DeviceConfig, ...] = field(
        default=(), metadata=facts("Further devices: the host's own, shared folders, a watchdog, sound.", max_length=32)
    )
    cloud_init: Optional[CloudInit] = field(
        default=None, metadata=facts("What the guest's cloud-init is told; no seed where it is left out.")
    )
    description: Optional[str] = field(default=None, metadata=facts("What the VM is for.", max_length=4096))
    tags: Tuple[str, ...] = field(default=(), metadata=facts("Labels to find the VM by.", max_length=64))
    metadata: Optional[Mapping[str, Any]] = field(
        default=None, metadata=facts("Texts by keys that a site keeps with the VM; everybody who sees it sees them.")
    )
    autostart: bool = field(default=False, metadata=facts("Whether the VM starts with its host."))
    protected: bool = field(default=False, metadata=facts("Whether the VM is guarded against deletion."))


@dataclass(frozen=True)
class Resources:
    """The sizes of a VM that exists, as they should be; None leaves one as it is."""

    cpu_cores: Optional[int] = None
    memory_mb: Optional[int] = None
    disk_gb: Optional[float] = None


_MIB = 1024 * 1024


def disk_bytes(disk_gb: float) -> int:
    """The size in bytes of a disk of ``disk_gb`` GiB: whole MiB, rounded up, so that no image format has to round."""
    mib = disk_gb * 1024
    whole = int(mib)
    return (whole if whole == mib else whole + 1) * _MIB


def disk_gib(size: int) -> float:
    """The size in GiB, as it is shown, of a disk of ``size`` bytes: three decimals."""
    return round(size / (1024 * _MIB), 3)


def validate(spec: MachineSpec) -> MachineSpec:
    """Return ``spec`` if every field can be; raise `InvalidSpec` with every one that can't."""
    check_types(spec)
    errors = list(field_errors(spec))
    errors += cards_errors(cards_of(spec))
    errors += no_card_errors(spec.nics)
    if spec.cloud_init is not None:
        errors += key_errors("cloud_init.ssh_authorized_keys", spec.cloud_init.ssh_authorized_keys)
    errors += () if spec.graphics is None else graphics_errors(spec.graphics)
    errors += device_errors(spec.devices)
    errors += tag_errors(spec.tags)
    errors += metadata_errors(spec.metadata or {})
    errors += _together_errors(spec)
    if errors:
        raise InvalidSpec(errors)
    return spec


def validate_resources(wanted: Resources) -> Resources:
    """Return ``wanted`` if every size can be; raise `InvalidSpec` with every one that can't."""
    check_types(wanted)
    errors: List[FieldError] = []
    for one in dataclasses.fields(wanted):
        value = getattr(wanted, one.name)
        if value is not None:
            errors += value_errors(one.name, value, facts_of(MachineSpec, one.name))
    if errors:
        raise InvalidSpec(errors)
    return wanted


def spec_from(values: Mapping[str, Any]) -> MachineSpec:
    """The validated spec that plain data describe (a module's parameters, a request's body).

    A key whose value is None counts as left out. Raises `InvalidSpec` for what is missing, unknown or wrong.
    """
    spec: MachineSpec = object_from(MachineSpec, values, "a VM")
    return validate(spec)


def cards_of(spec: MachineSpec) -> List[Tuple[str, NetworkConfig]]:
    """The VM's cards in the order in which the guest finds them, each with its path; type none is one, too."""
    return [("network_config", spec.network_config), *((f"nics.{i}", card) for i, card in enumerate(spec.nics))]


def tag_errors(tags: Sequence[str]) -> Iterator[FieldError]:
    """What is wrong with a VM's tags."""
    for index, tag in enumerate(tags):
        if not re.fullmatch(TAG_PATTERN, tag):
            yield FieldError(
                f"tags.{index}",
                "must be 1 to 63 letters, digits and . _ : / = - , the first a letter or digit",
            )
    if len(set(tags)) != len(tags):
        yield FieldError("tags", "holds the same tag twice")


def _together_errors(spec: MachineSpec) -> Iterator[FieldError]:
    if spec.secure_boot and spec.firmware != "uefi":
        yield FieldError("secure_boot", "goes with firmware uefi only")
    if spec.secure_boot and spec.machine is not None and "q35" not in spec.machine:
        yield FieldError("secure_boot", "goes with machine q35 only, which can guard the firmware's variables")
    for name, present in (("max_cpu_cores", spec.cpu_cores), ("max_memory_mb", spec.memory_mb)):
        most = getattr(spec, name)
        if most is not None and most < present:
            yield FieldError(name, f"must be at least the {present} that the VM begins with")
