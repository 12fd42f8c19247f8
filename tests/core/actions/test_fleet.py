# SPDX-License-Identifier: GPL-3.0-or-later
"""Many VMs switched at once: what is foretold is done, and no failure hides another VM's success."""

import signal
import uuid as uuids

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.fleet import _LASTING, Fleet, switch
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import Switching
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import StartDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import Selection
from lab.host import Host
from tests.core.actions.guests import desired, made, named, wait_until

ALL = Selection(pattern=("f-*",))


@pytest.fixture
def names(test_driver: Hypervisor) -> list[str]:
    """Three VMs that are off, of the test driver's, whose guests obey at once."""
    names = ["f-1", "f-2", "f-3"]
    for name in names:
        test_driver.define(domain_xml(DomainDefinition(name, str(uuids.uuid4()), "test", 1, 65536)))
    return names


def said(fleet: Fleet) -> dict[str, object]:
    """What check mode and a run have to agree on."""
    data = fleet.as_data()
    members = [{key: value for key, value in vm.items() if key != "status"} for vm in data["vms"]]
    return {"changed": data["changed"], "diff": data["diff"], "vms": members}


@pytest.mark.parametrize(
    ("operation", "first", "status"),
    [
        ("start", None, "running"),
        ("stop", "start", "stopped"),
        ("force-stop", "start", "stopped"),
        ("pause", "start", "paused"),
        ("save", "start", "saved"),
        ("restore", "save", "running"),
        ("resume", "pause", "running"),
    ],
)
def test_each_operation_is_foretold_done_once_and_not_again(
    test_driver: Hypervisor, names: list[str], operation: str, first: str | None, status: str
) -> None:
    if first is not None:
        switch(test_driver, ALL, Switching("start"))
        switch(test_driver, ALL, Switching(first))
    before = [vm["status"] for vm in switch(test_driver, ALL, Switching(operation), check=True).as_data()["vms"]]

    checked = switch(test_driver, ALL, Switching(operation), check=True)
    assert [vm["status"] for vm in checked.as_data()["vms"]] == before
    done = switch(test_driver, ALL, Switching(operation))

    assert said(done) == said(checked)
    assert [vm["status"] for vm in done.as_data()["vms"]] == [status] * 3
    assert {vm["changed"] for vm in done.as_data()["vms"]} == {True}
    assert done.as_data()["diff"]["after"] == {name: {"state": status} for name in names}
    for check in (True, False):
        again = switch(test_driver, ALL, Switching(operation), check=check).as_data()
        assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}})


@pytest.mark.parametrize("operation", ["restart", "reset"])
def test_what_leaves_no_trace_is_done_each_time_and_said(
    test_driver: Hypervisor, names: list[str], operation: str
) -> None:
    switch(test_driver, ALL, Switching("start"))

    checked = switch(test_driver, ALL, Switching(operation), check=True)
    for _ in range(2):
        assert said(switch(test_driver, ALL, Switching(operation))) == said(checked)
    assert checked.as_data()["changed"] is True
    assert checked.as_data()["diff"]["before"] != checked.as_data()["diff"]["after"]


def test_all_are_tried_and_each_failure_is_named(test_driver: Hypervisor, names: list[str]) -> None:
    nobody = str(uuids.uuid4())
    switch(test_driver, Selection(name=("f-2",)), Switching("start"))
    several = Selection(name=("nobody", "f-1", "f-2"), uuid=(nobody,))

    for check in (True, False):
        fleet = switch(test_driver, several, Switching("pause"), check=check)
        assert [(vm["name"], vm["changed"], vm["code"]) for vm in fleet.as_data()["vms"]] == [
            ("nobody", False, "vm_not_found"),
            ("f-1", False, "wrong_state"),
            ("f-2", True, None),
            (None, False, "vm_not_found"),
        ]
        assert fleet.failure == (
            "Failed to pause 3 of 4 VMs: 'nobody': not found on this host; 'f-1': VM is not running; "
            f"with UUID {nobody}: not found on this host"
        )
        assert fleet.as_data()["diff"]["after"] == {"f-2": {"state": "paused"}}
    assert named(test_driver, "f-2").status == "paused"


