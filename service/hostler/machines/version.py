# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's version, as its ``ETag`` says it: what a PUT can change, and so what two clients could change at once.

Its status, its address and its times are none of it: they change by themselves, and no change need fail for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hostler.entity_tag import entity_tag
from hostler.machines.models import Machine

_CHANGEABLE = (
    "name",
    "cpu_cores",
    "memory_mb",
    "disk_gb",
    "os_type",
    "os_version",
    "description",
    "tags",
    "autostart",
    "protected",
    "vnc_enabled",
    "network_type",
    "bridge_name",
    "network_name",
)


def tag_of(row: Machine) -> str:
    """The VM's entity tag, the same for the VM and its configuration."""
    return tag_of_values({name: getattr(row, name) for name in ("id", *_CHANGEABLE)})


def tag_of_values(values: Mapping[str, Any]) -> str:
    """The entity tag of the VM whose row has these values, among others."""
    return entity_tag({name: values[name] for name in ("id", *_CHANGEABLE)})
