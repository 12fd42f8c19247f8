# SPDX-License-Identifier: GPL-3.0-or-later
"""One VM as it is desired: what check mode says is what a run does, and a second run does nothing."""

import dataclasses
import signal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import one_machine
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_each import ensure_each
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    InvalidSpec,
    MachineNotFound,
    NameTaken,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from lab.host import Host
from tests.core.actions.guests import SEED, desired, everything_on, made, named

TEST_POOL = Placement(pool="default-pool", image_pool="default-pool")
SMALL = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 1}


def once_there(wanted: Desired) -> Desired:
    """The same of a VM that is there: the test driver says of every disk that it has 1 TiB."""
    return dataclasses.replace(wanted, spec={**wanted.spec, "disk_gb": None})


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """What check mode and a run have to agree on."""
    return {key: answer.get(key) for key in ("changed", "diff", "plan", "deleted_disks")}


def test_the_whole_life_of_a_vm_on_the_test_driver(test_driver: Hypervisor) -> None:
    """Each step is said in check mode, done, and not done again."""
    base = {"name": "life", **SMALL}
    life = [
        Desired(base, placement=TEST_POOL),
        once_there(Desired(base, state="running")),
        once_there(Desired(base, state="stopped")),
        once_there(Desired({**base, "cpu_cores": 2, "memory_mb": 128}, state="running")),
        Desired({"name": "life"}, state="paused"),
        Desired({"name": "life", "description": "mail", "tags": ["prod"], "autostart": True}, state="running"),
        Desired({"name": "life"}, state="saved"),
        Desired({"name": "life"}, state="running"),
        Desired({"name": "life"}, state="absent"),
    ]
    for wanted in life:
        before = test_driver.find_domain_named("life")
        predicted = ensure(test_driver, wanted, check=True)
        after = test_driver.find_domain_named("life")
        assert (before is None) == (after is None)
        assert predicted["changed"]
        assert predicted["diff"]["before"] != predicted["diff"]["after"]

        done = ensure(test_driver, wanted)

        assert said(done) == said(predicted)
        again = ensure(test_driver, once_there(wanted))
        assert (again["changed"], again["plan"], again["diff"]) == (False, [], {"before": {}, "after": {}})
    assert test_driver.find_domain_named("life") is None


def test_a_vm_that_is_not_to_be_made_is_missed(test_driver: Hypervisor) -> None:
    with pytest.raises(MachineNotFound, match="VM 'nobody' not found") as caught:
        ensure(test_driver, Desired({"name": "nobody", **SMALL}, create=False, placement=TEST_POOL))
    assert caught.value.field == "name"
    with pytest.raises(MachineNotFound, match="with UUID 00000000"):
        ensure(test_driver, Desired(uuid="00000000-0000-4000-8000-000000000000", create=False))


def test_absent_without_a_vm_is_no_change(test_driver: Hypervisor) -> None:
    answer = ensure(test_driver, Desired({"name": "nobody"}, state="absent"))

    assert answer == {
        "changed": False, "diff": {"before": {}, "after": {}}, "plan": [], "next_boot": [], "vm": None,
        "deleted_disks": [],
    }  # fmt: skip


def test_a_new_vm_needs_its_sizes_and_each_one_missing_is_named(test_driver: Hypervisor) -> None:
    with pytest.raises(InvalidSpec) as caught:
        ensure(test_driver, Desired({"name": "sizeless"}, placement=TEST_POOL))
    assert [error.field for error in caught.value.errors] == ["cpu_cores", "memory_mb", "disk_gb"]


