# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans can be joined, and say as plain data what they are."""

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import (
    clones,
    devices,
    drives,
    ensure_image,
    given_xml,
    graphics,
    machine_doers,
    migrations,
    network_doers,
    nics,
    pool_volumes,
    pools,
    snapshots,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import PowerOff, StartDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_image import WantedImage


def test_nothing_to_do_is_no_change() -> None:
    assert not Plan().changed
    assert Plan().as_data() == {"changed": False, "steps": [], "before": {}, "after": {}, "next_boot": []}


def test_a_joined_plan_has_the_first_before_and_the_last_after() -> None:
    first = Plan((Step("off", PowerOff("u")),), {"state": "running", "a": 1}, {"state": "stopped", "a": 2})
    second = Plan((Step("on", StartDomain("u"), Applies.OFF),), {"state": "stopped"}, {"state": "running"})

    both = first.then(second)

    assert both.as_data() == {
        "changed": True,
        "steps": [{"title": "off", "applies": "now"}, {"title": "on", "applies": "off"}],
        "before": {"state": "running", "a": 1},
        "after": {"state": "running", "a": 2},
        "next_boot": [],
    }


def test_fields_that_wait_are_told_once_and_in_order() -> None:
    steps = (
        Step("a", PowerOff("u"), Applies.NEXT_BOOT, ("memory_mb", "cpu_cores")),
        Step("b", PowerOff("u"), Applies.NOW, ("disk_gb",)),
        Step("c", PowerOff("u"), Applies.NEXT_BOOT, ("cpu_cores", "vnc_enabled")),
    )

    assert Plan(steps).next_boot == Plan(steps).as_data()["next_boot"] == ["memory_mb", "cpu_cores", "vnc_enabled"]


def test_every_operation_has_somebody_who_does_it() -> None:
    with Hypervisor.open("test:///default") as anywhere:
        moves = migrations.doers(anywhere, migrations.Transfer())
        images = ensure_image.Bringing(anywhere, WantedImage("x", path="/x"), "/", check=True).doers(())
    tables = (
        moves,
        images,
        machine_doers.DOERS,
        clones.DOERS,
        devices.DOERS,
        drives.DOERS,
        given_xml.DOERS,
        graphics.DOERS,
        network_doers.DOERS,
        nics.DOERS,
        pool_volumes.DOERS,
        pools.DOERS,
        snapshots.DOERS,
    )

    assert sorted(str(kind) for table in tables for kind in table) == sorted(map(str, Operation.__subclasses__()))
