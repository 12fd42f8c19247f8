# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings the display of a VM that is there to what is wanted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Graphics
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import REMOTE_DISPLAYS, needs_spice
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import GRAPHICS_SETTINGS
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import check_types, field_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.graphics import GraphicsConfig, graphics_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import (
    Chassis,
    require_changeable,
    require_definition,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.design import VNC_LISTEN
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan, Step

_HIDDEN = "(not shown)"


@dataclass(frozen=True)
class SetGraphics(Operation):
    """Give the definition's display of that type the settings ``names``; None: take its displays away."""

    uuid: str
    graphics: Optional[Graphics]
    names: Tuple[str, ...] = ()


@dataclass(frozen=True)
class SetDisplayPassword(Operation):
    """Have the running VM's display of type ``kind`` ask for another password, or for none."""

    uuid: str
    kind: str
    password: Optional[str] = field(default=None, repr=False)


def validate_graphics(config: GraphicsConfig) -> GraphicsConfig:
    """``config`` if it can be; raises `InvalidSpec` with every field that can't."""
    check_types(config)
    errors = [*field_errors(config, "graphics."), *graphics_errors(config)]
    if errors:
        raise InvalidSpec(errors)
    return config


def plan_graphics(
    config: GraphicsConfig, chassis: Chassis, defined: Sequence[Graphics], running: Sequence[Graphics]
) -> Plan:
    """The steps that do it; ``defined`` and ``running`` are the VM's displays with their passwords.

    A display that runs and has a password can get another one; the rest waits for the next boot. Raises
    `InvalidSpec`, `WrongState`.
    """
    remote = [one for one in defined if one.type in REMOTE_DISPLAYS]
    present = next((one for one in remote if one.type == config.type), None)
    if config.type == "none":
        wanted = None
        names: Tuple[str, ...] = ()
        if not remote:
            return Plan()
    else:
        wanted = _wanted(config, present)
        names = tuple(name for name in GRAPHICS_SETTINGS if _differs(name, present, wanted))
        if present is not None and not names:
            return Plan()
    if (wanted is None or wanted.type != "spice") and present is None and chassis.defined_xml is not None:
        _require_no_spice(chassis.defined_xml, remote)
    require_definition(chassis)
    require_changeable(chassis, live=True)  # what can't be done now waits
    steps: List[Step] = []
    shown = next((one for one in running if wanted is not None and one.type == wanted.type), None)
    # QEMU asks viewers for a password only where there was one at the start
    asks = wanted is not None and shown is not None and bool(wanted.password and shown.password)
    at_once = asks and names == ("password",)
    if wanted is not None and at_once:
        operation = SetDisplayPassword(chassis.uuid, wanted.type, wanted.password)
        steps.append(Step("Give the running VM's display another password", operation, Applies.NOW, ("graphics",)))
    title = "Take the VM's displays away" if wanted is None else f"Give the VM a {wanted.type.upper()} display"
    if present is not None:
        title = f"Set {', '.join(names)} of the VM's {present.type.upper()} display"
    applies = Applies.NEXT_BOOT if chassis.is_active and not at_once else Applies.NOW
    steps.append(Step(title, SetGraphics(chassis.uuid, wanted, names), applies, ("graphics",)))
    old = present if present is not None else remote[0] if remote else None
    return Plan(
        tuple(steps),
        {"graphics": _as_data(old, names if present else GRAPHICS_SETTINGS)},
        {"graphics": _as_data(wanted, names if present else GRAPHICS_SETTINGS, is_new="password" in names)},
    )


def _wanted(config: GraphicsConfig, present: Optional[Graphics]) -> Graphics:
    given: Dict[str, Any] = {
        name: getattr(config, name) or None for name in GRAPHICS_SETTINGS if getattr(config, name) is not None
    }
    if "websocket" in given:
        given["websocket"] = bool(given["websocket"])
    return dataclasses.replace(present or Graphics(config.type, listen=VNC_LISTEN), **given)


def _differs(name: str, present: Optional[Graphics], wanted: Graphics) -> bool:
    return present is None or getattr(present, name) != getattr(wanted, name)


def _require_no_spice(xml: str, remote: Sequence[Graphics]) -> None:
    if any(one.type == "spice" for one in remote) and needs_spice(xml):
        reason = "can't be another: the VM has devices that go with a SPICE display only (spicevmc)"
        raise InvalidSpec([FieldError("graphics.type", reason)])


def _as_data(graphics: Optional[Graphics], names: Sequence[str], is_new: bool = False) -> Dict[str, Any]:
    if graphics is None:
        return {"type": "none"}
    data = {name: getattr(graphics, name) for name in names if name != "password"}
    if "password" in names and (graphics.password is not None or data == {}):
        data["password"] = graphics.password and (f"{_HIDDEN}, another" if is_new else _HIDDEN)
    return {"type": graphics.type, **{name: value for name, value in data.items() if value not in (None, False)}}
