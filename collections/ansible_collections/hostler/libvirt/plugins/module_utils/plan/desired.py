# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings one VM, there or not, to what is desired."""

from __future__ import annotations

import dataclasses
import uuid as uuids
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Tuple

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
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.sizes import plan_resize
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import (
    Plan,
    ResumeDomain,
    StartDomain,
    Step,
    StopDomain,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import NAME_FACTS
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import (
    Resources,
    validate_resources,
)

STATES = ("present", "running", "stopped", "absent")


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
    force: bool = False
    live: bool = False
    delete_disks: bool = True

    @property
    def name(self) -> Optional[str]:
        """The domain's name, where it is named."""
        return self.spec.get("name")

    @property
    def label(self) -> str:
        """How to speak of it."""
        return f"'{self.name}'" if self.name else f"with UUID {self.uuid}"


def validate_desired(desired: Desired) -> Desired:
    """``desired``, with its UUID as libvirt writes it; raises `InvalidSpec` with what can be of no VM on no host."""
    errors = [*field_errors(desired), *field_errors(desired.placement)]
    if desired.name is not None:
        errors += value_errors("name", desired.name, NAME_FACTS)
    uuid = None
    if desired.uuid is not None:
        try:
            uuid = str(uuids.UUID(desired.uuid))
        except ValueError:
            errors.append(FieldError("uuid", "is not a UUID"))
    if errors:
        raise InvalidSpec(errors)
    return dataclasses.replace(desired, uuid=uuid)


def check_identity(desired: Desired, observed: ObservedMachine) -> None:
    """Raise if the domain that was found is not the one that was meant, or is not a whole one."""
    if desired.uuid is not None and observed.uuid != desired.uuid:
        raise NameTaken(f"VM '{observed.name}' already exists on this host, with another UUID", "uuid")
    if desired.name is not None and observed.name != desired.name:
        raise InvalidSpec([FieldError("name", f"the VM with that UUID is named '{observed.name}'")])
    if observed.record is not None and observed.record.incomplete and desired.state != "absent":
        raise WrongState(f"VM '{observed.name}' is being created, or its creation was cut off; state absent removes it")


def plan_existing(desired: Desired, observed: ObservedMachine) -> Plan:
    """The steps that bring the VM to the desired sizes and power state (all but absent)."""
    wanted = validate_resources(
        Resources(desired.spec.get("cpu_cores"), desired.spec.get("memory_mb"), desired.spec.get("disk_gb"))
    )
    if desired.state == "stopped" and observed.is_active:
        stop = Step(
            f"Stop VM '{observed.name}'", StopDomain(observed.uuid, timeout=desired.timeout, force=desired.force)
        )
        off = dataclasses.replace(observed, status="stopped", is_active=False, running=None)
        return _power_plan((stop,), observed.status, "stopped").then(plan_resize(off, wanted))
    resize = plan_resize(observed, wanted, desired.live)
    if desired.state == "running" and not observed.is_active:
        start = Step(f"Start VM '{observed.name}'", StartDomain(observed.uuid))
        return resize.then(_power_plan((start,), observed.status, "running"))
    if desired.state == "running" and observed.status == "paused":
        resume = Step(f"Resume VM '{observed.name}'", ResumeDomain(observed.uuid))
        return resize.then(_power_plan((resume,), observed.status, "running"))
    return resize


def _power_plan(steps: Tuple[Step, ...], before: str, after: str) -> Plan:
    return Plan(steps, {"state": before}, {"state": after})
