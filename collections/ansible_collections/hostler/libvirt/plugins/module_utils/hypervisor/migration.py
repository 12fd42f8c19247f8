# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain's way from one libvirt host to another: libvirt's calls, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple
from xml.etree import ElementTree

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import (
    MOVE_NAMESPACE,
    MOVE_PREFIX,
    Move,
    move_xml,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import Unsupported, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt


@dataclass(frozen=True)
class Journey:
    """How a domain is to be moved. ``bandwidth`` in MiB a second; ``copied`` are the targets of the disks to copy."""

    live: bool
    peer_uri: Optional[str] = None  # with it the source's libvirtd calls the other one; else this side speaks to both
    migrate_uri: Optional[str] = None  # where QEMU sends the memory to; None: as the destination says
    tunnelled: bool = False
    unsafe: bool = False
    copied: Tuple[str, ...] = ()
    incremental: bool = False  # of the copied disks their backing files are there already
    bandwidth: Optional[int] = None
    auto_converge: bool = False
    postcopy: bool = False  # it may be switched to while the memory is sent


class Progress(NamedTuple):
    """How far a migration is. Sizes in bytes, times in milliseconds; ``downtime`` is measured or expected."""

    under_way: bool
    memory: int = 0
    disks: int = 0
    iteration: int = 0
    elapsed: Optional[int] = None
    downtime: Optional[int] = None


def migrate(domain: Domain, destination: Hypervisor, journey: Journey) -> None:
    """Move it, and return when it is there.

    Blocks for as long as that takes; nothing else may be called meanwhile on the connections of both.
    """
    with translated("migrate VM"):
        if journey.peer_uri is None:
            domain.handle.migrate3(destination.handle, _parameters(journey), _flags(journey))
        else:
            domain.handle.migrateToURI3(journey.peer_uri, _parameters(journey), _flags(journey))


def progress_of(domain: Domain) -> Progress:
    """How far the migration is that is under way; asks QEMU, which may hang."""
    with translated("read how far the migration is"):
        stats: Mapping[str, Any] = domain.handle.jobStats(0)
    return _progress(stats)


def completed(domain: Domain) -> Optional[Progress]:
    """What the migration took that has brought the domain here; None where libvirt no longer knows, or never did."""
    with translated("read what the migration took"):
        stats: Mapping[str, Any] = domain.handle.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    return _progress(stats) if "time_elapsed" in stats else None


def is_migrating(domain: Domain) -> bool:
    """Whether it is on its way to another host, or from one."""
    if not domain.is_active():
        return False
    try:
        with translated("read what is done with the VM"):
            return bool(domain.handle.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE)
    except Unsupported:
        return True  # of a migration only its source knows how far it is
    except WrongState:
        return False  # it is off by now


def abort(domain: Domain) -> None:
    """Have the migration given up; the call that began it fails."""
    with translated("abort the migration"):
        domain.handle.abortJob()


def switch_to_postcopy(domain: Domain) -> None:
    """Let the guest go on at the destination now, where its memory follows it."""
    with translated("switch the migration to post-copy"):
        domain.handle.migrateStartPostCopy(0)


def set_max_downtime(domain: Domain, milliseconds: int) -> None:
    """How long the guest may stand still at the end of the migration that is under way."""
    with translated("limit the downtime of the migration"):
        domain.handle.migrateSetMaxDowntime(milliseconds, 0)


def stands_for_migration(domain: Domain) -> bool:
    """Whether it is paused because it is being migrated, or because that was cut off."""
    return domain.state_and_reason() == [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION]


def has_left(domain: Domain) -> bool:
    """Whether it is off because it runs on another host."""
    return domain.state_and_reason() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_MIGRATED]


def set_move(domain: Domain, move: Optional[Move]) -> None:
    """Write into its definition, which goes along, what is left to do when it has arrived; None takes that out."""
    with translated("write down the migration"):
        xml = None if move is None else move_xml(move)
        flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
        domain.handle.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, xml, MOVE_PREFIX, MOVE_NAMESPACE, flags)


def checkpoints_of(domain: Domain) -> int:
    """How many checkpoints it has, with which libvirt moves none."""
    try:
        with translated("read the VM's checkpoints"):
            return len(domain.handle.listAllCheckpoints(0))
    except Unsupported:
        return 0


