# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings one network card of a VM, there or not, to what is wanted."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import Nic, Rate
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.sockets import free_ports
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import (
    Chassis,
    require_changeable,
    require_definition,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.design import connection
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import (
    ChangeNic,
    DefineNic,
    PlugNic,
    SetNic,
    UndefineNic,
    UnplugNic,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import require_awake
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_nic import WantedNic, WantedRate, address_for

# a card of another type is a device of the host, or leads to a program that somebody set up for it
_PLUGGABLE = ("network", "bridge", "user", "direct")
# from one of these to another libvirt can plug a card of a running VM
_PLUGGABLE_LIVE = ("network", "bridge")
_ON_PCIE = ("virtio", "e1000e")  # the others are PCI's, for which a machine with PCIe has no free slot while it runs

_SETTINGS = ("connection", "model", "alias", "link", "filter", "inbound", "outbound")
_NEVER_LIVE = ("model", "alias")


class FoundNic(NamedTuple):
    """The card that is meant, as it is defined and as it runs; None on a side that has no such card."""

    defined: Optional[Nic]
    running: Optional[Nic]

    @property
    def nic(self) -> Optional[Nic]:
        """What is known of it."""
        return self.defined or self.running


def find_nic(wanted: WantedNic, chassis: Chassis) -> FoundNic:
    """The card that is meant; raises `InvalidSpec` for an index or an alias that is that of no card, or of another."""
    address = wanted.mac_address
    if wanted.index is not None:
        cards = chassis.running_nics if chassis.defined_xml is None else chassis.defined_nics
        if wanted.index >= len(cards):
            raise InvalidSpec([FieldError("index", f"is that of no card: the VM has {len(cards)}")])
        address = cards[wanted.index].mac_address
    named = [nic for nic in (*chassis.defined_nics, *chassis.running_nics) if nic.alias and nic.alias == wanted.alias]
    if address is None and named:
        address = named[0].mac_address
    if any(nic.mac_address != address for nic in named):
        raise InvalidSpec([FieldError("alias", f"is that of card {named[0].mac_address} of this VM")])
    return FoundNic(_of(chassis.defined_nics, address), _of(chassis.running_nics, address))


def plan_nic(wanted: WantedNic, chassis: Chassis, found: FoundNic, nat_network: Optional[str]) -> Plan:
    """The steps that bring the card that was ``found``, or a new one, to what is wanted.

    ``nat_network`` is the host's (None: QEMU's own NAT serves). Raises `InvalidSpec`, `WrongState`.
    """
    nic = found.nic
    if nic is None:
        plan = Plan() if wanted.state == "absent" else _new(wanted, chassis, nat_network)
    elif wanted.state == "absent":
        plan = _absent(wanted, chassis, found, nic)
    else:
        plan = _change(wanted, chassis, found, nic, nat_network)
    if plan.changed:
        require_changeable(chassis, wanted.live)
    return plan


def nic_as_data(nic: Nic) -> Dict[str, Any]:
    """Plain data of a card, for an answer; ``type`` and ``source`` are libvirt's."""
    names = ("mac_address", "alias", "type", "source", "model", "link", "filter")
    ways = {way: dataclasses.asdict(getattr(nic, way)) for way in ("inbound", "outbound")}
    limits = {
        way: {name: value for name, value in rate.items() if value} for way, rate in ways.items() if any(rate.values())
    }
    return {**{name: getattr(nic, name) for name in names}, "bandwidth": limits}


def _of(cards: Sequence[Nic], address: Optional[str]) -> Optional[Nic]:
    return next((nic for nic in cards if address is not None and nic.mac_address == address), None)


def _new(wanted: WantedNic, chassis: Chassis, nat_network: Optional[str]) -> Plan:
    kind, source = connection(wanted.config, nat_network)
    taken = [nic.mac_address for nic in (*chassis.defined_nics, *chassis.running_nics) if nic.mac_address is not None]
    address = wanted.mac_address or address_for(chassis.uuid, wanted.alias or "", taken)
    blank = Nic(kind, source, address, wanted.model or "virtio")
    nic = _with(wanted, blank, nat_network)
    steps: List[Step] = []
    reason = _why_not_live(nic, chassis)
    if chassis.is_active and reason is None:
        steps.append(Step(f"Plug in card {address}", PlugNic(chassis.uuid, nic), Applies.NOW))
    elif chassis.defined_xml is None:
        raise WrongState(f"Card {address} can't be plugged in: {reason}, and the VM is transient")
    if chassis.defined_xml is not None:
        waits = f", for the next boot: {reason}" if reason else ""
        applies = Applies.NEXT_BOOT if reason else Applies.NOW
        title = f"Write card {address} into the definition{waits}"
        steps.append(Step(title, DefineNic(chassis.uuid, nic), applies, ("state",)))
    shown = {name: value for name, value in nic_as_data(nic).items() if value not in (None, {})}
    return Plan(tuple(steps), {"state": "absent"}, {"state": "present", **shown})


def _with(wanted: WantedNic, nic: Nic, nat_network: Optional[str]) -> Nic:
    """``nic`` with the settings that are wanted; raises `InvalidSpec` for those that don't go together."""
    given: Dict[str, Any] = {
        name: getattr(wanted, name) for name in ("model", "alias", "link") if getattr(wanted, name) is not None
    }
    if wanted.filter is not None:
        given["filter"] = wanted.filter or None
    if wanted.type is not None:
        given["type"], given["source"] = connection(wanted.config, nat_network)
    errors: List[FieldError] = []
    for way in ("inbound", "outbound"):
        rate = getattr(wanted.bandwidth, way, None)
        if rate is not None:
            given[way] = _rate(rate, getattr(nic, way))
            errors += _rate_errors(f"bandwidth.{way}", given[way])
    if errors:
        raise InvalidSpec(errors)
    return dataclasses.replace(nic, **given)


def _rate(wanted: WantedRate, present: Rate) -> Rate:
    given = {name: value for name, value in dataclasses.asdict(wanted).items() if value is not None}
    # without an average there is no limit that the others could be of
    return Rate() if given == {"average": 0} else dataclasses.replace(present, **given)


def _rate_errors(path: str, rate: Rate) -> Iterator[FieldError]:
    if not rate.average and (rate.peak or rate.burst):
        yield FieldError(f"{path}.average", "is required for a peak or a burst")


def _change(wanted: WantedNic, chassis: Chassis, found: FoundNic, present: Nic, nat_network: Optional[str]) -> Plan:
    defined, running = found
    nic = _with(wanted, present, nat_network)
    if nic.setting("connection") != present.setting("connection") and present.type not in _PLUGGABLE:
        reason = f"of card {present.mac_address} is {present.type}, which is left to whoever made it"
        raise InvalidSpec([FieldError("type", reason)])
    asked = [name for name in _SETTINGS if _is_asked(wanted, name)]
    live = [name for name in asked if running is not None and running.setting(name) != nic.setting(name)]
    late = [name for name in live if running is not None and not _can_be_live(name, nic, running)]
    live = [name for name in live if name not in late]
    behind = [name for name in asked if defined is not None and defined.setting(name) != nic.setting(name)]
    before: Dict[str, Any] = {}
    after: Dict[str, Any] = {}
    steps: List[Step] = []
    if late and chassis.defined_xml is None:
        require_definition(chassis)
    if live:
        title = f"Change {', '.join(live)} of card {nic.mac_address}"
        steps.append(Step(title, ChangeNic(chassis.uuid, nic, tuple(live)), Applies.NOW, _options(live)))
    if chassis.is_active and running is None and _why_not_live(nic, chassis) is None:
        steps.append(Step(f"Plug in card {nic.mac_address}", PlugNic(chassis.uuid, nic), Applies.NOW))
        before["running"], after["running"] = False, True
    if defined is None and chassis.defined_xml is not None:
        title = f"Write card {nic.mac_address} into the definition"
        steps.append(Step(title, DefineNic(chassis.uuid, nic), Applies.NOW))
        before["defined"], after["defined"] = False, True
    for waits, applies in ((False, Applies.NOW), (True, Applies.NEXT_BOOT)):
        names = tuple(name for name in behind if (name in late) is waits)
        if names:
            title = f"Set {', '.join(names)} of card {nic.mac_address}{' for the next boot' if waits else ''}"
            steps.append(Step(title, SetNic(chassis.uuid, nic, names), applies, _options(names)))
    old, new = nic_as_data(defined if behind and defined else running or present), nic_as_data(nic)
    for key in old:
        if (live or behind) and old[key] != new[key]:
            before[key], after[key] = old[key], new[key]
    return Plan(tuple(steps), before, after)


def _is_asked(wanted: WantedNic, name: str) -> bool:
    if name == "connection":
        return wanted.type is not None
    if name in ("inbound", "outbound"):
        return getattr(wanted.bandwidth, name, None) is not None
    return getattr(wanted, name) is not None


def _can_be_live(name: str, nic: Nic, running: Nic) -> bool:
    if name == "connection":
        return running.type in _PLUGGABLE_LIVE and nic.type in _PLUGGABLE_LIVE
    return name not in _NEVER_LIVE


def _options(names: Sequence[str]) -> Tuple[str, ...]:
    """What the module calls those settings."""
    called = {"connection": "type", "inbound": "bandwidth", "outbound": "bandwidth"}
    return tuple(dict.fromkeys(called.get(name, name) for name in names))


def _absent(wanted: WantedNic, chassis: Chassis, found: FoundNic, nic: Nic) -> Plan:
    address = nic.mac_address or ""
    steps: List[Step] = []
    if found.running is not None:
        require_changeable(chassis, wanted.live)
        require_awake(chassis.status, f"let go of card {address}")
        steps.append(Step(f"Unplug card {address}", UnplugNic(chassis.uuid, address, wanted.timeout), Applies.NOW))
    if found.defined is not None:
        title = f"Take card {address} out of the definition"
        steps.append(Step(title, UndefineNic(chassis.uuid, address), Applies.NOW, ("state",)))
    shown = {name: value for name, value in nic_as_data(nic).items() if name in ("mac_address", "alias") and value}
    return Plan(tuple(steps), {"state": "present", **shown}, {"state": "absent"})


def _why_not_live(nic: Nic, chassis: Chassis) -> Optional[str]:
    ports = None if chassis.running_xml is None else free_ports(chassis.running_xml)
    if ports is None:
        return None
    if nic.model not in _ON_PCIE:
        return f"a card of model {nic.model} needs a PCI slot, and none is free"
    return "no PCIe port is free" if ports == 0 else None
