# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's configuration, and its XML where that is asked for."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.secrets import without_secrets
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import MachineNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.engine import Engine, require_hypervisor
from hostler.hosts.connection import READ_SECONDS
from hostler.machines.models import Machine
from hostler.machines.operation import no_longer_there
from hostler.machines.schemas import VmConfig


async def show(engine: Engine, row: Machine, with_xml: bool) -> VmConfig:
    """The configuration from the row; its XML is the host's to give, and for the route to keep for those who may write.

    Raises `NotFound` if the host no longer has the VM, `HostUnreachable`.
    """
    if not with_xml:
        return VmConfig.of(row)
    await require_hypervisor()

    def read(hypervisor: Hypervisor) -> str:
        domain = hypervisor.domain(row.uuid)
        return without_secrets(domain.xml(inactive=domain.is_persistent()))

    try:
        xml = await engine.host(row.server).call(read, seconds=READ_SECONDS)
    except MachineNotFound:
        raise no_longer_there(row) from None
    return VmConfig.of(row, xml)
