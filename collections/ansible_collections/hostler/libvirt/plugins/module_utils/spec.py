# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM should be: the one place where a field's name, unit, bounds and meaning are written down.

The module's options, the service's OpenAPI schema and the surveys either are made from these classes or are tested
against them. A spec says what is *wanted*; what *is* stands in `machine.ObservedMachine`.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Type

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    FieldFacts,
    check_types,
    facts,
    facts_in,
    field_errors,
    value_errors,
)

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
HOSTNAME_PATTERN = (
    r"^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"
)
BRIDGE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$"  # IFNAMSIZ is 16 bytes with its NUL
LIBVIRT_NAME_PATTERN = r"^[^/\x00-\x1f\x7f]{1,255}$"  # a pool, network or volume that others named
OS_TYPE_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
TAG_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:/=-]{0,62}$"

FIRMWARES = ("bios", "uefi")
NETWORK_TYPES = ("nat", "bridge", "network", "none")
IMAGE_MODES = ("copy", "backing")
VIRT_TYPES = ("auto", "kvm", "qemu")


def facts_of(spec_class: Type[Any], name: str) -> FieldFacts:
    """What is known of the field ``name`` of one of this file's classes; KeyError if it has no such field."""
    known = facts_in({one.name: one for one in dataclasses.fields(spec_class)}[name])
    if known is None:
        raise KeyError(name)
    return known


@dataclass(frozen=True)
class NetworkConfig:
    """How the VM's network card is connected."""

    type: str = field(
        default="nat",
        metadata=facts(
            "C(nat) is the host's NAT network, C(bridge) a bridge of the host, C(network) a libvirt network,"
            " C(none) no card.",
            choices=NETWORK_TYPES,
        ),
    )
    bridge_name: Optional[str] = field(
        default=None,
        metadata=facts(
            "The host's bridge, for type C(bridge).",
            pattern=BRIDGE_PATTERN,
            pattern_says="an interface name of at most 15 letters, digits, dots, dashes and underscores",
        ),
    )
    network_name: Optional[str] = field(
        default=None,
        metadata=facts(
            "The libvirt network, for type C(network).",
            pattern=LIBVIRT_NAME_PATTERN,
            pattern_says="the name of a libvirt network, without slashes and control characters",
        ),
    )


@dataclass(frozen=True)
class CloudInit:
    """What the guest's cloud-init is told, on a NoCloud seed that is attached as a CD-ROM."""

    hostname: Optional[str] = field(
        default=None,
        metadata=facts(
            "The guest's host name; the VM's name where it is left out.",
            pattern=HOSTNAME_PATTERN,
            pattern_says="a host name of letters, digits, dashes and dots",
        ),
    )
    ssh_authorized_keys: Tuple[str, ...] = field(
        default=(), metadata=facts("Public keys that may log in as the image's default user.", max_length=100)
    )
    user_data: Optional[str] = field(
        default=None,
        metadata=facts(
            "cloud-init user data, passed on as it is (C(#cloud-config), a script, MIME).",
            max_length=1024 * 1024,
            secret=True,
        ),
    )
    network_config: Optional[str] = field(
        default=None,
        metadata=facts(
            "cloud-init network configuration (version 1 or 2), passed on as it is.",
            max_length=64 * 1024,
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
    cpu_cores: int = field(metadata=facts("Virtual CPUs.", minimum=1, maximum=512))
    memory_mb: int = field(metadata=facts("Memory.", unit="MiB", minimum=32, maximum=16 * 1024 * 1024))
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
            pattern_says="the name of a volume, without slashes and control characters",
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
    network_config: NetworkConfig = field(default=NetworkConfig(), metadata=facts("How the VM is connected."))
    cloud_init: Optional[CloudInit] = field(
        default=None, metadata=facts("What the guest's cloud-init is told; no seed where it is left out.")
    )
    description: Optional[str] = field(default=None, metadata=facts("What the VM is for.", max_length=4096))
    tags: Tuple[str, ...] = field(default=(), metadata=facts("Labels to find the VM by.", max_length=64))
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
    errors += _network_errors(spec.network_config)
    if spec.cloud_init is not None:
        errors += _key_errors(spec.cloud_init.ssh_authorized_keys)
    errors += _tag_errors(spec.tags)
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
    given = {key: value for key, value in values.items() if value is not None}
    errors = [FieldError(name, "is required") for name in _required(MachineSpec) if name not in given]
    errors += [FieldError(name, "is not a field of a VM") for name in given if name not in _names(MachineSpec)]
    if errors:
        raise InvalidSpec(errors)
    for name, spec_class in (("network_config", NetworkConfig), ("cloud_init", CloudInit)):
        if name in given and isinstance(given[name], Mapping):
            given[name] = _nested(name, spec_class, given[name])
    if isinstance(given.get("tags"), list):
        given["tags"] = tuple(given["tags"])
    return validate(MachineSpec(**given))


def _nested(name: str, spec_class: Type[Any], values: Mapping[str, Any]) -> Any:
    given: Dict[str, Any] = {key: value for key, value in values.items() if value is not None}
    unknown = [key for key in given if key not in _names(spec_class)]
    if unknown:
        raise InvalidSpec([FieldError(f"{name}.{key}", f"is not a field of {name}") for key in unknown])
    if isinstance(given.get("ssh_authorized_keys"), list):
        given["ssh_authorized_keys"] = tuple(given["ssh_authorized_keys"])
    return spec_class(**given)


def _names(spec_class: Type[Any]) -> List[str]:
    return [one.name for one in dataclasses.fields(spec_class)]


def _required(spec_class: Type[Any]) -> List[str]:
    return [one.name for one in dataclasses.fields(spec_class) if one.default is dataclasses.MISSING]


def _network_errors(config: NetworkConfig) -> Iterator[FieldError]:
    for name, owner in (("bridge_name", "bridge"), ("network_name", "network")):
        value = getattr(config, name)
        if config.type == owner and not value:
            yield FieldError(f"network_config.{name}", f"is required for type {owner}")
        if config.type != owner and value:
            yield FieldError(f"network_config.{name}", f"goes with type {owner} only")


def _key_errors(keys: Sequence[str]) -> Iterator[FieldError]:
    for index, key in enumerate(keys):
        # one key a line is what sshd reads: a line break would smuggle a second one, or options, in; and what
        # cloud-init takes for a line break is whatever Python does, U+0085 and U+2028 among them
        if (
            not re.fullmatch(r"(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?", key)
            or not key.isprintable()
            or len(key) > 16384
        ):
            yield FieldError(f"cloud_init.ssh_authorized_keys.{index}", "must be one OpenSSH public key on one line")


def _tag_errors(tags: Sequence[str]) -> Iterator[FieldError]:
    for index, tag in enumerate(tags):
        if not re.fullmatch(TAG_PATTERN, tag):
            yield FieldError(
                f"tags.{index}",
                "must be 1 to 63 letters, digits and . _ : / = - , the first a letter or digit",
            )
    if len(set(tags)) != len(tags):
        yield FieldError("tags", "holds the same tag twice")
