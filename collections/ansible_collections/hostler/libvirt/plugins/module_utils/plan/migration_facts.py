# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan of a migration has to know of both hosts, as plain facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import FrozenSet, Mapping, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.abilities import Abilities
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import Move
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.needs import Needs
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts


@dataclass(frozen=True)
class HostName:
    """A host, by its own name and UUID."""

    name: str
    uuid: str


@dataclass(frozen=True)
class Sighting:
    """The VM as one of the hosts has it."""

    observed: ObservedMachine
    migrating: bool = False  # a migration of it is under way
    standing: bool = False  # it is paused for a migration's sake
    left: bool = False  # it is off because it runs elsewhere
    snapshots: int = 0
    checkpoints: int = 0
    move: Optional[Move] = None  # that it has noted


@dataclass(frozen=True)
class FileFacts:
    """A volume. ``capacity`` (virtual size), ``allocation`` and ``length`` (of the file) in bytes.

    ``modified`` is when it was written to last.
    """

    pool: PoolFacts
    format: Optional[str]
    capacity: int
    allocation: int
    length: Optional[int] = None
    modified: Optional[str] = None


@dataclass(frozen=True)
class MovedFile:
    """A file or device that the VM has at the source, and what is at the same path of the destination.

    ``alike`` is whether both have the same size, format and beginning; ``same`` whether it was proved that they are one
    and the same (None: not tried).
    """

    target: str  # of the disk
    path: str
    name: str  # of the volume
    written: bool  # the VM writes to it
    shareable: bool = False
    own_seed: bool = False  # the VM's cloud-init seed, which we made
    here: Optional[FileFacts] = None  # None: in no storage pool
    there: Optional[FileFacts] = None
    pool_there: Optional[PoolFacts] = None  # the active storage pool of files at the same folder
    marked: bool = False  # what is there is the rest of a migration that was cut off
    alike: bool = False
    same: Optional[bool] = None
    backing: Tuple[MovedFile, ...] = ()  # its backing files, the nearest first


@dataclass(frozen=True)
class OtherHost:
    """What the destination has of what the VM needs."""

    namesake: Optional[str] = None  # UUID of another VM of the same name
    virt_types: FrozenSet[str] = field(default_factory=frozenset)
    refusal: Optional[str] = None  # why it can run no such guest at all
    abilities: Abilities = field(default_factory=Abilities)
    loaders: FrozenSet[str] = field(default_factory=frozenset)  # UEFI firmware files that it offers
    cpu_fits: bool = True
    memory_mb: int = 0
    missing_networks: Mapping[str, str] = field(default_factory=dict)  # what each is, for people
    taken_addresses: Mapping[str, str] = field(default_factory=dict)  # by which VM
    files: FrozenSet[str] = field(default_factory=frozenset)  # of those that it boots from, which are there
    pools: Mapping[str, str] = field(default_factory=dict)  # folders of its pools that disks of the VM name
    pools_here: Mapping[str, str] = field(default_factory=dict)  # the same of the source


@dataclass(frozen=True)
class MigrationSurroundings:
    """Both hosts, and the VM on each; what `other`, `files` and `needs` say counts for a VM at the source only."""

    source: HostName
    destination: HostName
    here: Optional[Sighting] = None
    there: Optional[Sighting] = None
    needs: Needs = field(default_factory=Needs)
    files: Tuple[MovedFile, ...] = ()
    disks_differ: bool = False  # it runs with other disks than it starts with next
    other: OtherHost = field(default_factory=OtherHost)
