# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a storage pool changes so that it is as it should be, without touching anything."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    PoolNotFound,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_steps import (
    BuildPool,
    DefinePool,
    DeletePool,
    DeletePoolVolumes,
    SetPoolAutostart,
    StartPool,
    StopPool,
    UndefinePool,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_pool import (
    DEVICE_TYPES,
    FOLDER_TYPES,
    USUAL_PATHS,
    WantedPool,
    type_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_pool import (
    TYPES,
    ObservedPool,
    PoolDefinition,
    PoolSource,
    waiting,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_xml.own_pool import OwnPool, differences
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_xml.pool import changed_pool, pool_xml, read_pool

_FOLDER_SETTINGS = ("mode", "owner", "group")
_EMPTIED = ("dir", "fs", "logical")  # of which libvirt can take away what they lay in, and which are the host's alone


@dataclass(frozen=True)
class PoolContent:
    """What is in a pool and who needs it, as far as it matters to what is wanted."""

    running_user: Optional[str] = None  # a VM that runs and has a volume of it
    volumes: Tuple[str, ...] = ()  # their paths
    folders: Tuple[str, ...] = ()  # names of folders among them
    unnamed: int = 0  # how many there are whose name is no text
    users: Mapping[str, str] = field(default_factory=dict)  # who uses a volume from outside, by its path


@dataclass(frozen=True)
class PoolPlan:
    """The plan, and the options whose value the pool gets when it is started the next time."""

    plan: Plan
    next_start: List[str]


def plan_pool(found: Optional[ObservedPool], wanted: WantedPool, content: PoolContent = PoolContent()) -> PoolPlan:
    """The steps. Raises `InvalidSpec`, `PoolNotFound`, `WrongState` and `Unsupported` for what can't be."""
    if wanted.state == "absent":
        return PoolPlan(Plan() if found is None else _absent(found, wanted, content), [])
    if found is None:
        return PoolPlan(_new(wanted), [])
    return _changed(found, wanted, content)


def _new(wanted: WantedPool) -> Plan:
    name, own = wanted.name or "", wanted.own
    if own is None:
        definition = _new_definition(wanted)
        xml = pool_xml(definition)
        said = {name: value for name, value in definition.settings().items() if value is not None}
    else:
        definition, xml = read_pool(own.xml), own.xml
        said = {"xml": differences("<pool/>", own.xml)[1]}
    after = {"name": name, "type": definition.type, **said}
    limit = wanted.timeout
    steps = [Step(f"Define storage pool '{name}'", DefinePool(name, xml, None, limit, own is not None))]
    if wanted.autostart is not None:
        after["autostart"] = wanted.autostart
    if wanted.autostart:
        steps.append(Step(f"Have storage pool '{name}' start with the host", SetPoolAutostart(name, True, limit)))
    steps += _building(definition, wanted)
    after["state"] = "active" if wanted.state == "active" else "inactive"
    if wanted.state == "active":
        steps.append(Step(f"Start storage pool '{name}'", StartPool(name, limit)))
    return Plan(tuple(steps), {}, after)


def _new_definition(wanted: WantedPool) -> PoolDefinition:
    name, kind = wanted.name or "", wanted.type
    if kind is None:
        message = f"Storage pool '{name}' not found on this host; type says what a new one is to be"
        raise PoolNotFound(message, "type")
    _require_fitting(kind, wanted, new=True)
    source = wanted.source or PoolSource()
    if kind == "logical" and source.name is None:
        source = dataclasses.replace(source, name=name)
    return PoolDefinition(
        name,
        kind,
        path=wanted.path or USUAL_PATHS.get(kind),
        mode=wanted.mode,
        owner=wanted.owner,
        group=wanted.group,
        source=source,
    )


def _building(definition: PoolDefinition, wanted: WantedPool) -> Iterator[Step]:
    """What is made for a new pool: a folder where there is none, or what lies on its devices."""
    name, kind, mode = definition.name, definition.type, wanted.build
    if mode in ("new", "overwrite") and kind not in DEVICE_TYPES:
        mode = "folder"  # of XML, whose type nobody has compared with it
    if mode == "none" or (mode == "folder" and kind not in FOLDER_TYPES):
        return
    where = definition.path if mode == "folder" else ", ".join(definition.source.devices or (definition.name,))
    title = f"Make the folder {where}" if mode == "folder" else f"Make what storage pool '{name}' needs on {where}"
    yield Step(title, BuildPool(name, mode, where or "", wanted.timeout))


def _changed(found: ObservedPool, wanted: WantedPool, content: PoolContent) -> PoolPlan:
    name, limit = found.name, wanted.timeout
    own = wanted.own
    xml = _own_xml(found, own) if own is not None else _described_xml(found, wanted)
    steps: List[Step] = []
    before: Dict[str, Any] = {}
    after: Dict[str, Any] = {}
    definition = found.definition
    active = found.running is not None
    goes_on = active and wanted.state != "inactive"
    if xml is not None:
        if own is not None:
            definition = read_pool(xml)
            before["xml"], after["xml"] = differences(found.xml, own.xml)
            fields: Tuple[str, ...] = ("xml",)
        else:
            definition = _merged(found.definition, wanted)
            had, has = found.definition.settings(), definition.settings()
            fields = tuple(one for one in has if had[one] != has[one])
            before.update({one: had[one] for one in fields})
            after.update({one: has[one] for one in fields})
        applies = Applies.NEXT_START if goes_on else Applies.NOW
        title = f"Change the definition of storage pool '{name}'"
        steps.append(Step(title, DefinePool(name, xml, found.xml, limit, own is not None), applies, fields))
    elif not found.persistent:
        before["persistent"], after["persistent"] = False, True
        steps.append(Step(f"Define storage pool '{name}'", DefinePool(name, found.xml, None, limit)))
    if wanted.autostart is not None and wanted.autostart != found.autostart:
        before["autostart"], after["autostart"] = found.autostart, wanted.autostart
        title = f"Have storage pool '{name}' {'' if wanted.autostart else 'not '}start with the host"
        steps.append(Step(title, SetPoolAutostart(name, wanted.autostart, limit)))
    if any(one in after for one in ("path", *_FOLDER_SETTINGS)) and wanted.build != "none" and not active:
        steps += _building(definition, dataclasses.replace(wanted, build="folder"))
    if wanted.state in ("active", "inactive") and wanted.state != found.state:
        before["state"], after["state"] = found.state, wanted.state
        steps.append(_start(name, limit) if wanted.state == "active" else _stop(found, wanted, content))
    stays = found.running if goes_on else None
    if own is not None and stays is not None:
        next_start = ["xml"] if xml is not None else []
    else:
        next_start = [] if stays is None else waiting(stays, definition)
    return PoolPlan(Plan(tuple(steps), before, after), next_start)


def _own_xml(found: ObservedPool, own: OwnPool) -> Optional[str]:
    if own.type != found.definition.type:
        raise InvalidSpec([FieldError("xml", _TYPE_STAYS.format(found.definition.type))])
    uuid = found.definition.uuid or ""
    if own.uuid not in (None, uuid):
        raise InvalidSpec([FieldError("xml", f"has another UUID than the pool, which keeps its own: {uuid}")])
    return own.as_of(uuid) if any(differences(found.xml, own.xml)) else None


_TYPE_STAYS = "can't be changed: the pool is of type {}; remove it first (state absent), its content can stay"


def _described_xml(found: ObservedPool, wanted: WantedPool) -> Optional[str]:
    kind = found.definition.type
    if wanted.type not in (None, kind):
        raise InvalidSpec([FieldError("type", _TYPE_STAYS.format(kind))])
    if kind in TYPES:
        _require_fitting(kind, wanted, new=False)
    definition = _merged(found.definition, wanted)
    if definition == found.definition:
        return None
    had, has = found.definition.settings(), definition.settings()
    fixed = next((name for name in _FOLDER_SETTINGS if had[name] != has[name]), None)
    if fixed is not None and found.running is not None:
        reason = f"is given to a pool's folder while it is inactive, and '{found.name}' is active; its folder has"
        raise WrongState(f"{fixed} {reason} {had[fixed]}", fixed)
    return changed_pool(found.xml, definition)


def _merged(found: PoolDefinition, wanted: WantedPool) -> PoolDefinition:
    """What is there, with what is given in its place."""
    given = {name: getattr(wanted, name) for name in ("path", *_FOLDER_SETTINGS)}
    of_source = {} if wanted.source is None else dataclasses.asdict(wanted.source)
    source = dataclasses.replace(
        found.source,
        **{name: getattr(wanted.source, name) for name, value in of_source.items() if value is not None},
    )
    return dataclasses.replace(
        found, source=source, **{name: value for name, value in given.items() if value is not None}
    )


def _require_fitting(kind: str, wanted: WantedPool, new: bool) -> None:
    errors = list(type_errors(kind, wanted, new))
    if errors:
        raise InvalidSpec(errors)


def _start(name: str, limit: float) -> Step:
    return Step(f"Start storage pool '{name}'", StartPool(name, limit))


def _stop(found: ObservedPool, wanted: WantedPool, content: PoolContent) -> Step:
    if content.running_user is not None and not wanted.force:
        reason = f"has a disk of {content.running_user}, which runs; force stops the pool all the same"
        raise WrongState(f"Storage pool '{found.name}' {reason}", "state")
    return Step(f"Stop storage pool '{found.name}'", StopPool(found.name, wanted.timeout))


def _absent(found: ObservedPool, wanted: WantedPool, content: PoolContent) -> Plan:
    name, limit = found.name, wanted.timeout
    steps: List[Step] = []
    if wanted.delete_content:
        _require_disposable(found, content)
        if content.volumes:
            count = f"{len(content.volumes)} volume{'s' if len(content.volumes) > 1 else ''}"
            title = f"Delete what is in storage pool '{name}' ({count})"
            steps.append(Step(title, DeletePoolVolumes(name, content.volumes, limit)))
    if found.running is not None:
        steps.append(_stop(found, wanted, content))
    if wanted.delete_content:
        steps.append(Step(f"Take away what storage pool '{name}' lay in", DeletePool(name, limit)))
    if found.persistent:
        steps.append(Step(f"Undefine storage pool '{name}'", UndefinePool(name, limit)))
    shown = {key: value for key, value in found.definition.settings().items() if value is not None}
    before = {"name": name, "type": found.definition.type, **shown, "state": found.state}
    if wanted.delete_content:
        before["volumes"] = sorted(content.volumes)
    return Plan(tuple(steps), before, {})


def _require_disposable(found: ObservedPool, content: PoolContent) -> None:
    """Raise for content that can't be deleted as a whole: better none of it then."""
    kind = found.definition.type
    if kind not in _EMPTIED:
        raise Unsupported(f"The content of a pool of type {kind} can't be deleted with it", "delete_content")
    if found.running is None:
        reason = "must be active so that one can see what is in it"
        raise WrongState(f"Storage pool '{found.name}' {reason}", "delete_content")
    if found.waiting:
        # once it is stopped, what it lay in would be looked for by its new definition
        reason = f"has another definition ({', '.join(found.waiting)}) than it is active by; start it anew first"
        raise WrongState(f"Storage pool '{found.name}' {reason}", "delete_content")
    if content.folders or content.unnamed:
        what = f"the folder '{content.folders[0]}'" if content.folders else "files whose names are no text"
        raise WrongState(f"Storage pool '{found.name}' has {what}, which is not deleted with it", "delete_content")
    used = next((path for path in content.volumes if path in content.users), None)
    if used is not None:
        reason = f"has {used}, which {content.users[used]} uses"
        raise WrongState(f"Storage pool '{found.name}' {reason}", "delete_content")
