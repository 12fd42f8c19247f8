# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a VM as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition, Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.size_edit import SizeEdit
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation


@dataclass(frozen=True)
class DefineDomain(Operation):
    """Define a new domain. It comes first: from then on the host itself knows of what is being made."""

    definition: DomainDefinition


@dataclass(frozen=True)
class WriteRecord(Operation):
    """Write the VM's record of itself."""

    uuid: str
    record: Record


@dataclass(frozen=True)
class SetAutostart(Operation):
    """Start the VM with its host, or not."""

    uuid: str
    autostart: bool


@dataclass(frozen=True)
class ResizeDomain(Operation):
    """Change vCPUs and memory in the definition; with ``live`` that of a running VM, too, which goes on as it is."""

    uuid: str
    sizes: SizeEdit
    live: bool = False


@dataclass(frozen=True)
class PlugVcpus(Operation):
    """Have the running VM use ``vcpus`` of those that it may have; its definition stays."""

    uuid: str
    vcpus: int


@dataclass(frozen=True)
class PlugMemory(Operation):
    """Bring the running VM to ``memory_kib`` in all by one more memory module; its definition stays."""

    uuid: str
    memory_kib: int


@dataclass(frozen=True)
class ConnectCard(Operation):
    """Have the VM's first card be ``card``, whatever it is now; None takes the VM's only card away.

    With ``live`` it is plugged elsewhere while the VM runs, else the definition alone is changed.
    """

    uuid: str
    card: Optional[Interface]
    live: bool = False


@dataclass(frozen=True)
class SetVnc(Operation):
    """Give the VM a VNC display that listens at ``listen``, or with None have it do without."""

    uuid: str
    listen: Optional[str]


@dataclass(frozen=True)
class RenameDomain(Operation):
    """Give the VM, which is off, another name."""

    uuid: str
    name: str


@dataclass(frozen=True)
class UndefineDomain(Operation):
    """Remove the definition and what libvirt keeps with it. Before any disk: a failure here must leave the VM whole."""

    uuid: str
