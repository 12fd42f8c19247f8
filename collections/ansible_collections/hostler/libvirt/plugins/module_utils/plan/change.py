# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that changes an existing VM, whoever made it.

What can be undone comes first, what can't (memory that is plugged in, a disk that has grown) last: a change that fails
half-way is put back as it was.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.card import card_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import check_types, field_errors, value_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.metadata import entries_of, metadata_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.design import VNC_LISTEN, connection
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import (
    ConnectCard,
    RenameDomain,
    ResizeDomain,
    SetAutostart,
    SetVnc,
    WriteRecord,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.sizes import (
    MUST_BE_STOPPED,
    TRANSIENT,
    plan_resize,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.template import require_no_template
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import DeleteVolume, GrowDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import (
    MachineSpec,
    NetworkConfig,
    Resources,
    facts_of,
    tag_errors,
)

__all__ = ["MUST_BE_STOPPED", "MUST_BE_STOPPED_TO_RENAME", "Change", "plan_change", "plan_resize", "validate_change"]

MUST_BE_STOPPED_TO_RENAME = "VM must be stopped before renaming"

_IN_THE_RECORD = ("os_type", "os_version", "description", "tags", "metadata", "protected", "template")
_NEVER_SPECIFIED = ("vnc_enabled", "network_config", "template", "live")  # of a spec, or not as a value of its own

_NOTHING = Plan()

# a card of another type is a device of the host, or leads to a program that somebody set up for it
_PLUGGABLE = ("network", "bridge", "user", "direct")
# from one of these to another libvirt can plug a card of a running VM
_PLUGGABLE_LIVE = ("network", "bridge")


@dataclass(frozen=True)
class Change:
    """What is to be different about a VM; None leaves a field as it is, an empty text or list empties it.

    ``network_config`` is the first card's: one that is there keeps its address unless it is given one, and its model
    unless it is given another than virtio. ``tags`` and ``metadata`` are all that there shall be. ``live`` lets it grow
    while it runs.
    """

    name: Optional[str] = None
    cpu_cores: Optional[int] = None
    memory_mb: Optional[int] = None
    disk_gb: Optional[float] = None
    os_type: Optional[str] = None
    os_version: Optional[str] = None
    description: Optional[str] = None
    tags: Optional[Tuple[str, ...]] = None
    metadata: Optional[Mapping[str, Any]] = None
    autostart: Optional[bool] = None
    protected: Optional[bool] = None
    template: Optional[bool] = None
    vnc_enabled: Optional[bool] = None
    network_config: Optional[NetworkConfig] = None
    live: bool = False


def validate_change(change: Change, present_name: Optional[str] = None) -> Change:
    """Return ``change`` if every field can be; raise `InvalidSpec` with every one that can't.

    ``present_name`` is the VM's, whoever gave it that: to keep it is never wrong.
    """
    check_types(change)
    errors: List[FieldError] = []
    for one in dataclasses.fields(change):
        value = getattr(change, one.name)
        if value is None or one.name in _NEVER_SPECIFIED or (one.name == "name" and value == present_name):
            continue
        errors += value_errors(one.name, value, facts_of(MachineSpec, one.name))
    errors += tag_errors(change.tags or ())
    errors += metadata_errors(change.metadata or {})
    if change.network_config is not None:
        errors += field_errors(change.network_config, "network_config.")
        errors += card_errors("network_config", change.network_config)
    if errors:
        raise InvalidSpec(errors)
    return change


def plan_change(
    observed: ObservedMachine, change: Change, nat_network: Optional[str], now: str = "", more: Plan = _NOTHING
) -> Plan:
    """The steps from what ``observed`` is to what ``change`` says; none where it is that already.

    ``nat_network`` is the host's (None: QEMU's own NAT serves), ``now`` the time in UTC from which a VM of others that
    gets a record is ours. ``more`` is to be done with it, what of it can be undone before what can't. Raises
    `InvalidSpec`, `WrongState`.
    """
    validate_change(change, observed.name)
    if observed.record is not None and observed.record.incomplete:
        raise WrongState(f"VM '{observed.name}' is being created, or its creation was cut off")
    sizes = plan_resize(observed, Resources(change.cpu_cores, change.memory_mb, change.disk_gb), change.live)
    in_definition = tuple(step for step in sizes.steps if isinstance(step.operation, ResizeDomain))
    _check_template(observed, change, [*sizes.steps, *more.steps])
    plan = Plan(in_definition, sizes.before, sizes.after)
    for part in (
        _card_plan(observed, change.network_config, nat_network),
        _vnc_plan(observed, change.vnc_enabled),
        _name_plan(observed, change.name),
        _record_plan(observed, change, now),
        _autostart_plan(observed, change.autostart),
        dataclasses.replace(more, steps=tuple(step for step in more.steps if not _is_final(step))),
    ):
        plan = plan.then(part)
    plan = plan.then(Plan(tuple(step for step in sizes.steps if step not in in_definition)))
    return plan.then(Plan(tuple(step for step in more.steps if _is_final(step))))


def _check_template(observed: ObservedMachine, change: Change, steps: Sequence[Step]) -> None:
    if change.template and not observed.is_off:
        raise WrongState(f"VM must be stopped before it becomes a template; it is {observed.status}", "template")
    if change.template is not False and any(not isinstance(step.operation, ResizeDomain) for step in steps):
        require_no_template(observed.record, observed.name, "get other disks or devices")


def _is_final(step: Step) -> bool:
    """Whether it can't be undone."""
    return isinstance(step.operation, (GrowDisk, DeleteVolume))


def _name_plan(observed: ObservedMachine, name: Optional[str]) -> Plan:
    if name is None or name == observed.name:
        return Plan()
    _require_definition(observed)
    if observed.status == "saved":
        raise WrongState(f"{MUST_BE_STOPPED_TO_RENAME}; it is saved: start it, then stop it")
    if not observed.is_off:
        raise WrongState(MUST_BE_STOPPED_TO_RENAME)
    step = Step(f"Rename VM '{observed.name}' to '{name}'", RenameDomain(observed.uuid, name), Applies.OFF, ("name",))
    return Plan((step,), {"name": observed.name}, {"name": name})


def _record_plan(observed: ObservedMachine, change: Change, now: str) -> Plan:
    present = observed.record or Record(uuid=observed.uuid, created=now, revision=0)
    given: Dict[str, Any] = {}
    for name in _IN_THE_RECORD:
        value = getattr(change, name)
        value = None if value == "" else entries_of(value) if isinstance(value, Mapping) else value
        if getattr(change, name) is not None and value != getattr(present, name):
            given[name] = value
    if not given:
        return Plan()
    _require_definition(observed)
    record = dataclasses.replace(present, revision=present.revision + 1, **given)
    step = Step("Write the VM's record", WriteRecord(observed.uuid, record), Applies.NOW, tuple(given))
    before = {name: _plain(name, getattr(present, name)) for name in given}
    return Plan((step,), before, {name: _plain(name, value) for name, value in given.items()})


def _autostart_plan(observed: ObservedMachine, autostart: Optional[bool]) -> Plan:
    if autostart is None or autostart == observed.autostart:
        return Plan()
    _require_definition(observed)
    title = "Start the VM with its host" if autostart else "Leave the VM off when its host starts"
    step = Step(title, SetAutostart(observed.uuid, autostart), Applies.NOW, ("autostart",))
    return Plan((step,), {"autostart": observed.autostart}, {"autostart": autostart})


def _vnc_plan(observed: ObservedMachine, enabled: Optional[bool]) -> Plan:
    present = any(display.type == "vnc" for display in observed.definition.graphics)
    if enabled is None or enabled == present:
        return Plan()
    _require_hardware(observed)
    title = "Give the VM a VNC display" if enabled else "Take the VM's VNC display away"
    operation = SetVnc(observed.uuid, VNC_LISTEN if enabled else None)
    step = Step(title, operation, _at_next_start(observed), ("vnc_enabled",))
    return Plan((step,), {"vnc_enabled": present}, {"vnc_enabled": enabled})


def _card_plan(observed: ObservedMachine, config: Optional[NetworkConfig], nat_network: Optional[str]) -> Plan:
    if config is None:
        return Plan()
    cards = observed.definition.interfaces
    present = cards[0] if cards else None
    wanted = _card(config, present, nat_network)
    if wanted == present:
        return Plan()
    if present is not None and present.type not in _PLUGGABLE:
        raise _refused(f"the VM's first card is of type {present.type}, which is left to whoever made it")
    if wanted is None and len(cards) > 1:
        raise _refused("the VM has further cards: none takes away its only one")
    _require_hardware(observed)
    live = wanted is not None and _can_be_plugged_live(observed, wanted)
    applies = Applies.NOW if live else _at_next_start(observed)
    step = Step(_card_title(wanted), ConnectCard(observed.uuid, wanted, live), applies, ("network_config",))
    before = {"network_config": _card_as_data(present, nat_network)}
    return Plan((step,), before, {"network_config": _card_as_data(wanted, nat_network)})


def _card(config: NetworkConfig, present: Optional[Interface], nat_network: Optional[str]) -> Optional[Interface]:
    """The first card as it is to be, None for none."""
    if config.type == "none":
        return None
    kind, source = connection(config, nat_network)
    address = None if config.mac_address is None else config.mac_address.lower()
    if present is None:
        return Interface(kind, source, address, config.model)
    model = present.model if config.model == NetworkConfig().model else config.model
    kept = (present.mac_address or "").lower()
    return Interface(kind, source, present.mac_address if address in (None, kept) else address, model)


def _can_be_plugged_live(observed: ObservedMachine, wanted: Interface) -> bool:
    cards = () if observed.running is None else observed.running.interfaces
    return any(
        card.type in _PLUGGABLE_LIVE
        and wanted.type in _PLUGGABLE_LIVE
        and (card.mac_address, card.model) == (wanted.mac_address, wanted.model)
        for card in cards
    )


def _card_title(card: Optional[Interface]) -> str:
    if card is None:
        return "Take the VM's network card away"
    return f"Connect the VM's first card to {card.type} '{card.source}'" if card.source else "Connect it to QEMU's NAT"


def _card_as_data(card: Optional[Interface], nat_network: Optional[str]) -> Dict[str, Any]:
    if card is None:
        return {"type": "none"}
    data: Dict[str, Any] = {"type": card.type}
    if (card.type, card.source) in (("user", None), ("network", nat_network)):
        data = {"type": "nat"}
    elif card.type in ("bridge", "network"):
        data[f"{card.type}_name"] = card.source
    shown = {**data, "model": card.model, "mac_address": card.mac_address}
    return {name: value for name, value in shown.items() if value is not None}


def _refused(reason: str) -> InvalidSpec:
    return InvalidSpec([FieldError("network_config.type", reason)])


def _at_next_start(observed: ObservedMachine) -> Applies:
    return Applies.NEXT_BOOT if observed.is_active else Applies.NOW


def _require_definition(observed: ObservedMachine) -> None:
    if not observed.is_persistent:
        raise WrongState(TRANSIENT)


def _require_hardware(observed: ObservedMachine) -> None:
    """Raise `WrongState` for a VM whose devices can't be changed in its definition."""
    _require_definition(observed)
    if observed.status == "saved":  # it would go on with the devices it had, or not at all
        raise WrongState("VM is saved: start it, then stop it, before its devices are changed")


def _plain(name: str, value: Any) -> Any:
    if name == "metadata":
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