@pytest.mark.parametrize(
    "spelling",
    [
        "0C5B2A1E-7D4F-4B9E-9C3E-2F6A8D1E0BFF",
        "0c5b2a1e7d4f4b9e9c3e2f6a8d1e0bff",
        "{0c5b2a1e-7d4f-4b9e-9c3e-2f6a8d1e0bff}",
    ],
)
def test_a_uuid_in_any_spelling_is_given_found_and_recorded(test_driver: Hypervisor, spelling: str) -> None:
    wanted = Desired({"name": "spelt", **SMALL}, uuid=spelling, placement=TEST_POOL, record_id=7, owner="ada")
    try:
        answer = ensure(test_driver, wanted)

        assert answer["vm"]["uuid"] == "0c5b2a1e-7d4f-4b9e-9c3e-2f6a8d1e0bff"
        assert answer["vm"]["managed"] is True
        vm = named(test_driver, "spelt")
        assert vm.record is not None
        assert (vm.record.uuid, vm.record.id, vm.record.owner) == (vm.uuid, 7, "ada")
        assert ensure(test_driver, once_there(wanted))["changed"] is False
        with pytest.raises(NameTaken):
            ensure(test_driver, dataclasses.replace(wanted, uuid="ffffffff-7d4f-4b9e-9c3e-2f6a8d1e0bff"))
    finally:
        ensure(test_driver, Desired({"name": "spelt"}, state="absent"))


def test_a_vm_named_like_another_ones_uuid_is_itself(test_driver: Hypervisor) -> None:
    victim = ensure(test_driver, Desired({"name": "victim", **SMALL}, placement=TEST_POOL))["vm"]["uuid"]
    impostor = Desired({"name": victim, **SMALL}, placement=TEST_POOL)
    try:
        assert ensure(test_driver, impostor)["changed"] is True
        assert ensure(test_driver, once_there(impostor))["changed"] is False

        ensure(test_driver, Desired({"name": victim}, state="absent"))

        assert test_driver.domain(victim).name == "victim"
    finally:
        ensure(test_driver, Desired(uuid=victim, state="absent"))


def test_what_is_told_of_a_vm_is_plain_data(test_driver: Hypervisor) -> None:
    spec = {"name": "told", **SMALL, "tags": ["a"], "description": "<x>", "os_version": "Debian 12"}
    try:
        vm = ensure(test_driver, Desired(spec, placement=TEST_POOL))["vm"]
    finally:
        ensure(test_driver, Desired({"name": "told"}, state="absent"))

    assert (vm["name"], vm["status"], vm["cpu_cores"], vm["memory_mb"]) == ("told", "stopped", 1, 64)
    assert (vm["firmware"], vm["virt_type"], vm["managed"]) == ("bios", "test", True)
    assert (vm["tags"], vm["description"], vm["os_type"], vm["os_version"]) == (["a"], "<x>", "linux", "Debian 12")
    assert vm["disks"][0]["path"].endswith("-root.qcow2")


hostile = st.text(max_size=12) | st.sampled_from(
    ["../x", "a\x00b", "\ud800", "{{ x }}", "</domain>", "x" * 300, "a\n", "'; drop", "default-pool", "test"]
)


@settings(max_examples=200)
@given(
    spec=st.fixed_dictionaries(
        {"name": hostile},
        optional={"image": hostile, "description": hostile, "os_type": hostile, "tags": st.lists(hostile, max_size=2)},
    ),
    placement=st.builds(Placement, pool=hostile, image_pool=hostile, network=hostile, virt_type=st.just("auto")),
    uuid=st.none() | hostile,
    owner=st.none() | hostile,
    state=st.sampled_from(["present", "running", "stopped", "absent"]),
)
def test_hostile_input_is_planned_or_refused_and_never_a_crash(
    test_driver: Hypervisor, spec: dict[str, Any], placement: Placement, uuid: str | None, owner: str | None, state: str
) -> None:
    wanted = Desired({**SMALL, **spec}, uuid=uuid, placement=placement, owner=owner, state=state)

    try:
        answer = ensure(test_driver, wanted, check=True)
    except HostlerError as error:
        assert error.message
    else:
        assert isinstance(answer["changed"], bool)


@settings(max_examples=25)
@given(st.text(max_size=60))
def test_hostile_text_that_is_taken_comes_back_and_nothing_else_does(test_driver: Hypervisor, text: str) -> None:
    wanted = Desired(
        {"name": "texts", **SMALL, "description": text, "os_version": text}, owner=text, placement=TEST_POOL
    )
    try:
        vm = ensure(test_driver, wanted)["vm"]
    except InvalidSpec:
        assert test_driver.find_domain_named("texts") is None
        return
    try:
        record = named(test_driver, "texts").record
        assert record is not None
        assert (vm["description"], vm["os_version"], record.owner) == (text, text, text)
    finally:
        ensure(test_driver, Desired({"name": "texts"}, state="absent"))


