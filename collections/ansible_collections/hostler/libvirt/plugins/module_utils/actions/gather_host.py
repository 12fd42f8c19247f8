# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a host: its hardware, what is used of it, what it can do, what it has.

Each part is read on a connection of its own that is given up where it takes too long: a storage pool whose server is
gone, or a QEMU that hangs, may hold up what asks about them, and nothing else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils import host_capabilities
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    HostUnreachable,
    InvalidSpec,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts, field_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.host_devices import devices
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor import host
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network_admin import network_rows
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import read_network

DEFAULT_PARTS = ("capacity", "use", "capabilities", "pools", "networks")

_SAMPLE_SECONDS = 0.25  # for how long CPUs are watched
_MACHINE = "q35"
# the guest that tries KVM ends by itself; given up sooner, it would be left behind
_TRIAL_SECONDS = 60


@dataclass(frozen=True)
class HostInquiry:
    """What of a host is asked about; what it runs is told in any case."""

    gather: Tuple[str, ...] = DEFAULT_PARTS
    timeout: float = field(default=30, metadata=facts("How long each part may take.", unit="s", minimum=1))


def gather_host(hypervisor: Hypervisor, inquiry: HostInquiry) -> Dict[str, Any]:
    """Plain data of the host. ``unreadable`` says by part why it could not be read; that part is None then.

    Raises `InvalidSpec` and `HostUnreachable`.
    """
    errors = list(field_errors(inquiry))
    if errors:
        raise InvalidSpec(errors)
    software = host.host_software(hypervisor)
    found: Dict[str, Any] = {"uri": hypervisor.uri, "uuid": hypervisor.host_uuid(), **software._asdict()}
    unreadable: Dict[str, str] = {}
    with SideConnection(hypervisor) as side:
        for part in PARTS:
            if part in inquiry.gather:
                found[part] = _read(side, part, inquiry.timeout, unreadable)
    return {**found, "unreadable": unreadable}


def _read(side: SideConnection, part: str, timeout: float, unreadable: Dict[str, str]) -> Any:
    if part == "accelerator":
        timeout = max(timeout, _TRIAL_SECONDS)
    try:
        return side.call(timeout, _READERS[part])
    except GuestTimeout:
        unreadable[part] = f"no answer within {timeout:g} s"
    except HostUnreachable:
        raise
    except HostlerError as error:
        unreadable[part] = error.message
    return None


def _capacity(hypervisor: Hypervisor) -> Dict[str, Any]:
    capabilities = host.capabilities_xml(hypervisor)
    resources = hypervisor.resources()
    cells = host_capabilities.cells(capabilities)
    total: Dict[int, int] = {}
    numa: List[Dict[str, Any]] = []
    for cell in cells:
        pages: Dict[int, int] = cell.pop("pages")
        for size, count in pages.items():
            total[size] = total.get(size, 0) + count
        # a call for each cell, where there are pages to be told of
        free = host.free_pages(hypervisor, list(pages), cell["id"]) if pages and len(cells) > 1 else {}
        numa.append({**cell, "hugepages": host_capabilities.hugepages(pages, free)})
    free = host.free_pages(hypervisor, list(total)) if total else {}
    if len(numa) == 1:
        numa[0]["hugepages"] = host_capabilities.hugepages(total, free)
    return {
        "cpus": resources.cpus,
        "memory_mb": resources.memory_mb,
        "processor": host_capabilities.processor(capabilities),
        "numa": numa,
        "hugepages": host_capabilities.hugepages(total, free),
    }


def _use(hypervisor: Hypervisor) -> Dict[str, Any]:
    resources = hypervisor.resources()
    memory = host.memory_kib(hypervisor)
    taken = host.claims(hypervisor)
    reclaimable = [memory[name] for name in ("free", "buffers", "cached") if name in memory]
    running = [one for one in taken if one.active]
    return {
        "memory_free_mb": resources.free_memory_mb,
        "memory_available_mb": sum(reclaimable) // 1024 if reclaimable else None,
        "cpu_busy_percent": _busy(hypervisor),
        "vms": _sum(taken),
        "vms_running": _sum(running),
    }


def _sum(taken: List[host.Claim]) -> Dict[str, int]:
    return {
        "count": len(taken),
        "cpu_cores": sum(one.vcpus for one in taken),
        "memory_mb": sum(one.memory_kib for one in taken) // 1024,
    }


def _busy(hypervisor: Hypervisor) -> Optional[float]:
    before = host.cpu_times(hypervisor)
    if not before:
        return None
    time.sleep(_SAMPLE_SECONDS)
    after = host.cpu_times(hypervisor)
    spent = {name: after[name] - before[name] for name in after if name in before}
    whole = sum(spent.values())
    idle = spent.get("idle", 0) + spent.get("iowait", 0)
    return round(100 * (whole - idle) / whole, 1) if whole > 0 else None


def _capabilities(hypervisor: Hypervisor) -> Dict[str, Any]:
    capabilities = host.capabilities_xml(hypervisor)
    offered = host_capabilities.guests(capabilities)
    types: List[str] = next((one["virt_types"] for one in offered if one["arch"] == "x86_64"), [])
    abilities = None
    if types:
        kind = "kvm" if "kvm" in types else types[0]
        abilities = host_capabilities.guest_abilities(hypervisor.domain_capabilities(kind, _MACHINE))
    return {"guests": offered, "iommu": host_capabilities.has_iommu(capabilities), "x86_64": abilities}


def _accelerator(hypervisor: Hypervisor) -> Dict[str, Any]:
    # here, as whoever does not ask for it needs none of what makes a guest
    from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.accelerator import find_accelerator

    return find_accelerator(hypervisor)._asdict()


def _pools(hypervisor: Hypervisor) -> List[Dict[str, Any]]:
    found = []
    for row in host.pool_rows(hypervisor):
        root = parse(row.xml)
        found.append(
            {
                "name": row.name,
                "state": "active" if row.active else "inactive",
                "autostart": row.autostart,
                "type": root.get("type"),
                "path": root.findtext("target/path"),
                "capacity_gb": _gib(row.capacity) if row.active else None,
                "available_gb": _gib(row.available) if row.active else None,
            }
        )
    return found


def _networks(hypervisor: Hypervisor) -> List[Dict[str, Any]]:
    found = []
    for row in network_rows(hypervisor):
        data = read_network(row.network.xml())
        found.append(
            {
                "name": row.network.name,
                "state": "active" if row.active else "inactive",
                "autostart": row.autostart,
                "mode": data["forward"]["mode"],
                "bridge": data["bridge"],
            }
        )
    return found


def _devices(hypervisor: Hypervisor) -> Dict[str, Any]:
    return devices(host.device_xmls(hypervisor))


def _gib(size: int) -> float:
    return round(size / 1024**3, 2)


_READERS: Dict[str, Callable[[Hypervisor], Any]] = {
    "capacity": _capacity,
    "use": _use,
    "capabilities": _capabilities,
    "accelerator": _accelerator,
    "pools": _pools,
    "networks": _networks,
    "devices": _devices,
}
PARTS = tuple(_READERS)
"""All that can be asked about, in the order in which it is read."""
