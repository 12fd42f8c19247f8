# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt says of the host itself, as it says it."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable, Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated

_ALL_CPUS = -1  # VIR_NODE_CPU_STATS_ALL_CPUS, which older bindings lack
_ALL_CELLS = -1


class HostSoftware(NamedTuple):
    """What the host runs; versions as 9.0.0, that of its hypervisor None where the driver has none."""

    hostname: str
    driver: str
    libvirt_version: str
    hypervisor_version: Optional[str]


class Claim(NamedTuple):
    """What a VM takes of the host at most while it runs. ``memory_kib`` is all that its balloon can give it."""

    uuid: str
    active: bool
    vcpus: int
    memory_kib: int


class PoolRow(NamedTuple):
    """A storage pool, whether active or not; its figures, in bytes, are 0 of one that is not."""

    name: str
    active: bool
    autostart: bool
    xml: str
    capacity: int
    available: int


def host_software(hypervisor: Hypervisor) -> HostSoftware:
    """By four calls."""
    connection = hypervisor.handle
    with translated("read the host's versions"):
        return HostSoftware(
            hostname=connection.getHostname(),
            driver=connection.getType(),
            libvirt_version=_version(connection.getLibVersion()),
            hypervisor_version=None if hypervisor.is_test_driver else _version(connection.getVersion()),
        )


def capabilities_xml(hypervisor: Hypervisor) -> str:
    """The ``<capabilities>`` of the host, https://libvirt.org/formatcaps.html."""
    with translated("read the host's capabilities"):
        return str(hypervisor.handle.getCapabilities())


def free_pages(hypervisor: Hypervisor, sizes_kib: Sequence[int], cell: Optional[int] = None) -> Dict[int, int]:
    """How many pages of each size are free, in that NUMA cell or in all of the host."""
    first = _ALL_CELLS if cell is None else cell
    found = _if_supported(lambda: hypervisor.handle.getFreePages(list(sizes_kib), first, 1), "read the host's memory")
    counts = (found or {}).get(first, {})
    return {size: int(counts[size]) for size in sizes_kib if size in counts}


def memory_kib(hypervisor: Hypervisor) -> Dict[str, int]:
    """``total``, ``free``, ``buffers`` and ``cached``, as the host's kernel has them; none where nobody can tell."""
    found = _if_supported(lambda: hypervisor.handle.getMemoryStats(_ALL_CELLS, 0), "read the host's memory")
    return dict(found or {})


def cpu_times(hypervisor: Hypervisor) -> Dict[str, int]:
    """Nanoseconds of all CPUs together in ``user``, ``kernel``, ``idle`` and ``iowait``; none where nobody can tell."""
    found = _if_supported(lambda: hypervisor.handle.getCPUStats(_ALL_CPUS, 0), "read the host's CPU times")
    return dict(found or {})


def claims(hypervisor: Hypervisor) -> List[Claim]:
    """What every VM takes, by a call for each and one for the list. A VM that goes meanwhile takes nothing."""
    found = []
    for domain in hypervisor.domains():
        try:
            with translated("read the VM"):
                _state, maximum, _current, vcpus, _time = domain.handle.info()
        except HostUnreachable:
            raise
        except HostlerError:
            continue
        found.append(Claim(domain.uuid, domain.handle.ID() != -1, vcpus, maximum))
    return found


def pool_rows(hypervisor: Hypervisor) -> List[PoolRow]:
    """All storage pools in the order of their names, by four calls for each; one that goes meanwhile is none."""
    with translated("list the storage pools"):
        handles = hypervisor.handle.listAllStoragePools()
    found = []
    for handle in handles:
        try:
            with translated("read the storage pool"):
                _state, capacity, _allocation, available = handle.info()
                row = PoolRow(
                    handle.name(),
                    bool(handle.isActive()),
                    bool(handle.autostart()),
                    handle.XMLDesc(),
                    capacity,
                    available,
                )
        except HostUnreachable:
            raise
        except HostlerError:
            continue
        found.append(row)
    return sorted(found, key=lambda row: row.name)


def device_xmls(hypervisor: Hypervisor) -> List[str]:
    """The ``<device>`` of each of the host's, https://libvirt.org/formatnode.html; none where libvirtd knows none."""
    try:
        with translated("list the host's devices"):
            handles = hypervisor.handle.listAllDevices()
    except Unsupported:
        return []
    found = []
    for handle in handles:
        try:
            with translated("read the host's device"):
                found.append(handle.XMLDesc())
        except HostUnreachable:
            raise
        except HostlerError:
            continue  # unplugged meanwhile
    return found


def _if_supported(ask: Callable[[], Any], doing: str) -> Any:
    try:
        with translated(doing):
            return ask()
    except Unsupported:
        return None


def _version(number: int) -> str:
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"