def test_nothing_that_is_meant_is_nothing_done(test_driver: Hypervisor, names: list[str]) -> None:
    for selection in (Selection(name=()), Selection(pattern=("nobody-*",))):
        assert switch(test_driver, selection, Switching("start")).as_data() == {
            "changed": False, "diff": {"before": {}, "after": {}}, "vms": [],
        }  # fmt: skip


def test_bad_input_is_refused_before_anything_is_done(test_driver: Hypervisor, names: list[str]) -> None:
    for selection, wanted in (
        (ALL, Switching("start", force_after=1)),
        (Selection(pattern=("f-*",), uuid=("x",)), Switching("start")),
    ):
        with pytest.raises(InvalidSpec):
            switch(test_driver, selection, wanted)
    assert named(test_driver, "f-1").status == "stopped"


def test_a_host_that_is_lost_meanwhile_leaves_nobody_said_to_be_done(
    test_driver: Hypervisor, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start_and_lose(hypervisor: Hypervisor, uuid: str) -> bool:
        changed = power.start(hypervisor, uuid)
        hypervisor.close()
        return changed

    keep = Hypervisor.open("test:///default")  # the driver forgets its domains with its last connection
    monkeypatch.setitem(_LASTING, StartDomain, start_and_lose)
    fleet = switch(test_driver, ALL, Switching("start"))

    assert [(vm["changed"], vm["code"], vm["status"]) for vm in fleet.as_data()["vms"]] == [
        (True, None, "unknown"),
        (False, "host_unreachable", "unknown"),
        (False, "host_unreachable", "unknown"),
    ]
    keep.close()


@pytest.mark.lab
def test_a_vm_whose_creation_was_cut_off_is_not_started(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "f-half"))
    domain = hypervisor.domain(vm.uuid)
    hypervisor.redefine(domain.xml(inactive=True, secure=True).replace("<hostler:vm ", '<hostler:vm incomplete="yes" '))

    fleet = switch(hypervisor, ALL, Switching("start"))

    assert "being created" in fleet.failure
    assert fleet.as_data()["vms"][0]["status"] == "creating"


@pytest.mark.lab
def test_guests_are_waited_for_together_and_the_deaf_are_forced_or_named(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    for name in ("f-deaf-1", "f-deaf-2"):
        made(hypervisor, desired(lab_host, name, "running"))
    power.pause(hypervisor, named(hypervisor, "f-deaf-2").uuid)

    fleet = switch(hypervisor, ALL, Switching("stop", timeout=0.3))

    assert "'f-deaf-1': The guest did not shut down within 0.3 s; the VM is still running" in fleet.failure
    assert "'f-deaf-2': VM is paused: its guest can't shut down" in fleet.failure
    assert (fleet.as_data()["changed"], fleet.as_data()["diff"]["after"]) == (False, {})
    restarted = switch(hypervisor, ALL, Switching("restart", force_after=0.3))
    assert restarted.failed == []
    assert [vm["status"] for vm in restarted.as_data()["vms"]] == ["running", "running"]
    stopped = switch(hypervisor, ALL, Switching("stop", force_after=0.3))
    assert stopped.failed == []
    assert [vm["status"] for vm in stopped.as_data()["vms"]] == ["stopped", "stopped"]


@pytest.mark.lab
def test_a_power_cycle_that_does_not_come_back_has_changed_and_failed(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "f-diskless", "running"))
    volume = hypervisor.find_volume_at(vm.disks[0].path or "")
    assert volume is not None
    volume.delete()  # libvirt does that without a word

    fleet = switch(hypervisor, ALL, Switching("restart", force_after=0))

    (one,) = fleet.as_data()["vms"]
    assert (one["changed"], one["status"], one["code"]) == (True, "stopped", "operation_failed")
    assert fleet.as_data()["diff"] == {
        "before": {"f-diskless": {"state": "running"}}, "after": {"f-diskless": {"state": "stopped"}},
    }  # fmt: skip