def host_name(hypervisor: Hypervisor) -> str:
    """What the host calls itself."""
    with translated("read the host's name"):
        return str(hypervisor.handle.getHostname())


def host_cpu(hypervisor: Hypervisor) -> Optional[str]:
    """The ``<cpu>`` that the host has; None where its libvirt doesn't say."""
    with translated("read the host's capabilities"):
        capabilities = ElementTree.fromstring(hypervisor.handle.getCapabilities())  # noqa: S314  libvirtd made it
    cpu = capabilities.find("host/cpu")
    return None if cpu is None else ElementTree.tostring(cpu, encoding="unicode")


def has_cpu(hypervisor: Hypervisor, host_cpu_xml: str) -> bool:
    """Whether the host's CPU can do all that one can that another host told of; True where libvirt can't tell."""
    try:
        with translated("compare the CPUs"):
            return bool(hypervisor.handle.compareCPU(host_cpu_xml, 0) > libvirt.VIR_CPU_COMPARE_INCOMPATIBLE)
    except Unsupported:
        return True


def gives_cpu(hypervisor: Hypervisor, guest: Guest, cpu_xml: str) -> bool:
    """Whether such a guest can have that ``<cpu>`` there; True where libvirt can't tell."""
    try:
        with translated("compare the CPUs"):
            answer = hypervisor.handle.compareHypervisorCPU(
                guest.emulator, guest.architecture, guest.machine, guest.virt_type, cpu_xml, 0
            )
    except Unsupported:
        return True
    return bool(answer > libvirt.VIR_CPU_COMPARE_INCOMPATIBLE)


class Guest(NamedTuple):
    """What kind of guest it is; None is the host's own choice."""

    virt_type: str
    architecture: str
    machine: Optional[str]
    emulator: Optional[str]


def capabilities_for(hypervisor: Hypervisor, guest: Guest) -> str:
    """The ``<domainCapabilities>`` of the host for such a guest; raises with libvirt's reason if it can have none."""
    with translated("find what the VM runs on"):
        return str(
            hypervisor.handle.getDomainCapabilities(
                guest.emulator, guest.architecture, guest.machine, guest.virt_type, 0
            )
        )


def _flags(journey: Journey) -> int:
    flags: int = libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    if journey.live:
        flags |= libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
    else:
        flags |= libvirt.VIR_MIGRATE_OFFLINE
    wanted = (
        (journey.peer_uri is not None, "VIR_MIGRATE_PEER2PEER"),
        (journey.tunnelled, "VIR_MIGRATE_TUNNELLED"),
        (journey.unsafe, "VIR_MIGRATE_UNSAFE"),
        (bool(journey.copied) and not journey.incremental, "VIR_MIGRATE_NON_SHARED_DISK"),
        (bool(journey.copied) and journey.incremental, "VIR_MIGRATE_NON_SHARED_INC"),
        (journey.auto_converge, "VIR_MIGRATE_AUTO_CONVERGE"),
        (journey.postcopy, "VIR_MIGRATE_POSTCOPY"),
    )
    for is_wanted, name in wanted:
        if is_wanted:
            flags |= int(getattr(libvirt, name))
    return flags


def _parameters(journey: Journey) -> Dict[str, Any]:
    given: Dict[str, Any] = {
        libvirt.VIR_MIGRATE_PARAM_URI: journey.migrate_uri,
        libvirt.VIR_MIGRATE_PARAM_BANDWIDTH: journey.bandwidth if journey.live else None,
        libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS: list(journey.copied) or None,
    }
    if journey.postcopy and journey.bandwidth is not None:
        given[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY] = journey.bandwidth
    return {name: value for name, value in given.items() if value is not None}


def _progress(stats: Mapping[str, Any]) -> Progress:
    return Progress(
        under_way=stats.get("type", libvirt.VIR_DOMAIN_JOB_NONE) != libvirt.VIR_DOMAIN_JOB_NONE,
        memory=stats.get("memory_processed", 0),
        disks=stats.get("disk_processed", 0),
        iteration=stats.get("memory_iteration", 0),
        elapsed=stats.get("time_elapsed"),
        downtime=stats.get("downtime"),
    )
