# SPDX-License-Identifier: GPL-3.0-or-later
"""Defining a VM from XML of a user's."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers, Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.given import (
    adopted,
    definition_fingerprint,
    given_xml,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    OperationFailed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.given_xml import DefineXml


def define_xml(hypervisor: Hypervisor, operation: DefineXml) -> Optional[Undo]:
    """Define it, validated by libvirt's schema, and write down what libvirt made of it."""
    present = hypervisor.find_domain(operation.uuid)
    before = None if present is None else present.xml(inactive=True, secure=True)
    record = operation.record if before is None else read_domain(before).record or operation.record
    record = dataclasses.replace(record, xml_given=operation.fingerprint, xml_defined=None)
    try:
        # with the record from the first moment on: without it the VM would be somebody else's
        domain = hypervisor.define(adopted(given_xml(operation.xml), operation.uuid, record))
    except HostUnreachable:
        raise
    except HostlerError as error:
        error.field = "xml"
        raise
    undo = partial(_undefine, domain) if before is None else partial(_put_back, hypervisor, before)
    try:
        if domain.uuid != operation.uuid:
            raise OperationFailed("Failed to define the VM: libvirt gave it another UUID")
        revision = record.revision + (before is not None)
        fingerprint = definition_fingerprint(domain.xml(inactive=True))
        domain.set_record(dataclasses.replace(record, xml_defined=fingerprint, revision=revision))
    except HostUnreachable:
        raise
    except HostlerError:
        undo()
        raise
    return undo


def _undefine(domain: Domain) -> None:
    domain.undefine()  # and no more: its disks are those of whoever wrote the XML


def _put_back(hypervisor: Hypervisor, xml: str) -> None:
    hypervisor.redefine(xml)


DOERS: Doers = {DefineXml: define_xml}
"""What `perform` does for it."""
