# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM was asked to be, read off what it is: for one of ours whose row was lost, or that another door has made."""

from __future__ import annotations

from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from hostler.hosts.models import Server


def found_spec(observed: ObservedMachine, server: Server) -> dict[str, Any]:
    """The core's fields of a spec, as a create writes them down: what is empty or false is left out."""
    record, definition = observed.record, observed.definition
    card = next(iter(definition.interfaces), None)
    network: dict[str, Any] = {"type": "none"}
    if card is not None:
        is_nat = card.type == "user" or (card.type == "network" and card.source == server.network)
        network = {"type": "nat" if is_nat else card.type, "model": card.model, "mac_address": card.mac_address}
        if card.type in ("bridge", "network"):
            network[f"{card.type}_name"] = card.source
    spec = {
        "name": observed.name,
        "cpu_cores": observed.cpu_cores,
        "memory_mb": observed.memory_kib // 1024,
        "current_memory_mb": None if definition.current_memory_kib is None else definition.current_memory_kib // 1024,
        "disk_gb": observed.disk_gb,
        "firmware": definition.firmware,
        "secure_boot": definition.secure_boot,
        "tpm": definition.tpm,
        "machine": definition.machine,
        "max_cpu_cores": definition.max_vcpus,
        "max_memory_mb": None if definition.max_memory_kib is None else definition.max_memory_kib // 1024,
        "network_config": {name: value for name, value in network.items() if value is not None},
        "autostart": observed.autostart,
        "os_type": record.os_type if record else None,
        "os_version": record.os_version if record else None,
        "description": record.description if record else None,
        "tags": list(record.tags) if record else [],
        "metadata": dict(record.metadata) if record else {},
        "protected": observed.protected,
    }
    return {
        name: value for name, value in spec.items() if value not in (None, "", [], {}, False) or name == "vnc_enabled"
    }
