# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirtd is killed at every step of what is done: the same asked again ends as it should, and nothing is lost."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import clone as clones
from ansible_collections.hostler.libvirt.plugins.module_utils.actions import create, delete, ensure, ensure_clone
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_wish import CloneWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from lab.host import Host
from tests.core.actions.guests import SEED, desired, everything_on, named, swept

pytestmark = [pytest.mark.lab, pytest.mark.slow]


class Killer:
    """`perform`, but libvirtd is killed right before the step of that number, if there are so many."""

    def __init__(self, host: Host, monkeypatch: pytest.MonkeyPatch, modules: Sequence[Any]) -> None:
        self._host = host
        self._left: int | None = None
        self.struck = False
        self.said = ""
        for module in modules:
            monkeypatch.setattr(module, "perform", self._perform)

    def strike_at(self, step: int) -> None:
        self._left, self.struck, self.said = step, False, ""

    def _perform(self, hypervisor: Hypervisor, plan: Any, *hooks: Any, doers: Any = None) -> None:
        perform(hypervisor, plan, *hooks[:1], fence=self._fence, doers=doers)

    def _fence(self) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left < 0:
            self._left, self.struck = None, True
            self._host.kill_libvirtd()


@pytest.fixture
def killer(lab_host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Killer]:
    with swept(lab_host.uri):
        yield Killer(lab_host, monkeypatch, [ensure, create, clones, delete, ensure_clone])
        lab_host.start_libvirtd()


def every_step(host: Host, killer: Killer, work: Callable[[Hypervisor], Any]) -> Iterator[int]:
    """Do it with libvirtd killed before its first step, its second, and so on, until it has no further step."""
    step = 0
    while True:
        killer.strike_at(step)
        with Hypervisor.open(host.uri) as hypervisor:
            if not _survives(work, hypervisor, killer):
                return
        host.start_libvirtd()
        yield step
        step += 1


def _survives(work: Callable[[Hypervisor], Any], hypervisor: Hypervisor, killer: Killer) -> bool:
    try:
        work(hypervisor)
    except HostlerError as error:
        assert killer.struck
        killer.said = error.message
        return True
    return killer.struck


def test_a_vm_that_was_being_made_is_known_to_be_half_made_and_leaves_nothing_when_it_is_deleted(
    lab_host: Host, killer: Killer
) -> None:
    wanted = desired(lab_host, "cut-off", "running", cloud_init=SEED, autostart=True, disks=[{"size_gb": 0.01}])
    with Hypervisor.open(lab_host.uri) as hypervisor:
        before = everything_on(hypervisor)
    steps = 0
    for step in every_step(lab_host, killer, lambda hypervisor: ensure.ensure(hypervisor, wanted)):
        with Hypervisor.open(lab_host.uri) as hypervisor:
            if step > 0:
                with pytest.raises(WrongState, match="being created"):
                    ensure.ensure(hypervisor, wanted)
            ensure.ensure(hypervisor, Desired({"name": "cut-off"}, state="absent"))
            assert everything_on(hypervisor) == before
        steps += 1
    assert steps == 7
    with Hypervisor.open(lab_host.uri) as hypervisor:
        assert named(hypervisor, "cut-off").status == "running"


def test_a_vm_that_was_being_changed_is_as_desired_after_the_next_run(lab_host: Host, killer: Killer) -> None:
    smaller = desired(lab_host, "changed", tags=["a"])
    larger = desired(lab_host, "changed", "running", tags=["b"], memory_mb=160, disk_gb=0.25, autostart=True)
    steps = 0
    with Hypervisor.open(lab_host.uri) as hypervisor:
        ensure.ensure(hypervisor, smaller)
        identity = (named(hypervisor, "changed").uuid, named(hypervisor, "changed").mac_address)
    for _step in every_step(lab_host, killer, lambda hypervisor: ensure.ensure(hypervisor, larger)):
        with Hypervisor.open(lab_host.uri) as hypervisor:
            ensure.ensure(hypervisor, larger)
            vm = named(hypervisor, "changed")
            assert (vm.status, vm.memory_kib, vm.disk_gb, vm.autostart) == ("running", 160 * 1024, 0.25, True)
            assert (vm.uuid, vm.mac_address) == identity
            assert ensure.ensure(hypervisor, larger)["changed"] is False
            ensure.ensure(hypervisor, Desired({"name": "changed"}, state="absent"))
            ensure.ensure(hypervisor, smaller)
            identity = (named(hypervisor, "changed").uuid, named(hypervisor, "changed").mac_address)
        steps += 1
    assert steps >= 4


def test_a_vm_that_was_being_deleted_is_gone_after_the_next_run(lab_host: Host, killer: Killer) -> None:
    wanted = desired(lab_host, "deleted", "running", cloud_init=SEED)
    absent = Desired({"name": "deleted"}, state="absent")
    with Hypervisor.open(lab_host.uri) as hypervisor:
        before = everything_on(hypervisor)
        ensure.ensure(hypervisor, wanted)
        disks = {str(disk.path) for disk in named(hypervisor, "deleted").disks}
    left: set[str] = set()
    for step in every_step(lab_host, killer, lambda hypervisor: ensure.ensure(hypervisor, absent)):
        with Hypervisor.open(lab_host.uri) as hypervisor:
            ensure.ensure(hypervisor, absent)
            names, volumes = everything_on(hypervisor)
            assert names == before[0]
            left = volumes - before[1]
            # once the domain is undefined nobody knows of its disks any more, but for whoever was told then
            assert left <= disks
            assert step >= 2 or not left
            assert all(path in killer.said for path in left)
            for path in left:
                volume = hypervisor.find_volume_at(path)
                assert volume is not None
                volume.delete()
            ensure.ensure(hypervisor, wanted)
            disks = {str(disk.path) for disk in named(hypervisor, "deleted").disks}


def test_a_clone_that_was_being_made_leaves_its_source_as_it_was(lab_host: Host, killer: Killer) -> None:
    wish = CloneWish("copied", state="running")
    with Hypervisor.open(lab_host.uri) as hypervisor:
        ensure.ensure(hypervisor, desired(lab_host, "source", cloud_init=SEED))
        before = everything_on(hypervisor)
        xml = hypervisor.domain(named(hypervisor, "source").uuid).xml(inactive=True, secure=True)
    steps = 0
    work = ensure_clone.ensure_clone
    for step in every_step(lab_host, killer, lambda hypervisor: work(hypervisor, OneMachine("source"), wish)):
        with Hypervisor.open(lab_host.uri) as hypervisor:
            assert hypervisor.domain(named(hypervisor, "source").uuid).xml(inactive=True, secure=True) == xml
            if step > 0:
                with pytest.raises(WrongState, match="being created"):
                    work(hypervisor, OneMachine("source"), wish)
            ensure.ensure(hypervisor, Desired({"name": "copied"}, state="absent"))
            assert everything_on(hypervisor) == before
        steps += 1
    assert steps == 5
