# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan has to know of the host, as plain facts: gathered before it is made, so that making it is pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import FrozenSet, Optional


@dataclass(frozen=True)
class Placement:
    """Where on a host a VM's parts go: names of libvirt's pools and of its NAT network."""

    pool: str = "default"
    image_pool: str = "default"
    network: str = "default"
    virt_type: str = "auto"


@dataclass(frozen=True)
class PoolFacts:
    """A storage pool. ``available`` in bytes."""

    name: str
    type: str
    path: str
    available: int


@dataclass(frozen=True)
class ImageFacts:
    """A base image. ``capacity`` (virtual size) in bytes."""

    name: str
    path: str
    format: str
    capacity: int


@dataclass(frozen=True)
class Surroundings:
    """What of a host matters to a new VM."""

    virt_type: str
    is_session: bool
    pool: PoolFacts
    image_pool: str
    image: Optional[ImageFacts] = None
    nat_network: Optional[str] = None  # None: the host has none, and QEMU's own NAT serves
    taken_names: FrozenSet[str] = field(default_factory=frozenset)
