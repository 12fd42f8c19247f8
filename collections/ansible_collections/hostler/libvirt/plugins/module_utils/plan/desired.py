# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings one VM, there or not, to what is desired."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, Mapping, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    NameTaken,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    facts,
    field_errors,
    object_from,
    value_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.metadata import combined
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import Change, plan_change, validate_change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import Switching, plan_power
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_state import power_state_of
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import (
    RestoreDomain,
    StartDomain,
    SuspendDomain,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.template import require_no_template
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wait import WAITS, WaitFor
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import NAME_FACTS, plain_uuid
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec, facts_of

STATES = ("present", "running", "stopped", "restarted", "paused", "saved", "absent")
STARTING = ("running", "restarted", "paused")
"""The states in which a VM that is made is started."""

# in which nothing can be heard of a guest
_SILENT = ("stopped", "paused", "saved", "absent")

# of a spec, what an existing VM can be given; the rest of it is a new one's alone
_CHANGEABLE = (
    "cpu_cores",
    "memory_mb",
    "disk_gb",
    "os_type",
    "os_version",
    "description",
    "tags",
    "metadata",
    "autostart",
    "protected",
    "network_config",
)
# what a VM was made with and keeps; another value would be ignored, so it is refused
_FIXED = ("firmware", "secure_boot", "tpm", "max_cpu_cores", "max_memory_mb")
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
    if desired.wait_for == "port" and desired.wait_port is None:
        yield FieldError("wait_port", "is required to wait for a port")
    if desired.wait_for != "port" and desired.wait_port is not None:
        yield FieldError("wait_port", "goes with wait_for port only")
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


def plan_existing(
    desired: Desired,
    observed: ObservedMachine,
    nat_network: Optional[str] = None,
    now: str = "",
    plugged: Optional[Callable[[bool, bool], Plan]] = None,
) -> Plan:
    """The steps that bring the VM to the desired spec and power state (all but absent).

    ``nat_network`` and ``now`` are `plan_change`'s. ``plugged`` is `plan_plugged` of that VM, of which it is asked
    whether it is active, and whether it is changed live; None where nothing of that is desired. Raises `InvalidSpec`,
    `WrongState`, `Protected`.
    """
    change = completed(wanted_change(desired), desired, observed)
    _require_as_made(desired, observed)

    def changes(of: ObservedMachine, live: bool) -> Plan:
        more = Plan() if plugged is None else plugged(of.is_active, live)
        return plan_change(of, dataclasses.replace(change, live=live), nat_network, now, more)

    off = dataclasses.replace(observed, status="stopped", is_active=False, running=None)
    if observed.is_active and desired.state == "stopped":
        return _switched(desired, observed, "stop").then(changes(off, live=False))
    if observed.is_active and desired.state == "restarted":
        at_once = _without_power_off(lambda: changes(observed, live=False))
        if at_once is not None:
            return at_once.then(_switched(desired, observed, "restart"))
        stop = _switched(desired, observed, "stop")
        again = dataclasses.replace(_switched(desired, off, "start"), after={"state": "running", "restarted": True})
        return stop.then(changes(off, live=False)).then(again)
    return changes(observed, desired.live).then(_power_plan(desired, observed))


def wanted_change(desired: Desired) -> Change:
    """What of ``desired`` an existing VM is to be given. Lists are as they are given: see `completed`."""
    values: Dict[str, Any] = {name: desired.spec.get(name) for name in _CHANGEABLE}
    if all_nics(desired):
        del values["network_config"]
    change: Change = object_from(Change, {**values, "template": desired.template, "live": desired.live}, "a VM")
    return change


def completed(change: Change, desired: Desired, observed: ObservedMachine) -> Change:
    """``change`` with the tags and metadata that the VM has besides, unless those that are given are all.

    Raises `InvalidSpec` for what is wrong with those that are given.
    """
    validate_change(change, observed.name)
    present = () if observed.record is None else observed.record.tags
    if change.metadata is not None and not desired.metadata_exclusive:
        kept = () if observed.record is None else observed.record.metadata
        change = dataclasses.replace(change, metadata=combined(kept, change.metadata))
    if change.tags is not None and not desired.tags_exclusive:
        change = dataclasses.replace(change, tags=(*present, *(tag for tag in change.tags if tag not in present)))
    elif change.tags is not None and set(change.tags) == set(present):
        change = dataclasses.replace(change, tags=None)  # they have no order
    return change


def all_nics(desired: Desired) -> bool:
    """Whether there is to be no first card, so that all cards are those of the list."""
    config = desired.spec.get("network_config")
    none = isinstance(config, Mapping) and config.get("type") == "none"
    return none and bool(desired.spec.get("nics") or desired.nics_exclusive)


def _without_power_off(plan: Callable[[], Plan]) -> Optional[Plan]:
    """The plan of a change, unless the VM has to be off for it or gets some of it only with its next boot."""
    try:
        made = plan()
    except WrongState:
        return None
    return None if made.next_boot else made


def _power_plan(desired: Desired, observed: ObservedMachine) -> Plan:
    if desired.state in ("running", "restarted"):
        return _switched(desired, observed, "resume" if observed.status == "paused" else "start")
    if desired.state == "saved":
        return _switched(desired, observed, "save")
    if desired.state != "paused":
        return Plan()
    if observed.is_active:
        return _switched(desired, observed, "pause")
    pause = Step(f"Pause VM '{observed.name}'", SuspendDomain(observed.uuid))
    require_no_template(observed.record, observed.name, "be started")
    start = Step(f"Start VM '{observed.name}', paused", StartDomain(observed.uuid, paused=True))
    restore = Step(f"Restore VM '{observed.name}'", RestoreDomain(observed.uuid))
    steps = (restore, pause) if observed.status == "saved" else (start,)
    return Plan(steps, {"state": observed.status}, {"state": "paused"})


def _switched(desired: Desired, observed: ObservedMachine, operation: str) -> Plan:
    return plan_power(Switching(operation, desired.timeout, desired.force_after), power_state_of(observed))


def _require_as_made(desired: Desired, observed: ObservedMachine) -> None:
    present = observed.as_data()
    errors = [
        FieldError(name, f"can't be changed: VM '{observed.name}' was made with {_word(present[name])}")
        for name in _FIXED
        if desired.spec.get(name) not in (None, present[name])
    ]
    wanted = desired.spec.get("machine")
    if wanted is not None:
        errors += value_errors("machine", wanted, facts_of(MachineSpec, "machine"))
        if not _is_machine(wanted, observed.definition.machine or ""):
            made = f"was made with {observed.definition.machine or 'none'}"
            errors.append(FieldError("machine", f"can't be changed: VM '{observed.name}' {made}"))
    if errors:
        raise InvalidSpec(errors)


def _is_machine(wanted: str, present: str) -> bool:
    """Whether that is what ``wanted`` means, of which the short names mean whatever version was the newest once."""
    if wanted in ("q35", "pc"):
        return present == wanted or present.startswith("pc-q35-" if wanted == "q35" else "pc-i440fx-")
    return wanted == present


def _word(value: Any) -> str:
    return str(value).lower()