@pytest.mark.lab
def test_the_whole_life_of_a_vm_on_a_real_host(hypervisor: Hypervisor, lab_host: Host) -> None:
    before = everything_on(hypervisor)
    wanted = desired(lab_host, "life", "running", image="tiny.qcow2", image_mode="backing", cloud_init=SEED)

    for one in (wanted, Desired({"name": "life"}, state="absent")):
        predicted = ensure(hypervisor, one, check=True)
        done = ensure(hypervisor, one)
        # in which order libvirt numbers a new VM's volumes nobody can say before: the UUID in their names is random
        assert said({**done, "plan": []}) == said({**predicted, "plan": []})
        assert [step["applies"] for step in done["plan"]] == [step["applies"] for step in predicted["plan"]]
        assert ensure(hypervisor, one)["changed"] is False

    assert everything_on(hypervisor) == before


@pytest.mark.lab
def test_check_mode_touches_nothing(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "checked"))
    xml = hypervisor.domain(vm.uuid).xml(inactive=True)
    before = everything_on(hypervisor)

    for wanted in (
        desired(lab_host, "checked-new", cloud_init=SEED),
        desired(lab_host, "checked", "running", cpu_cores=2, disk_gb=1),
        Desired({"name": "checked"}, state="absent"),
    ):
        assert ensure(hypervisor, wanted, check=True)["changed"] is True

    assert everything_on(hypervisor) == before
    assert hypervisor.domain(vm.uuid).xml(inactive=True) == xml
    assert observe(hypervisor, hypervisor.domain(vm.uuid)) == vm


def test_a_restart_is_done_each_time(test_driver: Hypervisor) -> None:
    spec = {"name": "again", **SMALL}
    try:
        ensure(test_driver, Desired(spec, placement=TEST_POOL, state="running"))
        wanted = Desired({"name": "again", "memory_mb": 128}, state="restarted", force_after=0)
        for _ in range(2):
            predicted = ensure(test_driver, wanted, check=True)
            done = ensure(test_driver, wanted)

            assert said(done) == said(predicted)
            assert done["diff"]["after"]["restarted"] is True
        assert done["vm"]["memory_mb"] == 128
    finally:
        ensure(test_driver, Desired({"name": "again"}, state="absent"))


def test_what_is_not_there_has_no_memory_to_save(test_driver: Hypervisor) -> None:
    with pytest.raises(InvalidSpec, match="state: a VM that is not there has no memory to save"):
        ensure(test_driver, Desired({"name": "nothing", **SMALL}, placement=TEST_POOL, state="saved"))


@pytest.mark.lab
@pytest.mark.slow
def test_a_qemu_that_hangs_is_said_to_hang_and_is_taken_away_all_the_same(
    hypervisor: Hypervisor, lab_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_machine, "_ANSWER_SECONDS", 1)
    vm = made(hypervisor, desired(lab_host, "hung", "running"))
    process = lab_host.guest_process("hung")
    process.signal(signal.SIGSTOP)
    try:
        for wanted in (desired(lab_host, "hung"), Desired({"name": "hung"}, state="stopped", force_after=0)):
            with pytest.raises(GuestTimeout, match="did not answer within 1 s"):
                ensure(hypervisor, wanted)
        each = ensure_each(hypervisor, [Desired({"name": "hung", "description": "x"}), desired(lab_host, "well")])
        assert [one.error is None for one in each.members] == [False, True]

        answer = ensure(hypervisor, Desired({"name": "hung"}, state="absent"))

        assert answer["deleted_disks"] == [vm.disks[0].path]
        assert hypervisor.find_domain(vm.uuid) is None
    finally:
        if hypervisor.find_domain(vm.uuid) is not None:
            process.signal(signal.SIGCONT)
