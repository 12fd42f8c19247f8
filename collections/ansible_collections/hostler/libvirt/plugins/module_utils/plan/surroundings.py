# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan has to know of the host, as plain facts: gathered before it is made, so that making it is pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import FrozenSet, Mapping, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.abilities import Abilities
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    LIBVIRT_NAME_SAYS,
    facts,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import VIRT_TYPES

_NAME = {"pattern": LIBVIRT_NAME_PATTERN, "pattern_says": LIBVIRT_NAME_SAYS}


@dataclass(frozen=True)
class Placement:
    """Where on a host a VM's parts go: names of libvirt's pools and of its NAT network."""

    pool: str = field(default="default", metadata=facts("The storage pool for the VM's disks.", **_NAME))
    image_pool: str = field(default="default", metadata=facts("The storage pool of the base images.", **_NAME))
    network: str = field(default="default", metadata=facts("The host's NAT network.", **_NAME))
    virt_type: str = field(default="auto", metadata=facts("The domain type.", choices=VIRT_TYPES))


@dataclass(frozen=True)
class PoolFacts:
    """A storage pool. ``capacity`` (all that it can hold) and ``available`` (what is free of it) in bytes."""

    name: str
    type: str
    path: str
    capacity: int
    available: int


@dataclass(frozen=True)
class ImageFacts:
    """A base image. ``capacity`` (virtual size) and ``allocation`` (what it takes of its pool) in bytes."""

    name: str
    path: str
    format: str
    capacity: int
    allocation: int


@dataclass(frozen=True)
class Surroundings:
    """What of a host matters to a new VM."""

    virt_type: str
    pool: PoolFacts
    image_pool: str
    images: Mapping[str, ImageFacts] = field(default_factory=dict)  # by name, those that the VM's disks come from
    nat_network: Optional[str] = None  # None: the host has none, and QEMU's own NAT serves
    taken_names: FrozenSet[str] = field(default_factory=frozenset)
    taken_volumes: FrozenSet[str] = field(default_factory=frozenset)  # of the names that the VM's own would have
    abilities: Abilities = field(default_factory=Abilities)
