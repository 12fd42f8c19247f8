# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings a VM's display to what is wanted, and that a password is in no plan that anybody sees."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Graphics
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.graphics import GraphicsConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.graphics import (
    SetDisplayPassword,
    SetGraphics,
    plan_graphics,
    validate_graphics,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan
from tests.core.machines import UUID

VNC = Graphics("vnc", listen="10.0.0.1", password="secret-1")
SPICE = Graphics("spice", port=5930)
XML = "<domain><devices/></domain>"
OFF = Chassis(UUID, "web-1", "stopped", XML)
ON = Chassis(UUID, "web-1", "running", XML, running_xml=XML)


def planned(config: GraphicsConfig, chassis: Chassis = OFF, defined: Any = (VNC,)) -> Plan:
    return plan_graphics(config, chassis, defined, defined if chassis.is_active else ())


@pytest.mark.parametrize(
    ("config", "defined"),
    [
        (GraphicsConfig(), (VNC,)),
        (GraphicsConfig(listen="10.0.0.1", port=0, keymap="", websocket=False, password="secret-1"), (VNC,)),
        (GraphicsConfig("spice", port=5930), (VNC, SPICE)),
        (GraphicsConfig("none"), (Graphics("egl-headless"),)),
    ],
)
def test_what_it_is_already_is_no_change(config: GraphicsConfig, defined: Any) -> None:
    assert planned(config, defined=defined) == planned(config, ON, defined) == Plan()


def test_only_a_password_that_is_alone_is_changed_at_once() -> None:
    alone = planned(GraphicsConfig(password="secret-2"), ON)
    assert [type(step.operation) for step in alone.steps] == [SetDisplayPassword, SetGraphics]
    assert alone.next_boot == []

    with_more = planned(GraphicsConfig(password="secret-2", keymap="de"), ON)
    (step,) = with_more.steps
    wanted = Graphics("vnc", None, "10.0.0.1", False, "de", "secret-2")
    assert step.operation == SetGraphics(UUID, wanted, ("keymap", "password"))
    assert with_more.next_boot == ["graphics"]
    assert planned(GraphicsConfig(password="secret-2")).steps[0].applies is Applies.NOW
    first = plan_graphics(GraphicsConfig(password="secret-2"), ON, (VNC,), (Graphics("vnc"),))
    assert first.next_boot == ["graphics"]  # QEMU asks only where there was a password at the start
    for plan in (alone, with_more, first):
        assert "secret" not in str(plan)


def test_another_type_takes_the_place_of_the_only_display_unless_others_need_that() -> None:
    (step,) = planned(GraphicsConfig("spice"), OFF).steps
    assert isinstance(step.operation, SetGraphics)
    assert step.operation.graphics == Graphics("spice", listen="127.0.0.1")

    bound = Chassis(UUID, "web-1", "stopped", "<domain><devices><channel type='spicevmc'/></devices></domain>")
    for config in (GraphicsConfig("vnc"), GraphicsConfig("none")):
        with pytest.raises(InvalidSpec, match=r"graphics\.type: can't be another"):
            planned(config, bound, (SPICE,))
        assert planned(config, OFF, (SPICE,)).changed
    assert planned(GraphicsConfig("vnc", port=5901), bound, (VNC, SPICE)).changed


def test_a_vm_that_is_saved_or_transient_keeps_its_display() -> None:
    for chassis in (Chassis(UUID, "x", "saved", XML), Chassis(UUID, "x", "running", None, running_xml=XML)):
        with pytest.raises(WrongState):
            plan_graphics(GraphicsConfig(keymap="de"), chassis, (VNC,), ())


@pytest.mark.parametrize(
    "config",
    [
        GraphicsConfig(listen="fe80::1%eth0"),
        GraphicsConfig(port=-1),
        GraphicsConfig(password="\x00"),
        GraphicsConfig(password="a\nb"),  # libvirt would forget it for "a b", and each run change it again
        GraphicsConfig(password="a\tb"),
        GraphicsConfig(password="ü" * 5),  # of 10 bytes, which libvirt counts
        GraphicsConfig("spice", password="ü" * 31),
        GraphicsConfig("spice", password="x" * 61),
        GraphicsConfig(port="5900"),  # type: ignore[arg-type]  as a user may have it
    ],
)
def test_what_no_display_can_be_is_refused(config: GraphicsConfig) -> None:
    with pytest.raises(InvalidSpec):
        validate_graphics(config)
