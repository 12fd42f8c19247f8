# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that has a network be what is wanted: how it is defined, and what of that a running one gets at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.network_entries import OWN_MODES
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.edit import (
    Edit,
    new_network,
    with_live_lists,
    with_options,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.given import (
    GivenNetwork,
    adopted_network,
    is_as_given,
    persistent_xml,
    same_network,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.live import LiveChange, live_changes
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import read_network
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.sections import SECTIONS
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_soundness import require_sound
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_steps import (
    DefineNetwork,
    SetNetworkAutostart,
    StartNetwork,
    StopNetwork,
    UndefineNetwork,
    UpdateNetwork,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_wish import NetworkWish, ObservedNetwork
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan, Step

_LIVE = tuple(section.option for section in SECTIONS if section.live)
_WORDS = {
    "dhcp_hosts": "a kept address",
    "dhcp_ranges": "a DHCP range",
    "dns_hosts": "a DNS host",
    "dns_srv": "an SRV record",
    "dns_txt": "a TXT record",
    "interfaces": "an interface",
    "portgroups": "a portgroup",
}
_VERBS = {"add": "Add {} to", "delete": "Take {} out of", "modify": "Change {} of"}


@dataclass(frozen=True)
class NetworkPlan:
    """The steps, and the options that the running network gets only when it starts again, whoever wrote them down."""

    plan: Plan = field(default_factory=Plan)
    next_start: Tuple[str, ...] = ()


def plan_network(
    observed: Optional[ObservedNetwork], wish: NetworkWish, given: Optional[GivenNetwork] = None
) -> NetworkPlan:
    """The steps from what is there to what is wanted; ``given`` is the wish's XML.

    Raises `InvalidSpec` for what can't be, `WrongState` where VMs that run need the network as it is.
    """
    if wish.state == "absent":
        return NetworkPlan(_absent(observed, wish))
    if observed is None:
        return NetworkPlan(_new(wish, given))
    return _existing(observed, wish, given)


def _absent(observed: Optional[ObservedNetwork], wish: NetworkWish) -> Plan:
    if observed is None:
        return Plan()
    steps: List[Step] = []
    if observed.is_active:
        _require_unused(observed, wish.force, "removed", "force")
        steps.append(_stop(observed.name))
    if observed.persistent:
        steps.append(Step(f"Remove network '{observed.name}'", UndefineNetwork(observed.name)))
    before = _shown(read_network(observed.xml))
    return Plan(tuple(steps), {**before, "state": _state(observed), "autostart": observed.autostart}, {})


def _new(wish: NetworkWish, given: Optional[GivenNetwork]) -> Plan:
    if given is not None:
        xml, fingerprint = adopted_network(given, None), given.fingerprint
    else:
        made = with_options(new_network(wish.name), wish.edit)
        xml, fingerprint = made.xml, None
        require_sound(read_network(xml), made.misplaced, tuple(wish.edit.options))
    data = read_network(xml)
    define = DefineNetwork(wish.name, xml, _promised(data, wish), fingerprint)
    steps = [Step(f"Define network '{wish.name}'", define, Applies.NOW, tuple(wish.edit.options))]
    if wish.autostart:
        steps.append(_autostart(wish.name, True))
    if wish.state == "active":
        steps.append(_start(wish.name))
    after = {"xml": xml} if given is not None else _shown(data)
    state = "active" if wish.state == "active" else "inactive"
    return Plan(tuple(steps), {}, {"name": wish.name, **after, "state": state, "autostart": bool(wish.autostart)})


def _existing(observed: ObservedNetwork, wish: NetworkWish, given: Optional[GivenNetwork]) -> NetworkPlan:
    definition = _redefined(observed, wish, given)
    live, waiting = _running(observed, wish, given, definition)
    restarts = bool(waiting) and wish.restart
    if restarts:
        _require_unused(observed, False, f"restarted, which {', '.join(waiting)} waits for", "restart")
    if restarts or wish.state == "inactive":
        live, waiting = Plan(), ()
    # the diff says it once
    plan = _timed(definition, waiting).then(Plan(live.steps) if definition.changed else live)
    if wish.autostart is not None and wish.autostart != observed.autostart:
        step = _autostart(observed.name, wish.autostart)
        plan = plan.then(Plan((step,), {"autostart": observed.autostart}, {"autostart": wish.autostart}))
    if restarts:
        return NetworkPlan(_around(plan, observed.name))
    return NetworkPlan(plan.then(_power(observed, wish)), waiting)


def _around(plan: Plan, name: str) -> Plan:
    """The plan between a stop and a start: should the start fail, the network starts as it was defined before."""
    title = f"Restart network '{name}'"
    before, after = {"running": {"restarted": False}}, {"running": {"restarted": True}}
    stop = Plan((_stop(name, f"{title}: stop it"),), before, after)
    return stop.then(plan).then(Plan((_start(name, f"{title}: start it"),)))


def _power(observed: ObservedNetwork, wish: NetworkWish) -> Plan:
    if wish.state == "active" and not observed.is_active:
        return Plan((_start(observed.name),), {"state": "inactive"}, {"state": "active"})
    if wish.state == "inactive" and observed.is_active:
        _require_unused(observed, wish.force, "stopped", "force")
        return Plan((_stop(observed.name),), {"state": "active"}, {"state": "inactive"})
    return Plan()


def _redefined(observed: ObservedNetwork, wish: NetworkWish, given: Optional[GivenNetwork]) -> Plan:
    """The step that defines it anew, if it has to be; one that would be gone once it is stopped is kept by it."""
    if given is not None:
        return _redefined_from(observed, given)
    defined = observed.xml if observed.persistent else persistent_xml(observed.xml)
    made = with_options(defined, wish.edit)
    before, after = read_network(defined), read_network(made.xml)
    if before == after and observed.persistent and not made.misplaced:
        return Plan()
    require_sound(after, made.misplaced, tuple(wish.edit.options))
    changed = [name for name in after if before[name] != after[name]]
    define = DefineNetwork(observed.name, made.xml, {name: after[name] for name in changed})
    diff = {name: before[name] for name in changed}, {name: after[name] for name in changed}
    if not observed.persistent:
        diff = {"persistent": False, **diff[0]}, {"persistent": True, **diff[1]}
    title = f"Change the definition of network '{observed.name}'" if changed else f"Keep network '{observed.name}'"
    return Plan((Step(title, define, Applies.NOW, tuple(changed)),), *diff)


def _redefined_from(observed: ObservedNetwork, given: GivenNetwork) -> Plan:
    if given.uuid is not None and given.uuid != observed.uuid:
        raise InvalidSpec([FieldError("xml", f"has another <uuid> than network '{observed.name}' ({observed.uuid})")])
    if observed.persistent and is_as_given(observed.xml, given):
        return Plan()
    xml = adopted_network(given, observed.xml)
    define = DefineNetwork(observed.name, xml, {}, given.fingerprint)
    step = Step(f"Define network '{observed.name}' from XML", define, Applies.NOW, ("xml",))
    return Plan((step,), {"xml": persistent_xml(observed.xml)}, {"xml": persistent_xml(xml)})


def _running(
    observed: ObservedNetwork, wish: NetworkWish, given: Optional[GivenNetwork], definition: Plan
) -> Tuple[Plan, Tuple[str, ...]]:
    """What the network that runs gets at once, and the options that it doesn't."""
    if observed.running is None:
        return Plan(), ()
    if given is not None:
        waits = definition.changed or not same_network(observed.running, observed.xml)
        return Plan(), ("xml",) if waits else ()
    edit = wish.edit
    before = read_network(observed.running)
    wanted = read_network(with_options(observed.running, edit).xml)
    # what would not go with the mode that it has, or is to have, waits
    modes = (before["forward"]["mode"], wanted["forward"]["mode"])
    lists = [name for name in edit.options if all(name in _changeable(mode) for mode in modes)]
    now = with_live_lists(observed.running, Edit({name: edit.options[name] for name in lists}, edit.exclusive))
    changes = live_changes(observed.running, now.xml)
    steps = tuple(
        Step(_title(one, observed.name), UpdateNetwork(observed.name, one), fields=(one.option,)) for one in changes
    )
    after = read_network(now.xml)
    changed = list(dict.fromkeys(one.option for one in changes))
    was, is_now = {name: before[name] for name in changed}, {name: after[name] for name in changed}
    plan = Plan(steps, {"running": was} if was else {}, {"running": is_now} if is_now else {})
    # an entry in a subnet that comes with the next start comes with it
    late = {one.option for one in now.misplaced}
    return plan, tuple(
        name for name in edit.options if name in late or (name not in lists and before[name] != wanted[name])
    )


def _changeable(mode: str) -> Tuple[str, ...]:
    """The lists that libvirt can change in a network that runs with that mode."""
    if mode in OWN_MODES:
        # an interface is there a rule of the host's firewall, which would stay as it was
        return tuple(name for name in _LIVE if name != "interfaces")
    return ("portgroups",) if mode == "hostdev" else ("portgroups", "interfaces")


def _timed(definition: Plan, waiting: Sequence[str]) -> Plan:
    """The definition's step, with when a network that runs has what it says."""
    if not waiting or not definition.changed:
        return definition
    (step,) = definition.steps
    waits = Step(step.title, step.operation, Applies.NEXT_START, tuple(waiting))
    return Plan((waits,), definition.before, definition.after)


def _require_unused(observed: ObservedNetwork, force: bool, what: str, field_name: str) -> None:
    if not observed.users or force:
        return
    count = len(observed.users)
    who = f"VM {_quoted(observed.users)} has a card" if count == 1 else f"VMs {_quoted(observed.users)} have cards"
    raise WrongState(f"Network '{observed.name}' can't be {what}: {who} on it and would be cut off", field_name)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _title(change: LiveChange, name: str) -> str:
    return f"{_VERBS[change.command].format(_WORDS[change.option])} network '{name}', which runs"


def _start(name: str, title: Optional[str] = None) -> Step:
    return Step(title or f"Start network '{name}'", StartNetwork(name))


def _stop(name: str, title: Optional[str] = None) -> Step:
    return Step(title or f"Stop network '{name}'", StopNetwork(name))


def _autostart(name: str, autostart: bool) -> Step:
    when = "with its host" if autostart else "only when it is told to"
    return Step(f"Start network '{name}' {when}", SetNetworkAutostart(name, autostart))


def _state(observed: ObservedNetwork) -> str:
    return "active" if observed.is_active else "inactive"


def _shown(data: Mapping[str, Any]) -> Dict[str, Any]:
    """What there is to say of a network, for a diff: what it has."""
    return {name: value for name, value in data.items() if value not in (None, [], False)}


def _promised(data: Mapping[str, Any], wish: NetworkWish) -> Dict[str, Any]:
    return {name: data[name] for name in wish.edit.options}