@pytest.mark.lab
@pytest.mark.slow
def test_real_guests_restart_and_stop_together(hypervisor: Hypervisor, lab_host: Host) -> None:
    for name in ("f-one", "f-two"):
        made(hypervisor, desired(lab_host, name, "running", image="tiny.qcow2", image_mode="backing"))
    for name in ("f-one", "f-two"):
        wait_until(lambda name=name: listens(hypervisor, name), "the guest listens")  # type: ignore[misc]
    numbers = [named_id(hypervisor, name) for name in ("f-one", "f-two")]

    assert switch(hypervisor, ALL, Switching("restart", timeout=90)).failed == []
    assert [named_id(hypervisor, name) for name in ("f-one", "f-two")] == numbers  # no plug was pulled
    for name in ("f-one", "f-two"):
        wait_until(lambda name=name: listens(hypervisor, name), "the guest listens")  # type: ignore[misc]
    assert switch(hypervisor, ALL, Switching("stop", timeout=90)).failed == []
    assert {named(hypervisor, name).status for name in ("f-one", "f-two")} == {"stopped"}


def listens(hypervisor: Hypervisor, name: str) -> bool:
    running = named(hypervisor, name).running
    return running is not None and running.guest_agent_connected


def named_id(hypervisor: Hypervisor, name: str) -> int:
    domain = hypervisor.find_domain_named(name)
    assert domain is not None
    return int(domain.handle.ID())


@pytest.mark.lab
@pytest.mark.slow
def test_a_guest_that_hangs_is_given_up_or_forced_and_delays_nobody_for_ever(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    for name in ("f-sick", "f-well"):
        made(hypervisor, desired(lab_host, name, "running"))
    process = lab_host.guest_process("f-sick")
    process.signal(signal.SIGSTOP)
    try:
        given_up = switch(hypervisor, ALL, Switching("pause"))
        assert [(vm["name"], vm["changed"], vm["code"]) for vm in given_up.as_data()["vms"]] == [
            ("f-sick", False, "guest_timeout"),
            ("f-well", True, None),
        ]
        forced = switch(hypervisor, ALL, Switching("stop", force_after=1))
    finally:
        process.signal(signal.SIGCONT)

    assert forced.failed == []
    assert [vm["status"] for vm in forced.as_data()["vms"]] == ["stopped", "stopped"]


@pytest.mark.lab
def test_many_are_started_and_ended_at_once_and_one_that_can_not_keeps_no_other(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    names = [f"f-many-{number}" for number in range(5)]
    for name in names:
        vm = made(hypervisor, desired(lab_host, name))
    volume = hypervisor.find_volume_at(vm.disks[0].path or "")
    assert volume is not None
    volume.delete()

    started = switch(hypervisor, ALL, Switching("start", parallel=3))

    assert [(one["name"], one["changed"], one["status"], one["code"]) for one in started.as_data()["vms"]] == [
        *[(name, True, "running", None) for name in names[:4]],
        (names[4], False, "stopped", "operation_failed"),
    ]
    assert switch(hypervisor, ALL, Switching("force-stop")).failed == []
    assert {named(hypervisor, name).status for name in names} == {"stopped"}


@pytest.mark.lab
def test_a_host_that_is_lost_while_many_are_started_leaves_each_known_or_said_to_be_unknown(
    hypervisor: Hypervisor, lab_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        made(hypervisor, desired(lab_host, f"f-lost-{number}"))
    opened = Hypervisor.open
    monkeypatch.setattr(Hypervisor, "open", lambda _uri, **_given: opened("qemu:///system?socket=/nowhere"))

    lost = switch(hypervisor, ALL, Switching("start"))

    assert [(one["status"], one["changed"], one["code"]) for one in lost.as_data()["vms"]] == [
        ("stopped", False, "host_unreachable")
    ] * 3  # it is there for whoever looks again
    assert switch(hypervisor, ALL, Switching("start", parallel=1)).failed == []
