# SPDX-License-Identifier: GPL-3.0-or-later
"""Many VMs in one go: each as if it were the only one, and none lost sight of."""

from collections.abc import Iterator

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_each import ensure_each
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement

TEST_POOL = Placement(pool="default-pool", image_pool="default-pool")
SMALL = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 1}
NAMES = ("one", "two", "three")


@pytest.fixture(autouse=True)
def swept(test_driver: Hypervisor) -> Iterator[None]:
    yield
    for name in NAMES:
        ensure(test_driver, Desired({"name": name}, state="absent"))


def described(name: str, state: str = "present", **spec: object) -> Desired:
    return Desired({"name": name, **spec}, state=state, placement=TEST_POOL)


def test_all_are_made_as_check_mode_said_and_not_again(test_driver: Hypervisor) -> None:
    wanted = [described(name, "running", **SMALL) for name in NAMES]

    foretold = ensure_each(test_driver, wanted, check=True).as_data()
    assert [test_driver.find_domain_named(name) for name in NAMES] == [None, None, None]
    done = ensure_each(test_driver, wanted).as_data()
    again = ensure_each(test_driver, [described(name, "running", cpu_cores=1) for name in NAMES]).as_data()

    assert foretold["changed"] is done["changed"] is True
    assert foretold["diff"] == done["diff"]
    assert list(done["diff"]["after"]) == list(NAMES)
    assert [vm["vm"]["status"] for vm in done["vms"]] == ["running"] * 3
    assert [(vm["name"], vm["uuid"], vm["changed"]) for vm in again["vms"]] == [
        (name, vm["uuid"], False) for name, vm in zip(NAMES, done["vms"], strict=True)
    ]
    assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}})


def test_one_that_fails_keeps_no_other_from_its_turn(test_driver: Hypervisor) -> None:
    outcome = ensure_each(
        test_driver,
        [
            described("one", **SMALL),
            described("two", **{**SMALL, "image": "nowhere.qcow2"}),
            described("three", **SMALL),
        ],
    )

    assert [vm["changed"] for vm in outcome.as_data()["vms"]] == [True, False, True]
    assert (
        outcome.failure == "1 of 3 VMs failed: VM 'two': Image 'nowhere.qcow2' not found in storage pool 'default-pool'"
    )
    (failed,) = outcome.failed
    assert (failed.as_data()["code"], failed.as_data()["field"]) == ("image_not_found", "image")
    assert test_driver.find_domain_named("two") is None


def test_what_can_be_of_no_vm_is_refused_before_anything_is_done(test_driver: Hypervisor) -> None:
    with pytest.raises(InvalidSpec) as caught:
        ensure_each(
            test_driver,
            [described("one", **SMALL), described("two", "gone"), described("one"), Desired(uuid="x")],
        )

    assert [error.field for error in caught.value.errors] == ["vms.2.name", "vms.1.state", "vms.3.uuid"]
    assert test_driver.find_domain_named("one") is None


def test_no_vm_is_described_twice_by_its_name_or_by_xml_that_names_it(test_driver: Hypervisor) -> None:
    xml = "<domain type='test'><name>one</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    for other in (Desired(xml=xml.replace("65536", "131072")), described("one", **SMALL)):
        with pytest.raises(InvalidSpec, match=r"vms\.1\.name: stands for a VM that is in the list already"):
            ensure_each(test_driver, [Desired(xml=xml), other])
    assert test_driver.find_domain_named("one") is None


def test_a_lost_host_is_told_of_each_vm_that_had_no_turn(
    test_driver: Hypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_self: Hypervisor, name: str) -> None:
        raise HostUnreachable(f"lost while it looked for {name}")

    monkeypatch.setattr(Hypervisor, "find_domain_named", lost)
    outcome = ensure_each(test_driver, [described(name) for name in NAMES])
    monkeypatch.undo()

    assert {member.as_data()["error"] for member in outcome.failed} == {"lost while it looked for one"}
    assert len(outcome.failed) == 3
