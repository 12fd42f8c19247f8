# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on networks, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.live import LiveChange
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation


@dataclass(frozen=True)
class DefineNetwork(Operation):
    """Define the network from ``xml``; ``expected`` is what it then has to say (`network_xml.read`).

    ``fingerprint`` is that of XML of a user's, which libvirt validates.
    """

    name: str
    xml: str = field(repr=False)
    expected: Mapping[str, Any]
    fingerprint: Optional[str] = None


@dataclass(frozen=True)
class UpdateNetwork(Operation):
    """Change one entry in the network that runs."""

    name: str
    change: LiveChange


@dataclass(frozen=True)
class SetNetworkAutostart(Operation):
    """Whether the network starts with its host."""

    name: str
    autostart: bool


@dataclass(frozen=True)
class StartNetwork(Operation):
    """Make the network active."""

    name: str


@dataclass(frozen=True)
class StopNetwork(Operation):
    """Make the network inactive."""

    name: str


@dataclass(frozen=True)
class UndefineNetwork(Operation):
    """Remove the network's definition."""

    name: str
