# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's display and its machine type, on a real host: as they are made, changed, and refused."""

import re
import socket
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.graphics import displays
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, InvalidSpec, Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.core.actions.guests import desired, made, named
from tests.core.actions.test_ensure_further import brought, wish
from tests.core.domain_xml.documents import uncounted

pytestmark = pytest.mark.lab

WHOLE = {"type": "vnc", "listen": "127.0.0.2", "websocket": True, "keymap": "de", "password": "hunter2!"}


def asks_for_a_password(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a VNC server wants one: RFC 6143, 7.1."""
    with socket.create_connection((host, port), timeout=10) as viewer, viewer.makefile("rwb") as stream:
        assert stream.read(4) == b"RFB "
        stream.read(8)
        stream.write(b"RFB 003.008\n")
        stream.flush()
        kinds = stream.read(stream.read(1)[0])
        return 1 not in kinds and 2 in kinds  # none; VNC authentication


def test_a_new_vms_display_is_as_it_was_described_and_its_password_is_never_shown(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    wanted = desired(lab_host, "shown", "running", graphics=WHOLE)
    foretold = ensure(hypervisor, wanted, check=True)
    answer = ensure(hypervisor, wanted)

    assert foretold["diff"] == answer["diff"]
    assert answer["diff"]["after"]["graphics"] == {**WHOLE, "password": "(not shown)"}
    (shown,) = answer["vm"]["graphics"]
    assert (shown["type"], shown["listen"]) == ("vnc", "127.0.0.2")
    assert asks_for_a_password(shown["port"], "127.0.0.2")
    assert re.search(r"websocket='\d+'", hypervisor.domain(answer["vm"]["uuid"]).xml())
    again = ensure(hypervisor, wanted)
    assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}})
    assert "hunter2!" not in str([foretold, answer, again])


def test_a_vms_display_is_changed_at_once_where_it_can_be_else_at_the_next_boot(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "screen", "running"))
    assert vm.vnc_port is not None
    xml = hypervisor.domain(vm.uuid).xml(inactive=True)
    assert not asks_for_a_password(vm.vnc_port)

    answer = brought(hypervisor, "screen", graphics={"type": "vnc", "password": "secret-0"})
    assert answer["next_boot"] == ["graphics"]  # QEMU asks only where there was a password at the start
    for state in ("stopped", "running"):
        ensure(hypervisor, wish("screen", state=state, force_after=0))
    answer = brought(hypervisor, "screen", graphics={"type": "vnc", "password": "secret-1"})
    assert answer["next_boot"] == []
    assert answer["diff"] == {
        "before": {"graphics": {"type": "vnc", "password": "(not shown)"}},
        "after": {"graphics": {"type": "vnc", "password": "(not shown), another"}},
    }
    port = named(hypervisor, "screen").vnc_port
    assert port is not None
    assert asks_for_a_password(port)
    assert uncounted(hypervisor.domain(vm.uuid).xml(inactive=True)) == xml  # libvirt keeps it to itself, too
    assert [one.password for both in displays(hypervisor, vm.uuid) for one in both] == ["secret-1"] * 2

    answer = brought(hypervisor, "screen", graphics={"type": "vnc", "keymap": "fr", "port": 5999})
    assert answer["next_boot"] == ["graphics"]
    assert answer["diff"]["after"]["graphics"] == {"type": "vnc", "keymap": "fr", "port": 5999}
    assert displays(hypervisor, vm.uuid)[0][0].password == "secret-1"
    assert re.search("autoport='no'.*keymap='fr'", hypervisor.domain(vm.uuid).xml(inactive=True))

    # what is named goes back to what is usual
    again = {"type": "vnc", "keymap": "", "port": 0, "password": "", "websocket": False}
    brought(hypervisor, "screen", graphics=again, state="restarted", force_after=0)
    assert uncounted(hypervisor.domain(vm.uuid).xml(inactive=True)) == xml
    port = named(hypervisor, "screen").vnc_port
    assert port is not None
    assert not asks_for_a_password(port)

    answer = brought(hypervisor, "screen", graphics={"type": "none"}, state="stopped", force_after=0)
    assert answer["vm"]["graphics"] == []
    brought(hypervisor, "screen", graphics={"type": "vnc"})
    assert hypervisor.domain(vm.uuid).xml(inactive=True).count("<graphics ") == 1


def test_a_display_that_no_vm_or_no_vm_of_this_host_can_have_is_refused(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "refused"))
    bad: list[tuple[dict[str, Any], str]] = [
        ({"type": "rdp"}, "graphics.type"),
        ({"listen": "localhost"}, "graphics.listen"),
        ({"port": 80}, "graphics.port"),
        ({"port": 65536}, "graphics.port"),
        ({"password": "nine-chars"}, "graphics.password"),
        ({"keymap": "../x"}, "graphics.keymap"),
        ({"type": "spice", "websocket": True}, "graphics.websocket"),
        ({"type": "none", "port": 5900}, "graphics.port"),
        ({"colour": "red"}, "graphics.colour"),
    ]
    for graphics, field in bad:
        for wanted in (wish("refused", graphics=graphics), desired(lab_host, "new", graphics=graphics)):
            with pytest.raises(InvalidSpec) as caught:
                ensure(hypervisor, wanted)
            assert caught.value.field == field
    spice = [wish("refused", graphics={"type": "spice"}), desired(lab_host, "new", graphics={"type": "spice"})]
    for wanted in spice:  # Debian's QEMU has it in a package of its own
        try:
            assert ensure(hypervisor, wanted)["vm"]["graphics"][0]["type"] == "spice"
        except Unsupported as error:
            assert error.field == "graphics.type"


def test_a_vm_keeps_the_machine_type_that_it_was_made_with_however_it_is_called(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "old", "running", machine="pc", disks=[{"size_gb": 0.01, "bus": "sata"}]))
    full = vm.definition.machine or ""
    assert full.startswith("pc-i440fx-")
    for machine in ("pc", full):
        assert ensure(hypervisor, wish("old", machine=machine))["changed"] is False
    for machine in ("q35", "pc-i440fx-0.1", full.replace("i440fx", "q35"), "microvm"):
        with pytest.raises(InvalidSpec) as refused:
            ensure(hypervisor, wish("old", machine=machine))
        assert refused.value.field == "machine"

    with pytest.raises(Unsupported, match=r"has no machine type 'pc-q35-0\.1'"):
        ensure(hypervisor, desired(lab_host, "new", machine="pc-q35-0.1"))
    exact = named(hypervisor, "old").definition.machine
    with pytest.raises(HostlerError) as caught:
        ensure(hypervisor, desired(lab_host, "new", machine=exact, firmware="uefi", secure_boot=True))
    assert caught.value.field == "secure_boot"
    assert made(hypervisor, desired(lab_host, "exact", machine=exact)).definition.machine == exact
