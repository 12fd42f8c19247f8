# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a VM's power."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation


@dataclass(frozen=True)
class ResumeDomain(Operation):
    """Let a paused VM go on."""

    uuid: str


@dataclass(frozen=True)
class SuspendDomain(Operation):
    """Stop a VM's guest where it stands; its memory stays."""

    uuid: str


@dataclass(frozen=True)
class SaveDomain(Operation):
    """Write a running VM's memory to disk and end it."""

    uuid: str


@dataclass(frozen=True)
class RestoreDomain(Operation):
    """Let a saved VM go on."""

    uuid: str


@dataclass(frozen=True)
class RestartDomain(Operation):
    """Ask the guest to reboot and wait ``timeout`` seconds; with ``force`` cut its power for a moment after that."""

    uuid: str
    timeout: float
    force: bool = False


@dataclass(frozen=True)
class ResetDomain(Operation):
    """Press the VM's reset button."""

    uuid: str


@dataclass(frozen=True)
class StartDomain(Operation):
    """Power the VM on; with ``paused`` its guest stands still before its first instruction."""

    uuid: str
    paused: bool = False


@dataclass(frozen=True)
class StopDomain(Operation):
    """Ask the guest to power off and wait ``timeout`` seconds; with ``force`` pull the plug after that."""

    uuid: str
    timeout: float
    force: bool = False


@dataclass(frozen=True)
class PowerOff(Operation):
    """Pull the VM's plug."""

    uuid: str
