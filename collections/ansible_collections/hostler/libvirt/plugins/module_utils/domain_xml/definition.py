# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain as its XML says it, as far as Hostler models it.

Names are libvirt's (https://libvirt.org/formatdomain.html). No policy here: what a new VM gets is decided in
`plan.design`. What these classes leave out survives in the XML itself, which is only ever edited in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, NamedTuple, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.device import DeviceConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record


@dataclass(frozen=True)
class Disk:
    """One ``<disk>``."""

    device: str  # disk, cdrom, floppy, lun
    target: str  # vda
    bus: Optional[str] = None  # virtio, scsi, sata …
    path: Optional[str] = None  # the file or block device; None for an empty drive and for network disks
    format: Optional[str] = None  # qcow2, raw
    pool: Optional[str] = None  # with `volume`, for type='volume'
    volume: Optional[str] = None
    read_only: bool = False
    shareable: bool = False
    discard: Optional[str] = None
    backing_paths: Tuple[str, ...] = ()  # of the whole chain, where the XML names it
    encrypted: bool = False  # by QEMU or librbd, with a secret of libvirt's


@dataclass(frozen=True)
class Interface:
    """One ``<interface>``."""

    type: str  # network, bridge, user, direct …
    source: Optional[str] = None  # the network's or the bridge's name
    mac_address: Optional[str] = None
    model: Optional[str] = None

    def as_data(self) -> Dict[str, Any]:
        """Plain data, named as here."""
        return dict(vars(self))


@dataclass(frozen=True)
class Graphics:
    """One ``<graphics>``; ``port`` is None for a domain that is off and takes a free port at start.

    ``password`` is only in XML that was asked for with its secrets.
    """

    type: str
    port: Optional[int] = None
    listen: Optional[str] = None
    websocket: bool = False  # it has one, at a port that is free at start
    keymap: Optional[str] = None
    password: Optional[str] = field(default=None, repr=False)


class Controller(NamedTuple):  # of which a domain has a dozen, and a host thousands of those
    """One ``<controller>``."""

    type: str
    model: Optional[str] = None


@dataclass(frozen=True)
class DomainDefinition:
    """One ``<domain>``. Memory in KiB, as libvirt keeps it."""

    name: str
    uuid: str
    type: str  # kvm, qemu, test …
    vcpus: int
    memory_kib: int
    machine: Optional[str] = None
    architecture: str = "x86_64"
    firmware: str = "bios"
    secure_boot: bool = False  # the firmware starts only what was signed
    nvram: Optional[str] = None  # where its UEFI variables are on the host, where the XML names that
    nvram_format: Optional[str] = None  # of that file; None: raw
    tpm: bool = False
    max_vcpus: Optional[int] = None  # how many can be plugged while it runs; None: those that it has
    max_memory_kib: Optional[int] = None  # with modules plugged while it runs; None: there is no socket for one
    memory_slots: int = 0  # sockets for memory modules; there are some only with max_memory_kib
    memory_modules: int = 0  # in those sockets; memory_kib has what they hold
    current_memory_kib: Optional[int] = None  # what its balloon leaves it of memory_kib when it boots; None: all
    further_numa_cells: int = 0  # beside the one that all memory is in
    cpu_mode: Optional[str] = None
    clock: str = "utc"
    disks: Tuple[Disk, ...] = ()
    interfaces: Tuple[Interface, ...] = ()
    graphics: Tuple[Graphics, ...] = ()
    controllers: Tuple[Controller, ...] = ()
    devices: Tuple[DeviceConfig, ...] = ()  # for a new one: what reads definitions leaves them out
    video: Optional[str] = None
    tablet: bool = False
    guest_agent: bool = False
    guest_agent_connected: bool = False  # in the XML of a running domain only
    serial_console: bool = False
    rng: bool = False
    memory_balloon: bool = True
    record: Optional[Record] = None
