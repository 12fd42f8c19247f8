# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings one VM, there or not, to what is desired."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    NameTaken,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    facts,
    field_errors,
    value_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wait import WAITS, WaitFor, port_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import NAME_FACTS, plain_uuid

STATES = ("present", "running", "stopped", "restarted", "paused", "saved", "absent")
STARTING = ("running", "restarted", "paused")
"""The states in which a VM that is made is started."""

# in which nothing can be heard of a guest
_SILENT = ("stopped", "paused", "saved", "absent")

# of a spec, what XML leaves open
_BESIDE_XML = ("name", "os_type", "os_version", "description", "tags", "metadata", "autostart", "protected")


@dataclass(frozen=True)
class Desired:
    """What one VM should be like. ``spec`` holds `MachineSpec`'s fields; one that is None is left as it is."""

    spec: Mapping[str, Any] = field(default_factory=dict)
    uuid: Optional[str] = None
    state: str = field(default="present", metadata=facts("What the VM is to be.", choices=STATES))
    create: bool = True
    placement: Placement = field(default_factory=Placement)
    record_id: Optional[int] = field(
        default=None, metadata=facts("The service's number of a new VM.", minimum=1, maximum=10**18 - 1)
    )
    owner: Optional[str] = field(default=None, metadata=facts("Whose VM a new one is.", max_length=255))
    timeout: float = field(default=60, metadata=facts("How long a guest has to power off.", unit="s", minimum=0))
    force_after: Optional[float] = field(
        default=None, metadata=facts("After how long it is forced.", unit="s", minimum=0)
    )
    wait_for: Optional[str] = field(default=None, metadata=facts("What is waited for at the end.", choices=WAITS))
    wait_port: Optional[int] = field(
        default=None, metadata=facts("The TCP port that is to be open.", minimum=1, maximum=65535)
    )
    wait_timeout: float = field(default=300, metadata=facts("How long.", unit="s", minimum=0))
    live: bool = False
    delete_disks: bool = True
    tags_exclusive: bool = False
    metadata_exclusive: bool = False
    disks_exclusive: bool = False
    nics_exclusive: bool = False
    delete_detached_disks: bool = False
    devices_exclusive: bool = False
    xml: Optional[str] = field(default=None, repr=False)
    template: Optional[bool] = None

    @property
    def name(self) -> Optional[str]:
        """The domain's name, where it is named."""
        return self.spec.get("name")

    @property
    def label(self) -> str:
        """How to speak of it."""
        return f"'{self.name}'" if self.name else f"with UUID {self.uuid}"

    @property
    def is_plugged(self) -> bool:
        """Whether it says what is plugged into the VM, apart from its first disk and card."""
        parts = ("disks", "nics", "graphics", "devices")
        return self.xml is not None or any(self.spec.get(name) is not None for name in parts)

    @property
    def waiting(self) -> Optional[WaitFor]:
        """What is waited for once the VM is as it should be."""
        return None if self.wait_for is None else WaitFor(self.wait_for, self.wait_timeout, self.wait_port)


def validate_desired(desired: Desired) -> Desired:
    """``desired``, with its UUID as libvirt writes it, and with the name and the UUID that its XML says.

    Raises `InvalidSpec` with what can be of no VM on no host.
    """
    errors = [*field_errors(desired), *field_errors(desired.placement)]
    if desired.name is not None:
        errors += value_errors("name", desired.name, NAME_FACTS)
    errors += _wait_errors(desired)
    errors += _exclusive_errors(desired)
    if desired.template and desired.state in (*STARTING, "saved"):
        errors.append(FieldError("template", f"a VM that is {desired.state} can't be one: it never runs"))
    uuid = None if desired.uuid is None else plain_uuid(desired.uuid)
    if desired.uuid is not None and uuid is None:
        errors.append(FieldError("uuid", "is not a UUID"))
    errors += _contradictions(desired)
    if errors:
        raise InvalidSpec(errors)
    if desired.xml is None:
        return dataclasses.replace(desired, uuid=uuid)
    return _named_by_xml(dataclasses.replace(desired, uuid=uuid), desired.xml)


def _contradictions(desired: Desired) -> Iterator[FieldError]:
    """What is described beside XML that describes it, too."""
    for name, value in desired.spec.items():
        if desired.xml is not None and value is not None and name not in _BESIDE_XML:
            yield FieldError(name, "does not go with xml, which says it")


def _named_by_xml(desired: Desired, xml: str) -> Desired:
    # here, as few need it: each task of a module compiles anew what it imports
    from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.given import given_xml

    given = given_xml(xml)
    if desired.name not in (None, given.name):
        raise InvalidSpec([FieldError("name", f"is not that of the XML, which is '{given.name}'")])
    errors = list(value_errors("xml", given.name, NAME_FACTS))
    if desired.uuid is not None and given.uuid not in (None, desired.uuid):
        errors.append(FieldError("uuid", f"is not that of the XML, which is {given.uuid}"))
    if errors:
        raise InvalidSpec(errors)
    return dataclasses.replace(desired, spec={**desired.spec, "name": given.name}, uuid=desired.uuid or given.uuid)


def _wait_errors(desired: Desired) -> Iterator[FieldError]:
    yield from port_errors(desired.wait_for, desired.wait_port)
    if desired.wait_for not in (None, "off") and desired.state in _SILENT:
        yield FieldError("wait_for", f"a VM that is {desired.state} never has that: only 'off' can be waited for")
    if desired.wait_for == "off" and desired.state == "paused":
        yield FieldError("wait_for", "a VM that is paused never goes off by itself")


def _exclusive_errors(desired: Desired) -> Iterator[FieldError]:
    for name in ("tags", "metadata", "disks", "nics", "devices"):
        if getattr(desired, f"{name}_exclusive") and desired.spec.get(name) is None:
            yield FieldError(f"{name}_exclusive", f"goes with {name}: an empty list is one, too")
    if desired.delete_detached_disks and not desired.disks_exclusive:
        yield FieldError("delete_detached_disks", "goes with disks_exclusive, which is what detaches disks")


def check_identity(desired: Desired, observed: ObservedMachine) -> None:
    """Raise if the domain that was found is not the one that was meant, or is not a whole one."""
    if desired.uuid is not None and observed.uuid != desired.uuid:
        raise NameTaken(f"VM '{observed.name}' already exists on this host, with another UUID", "uuid")
    if desired.name is not None and observed.name != desired.name:
        raise InvalidSpec([FieldError("name", f"the VM with that UUID is named '{observed.name}'")])
    if observed.record is not None and observed.record.incomplete and desired.state != "absent":
        raise WrongState(f"VM '{observed.name}' is being created, or its creation was cut off; state absent removes it")
