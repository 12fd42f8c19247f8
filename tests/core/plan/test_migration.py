# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration does in which order, and what it makes of one that was cut off."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import Move
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration import left_behind, plan_migration
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_facts import (
    MigrationSurroundings,
    Sighting,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_steps import (
    CarryVolume,
    CompleteMove,
    MakeTarget,
    MigrateLive,
    MigrateOffline,
    NoteMove,
    RemoveRemains,
    SetAutostartThere,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import MigrationWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import ResumeDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import DeleteVolume
from tests.core.machines import UUID
from tests.core.plan.migrating import DISK, LOCAL, SEED, URI, A, B, around, machine, operations, planned

MOVE = Move(A.uuid, B.uuid, autostart=True, copied=("/disks/web-1.qcow2",))


def test_a_running_vm_on_shared_storage_is_noted_moved_and_completed() -> None:
    plan = planned(around())

    note, moved, complete = operations(plan)
    assert note == NoteMove(UUID, Move(A.uuid, B.uuid))
    assert isinstance(moved, MigrateLive)
    assert (moved.paused, moved.copied, moved.peer_uri) == (False, (), None)
    assert complete == CompleteMove(UUID)
    assert (plan.before, plan.after) == ({"host": "a", "state": "running"}, {"host": "b", "state": "running"})


def test_what_a_wish_says_reaches_the_migration() -> None:
    wish: dict[str, Any] = {
        "unsafe": True, "migrate_uri": "tcp://b", "bandwidth_mb": 5, "max_downtime_ms": 70, "auto_converge": True,
        "timeout": 9, "on_timeout": "pause", "tunnelled": True,
    }  # fmt: skip
    (_, moved, _) = operations(planned(around(), peer_to_peer=True, **wish))

    assert {name: getattr(moved, name) for name in wish} == wish
    assert moved.peer_uri == URI
    (_, moved, _) = operations(planned(around(), peer_to_peer=True, peer_uri="qemu+tcp://b/system"))
    assert moved.peer_uri == "qemu+tcp://b/system"


def test_a_vm_that_is_off_has_its_definition_moved_and_starts_with_its_new_host_as_with_the_old() -> None:
    plan = planned(around(machine(status="stopped", autostart=True)))

    assert [type(one) for one in operations(plan)] == [NoteMove, MigrateOffline, SetAutostartThere, CompleteMove]
    assert plan.after == {"host": "b", "state": "stopped"}


def test_a_definition_is_moved_only_if_what_was_copied_is_what_was_looked_at() -> None:
    local = dataclasses.replace(LOCAL, here=dataclasses.replace(DISK, modified="1764115200.5"))
    off = machine(status="stopped")

    (moved,) = [
        one
        for one in operations(planned(around(off, files=(local,)), storage="copied"))
        if isinstance(one, MigrateOffline)
    ]

    assert moved.copied == ((LOCAL.path, "1764115200.5"),)


def test_a_paused_vm_stays_paused_but_not_one_that_stands_for_a_migration_that_was_cut_off() -> None:
    paused = machine(status="paused")
    (_, moved, _) = operations(planned(around(paused)))
    assert moved.paused

    plan = planned(around(here=Sighting(paused, standing=True)))
    resume, _, moved, _ = operations(plan)
    assert resume == ResumeDomain(UUID)
    assert not moved.paused
    assert plan.after["state"] == "running"


def test_disks_of_a_running_vm_get_room_and_its_seed_is_copied_before_it_moves() -> None:
    where = around(files=(LOCAL, SEED))
    plan = planned(where, storage="copied")

    assert [type(one) for one in operations(plan)] == [MakeTarget, CarryVolume, NoteMove, MigrateLive, CompleteMove]
    moved = next(one for one in operations(plan) if isinstance(one, MigrateLive))
    assert (moved.copied, moved.incremental) == (("vda",), False)
    assert left_behind(where, plan) == [LOCAL.path, SEED.path]


def test_what_is_the_vms_own_is_deleted_last_if_that_is_asked_for_and_the_rest_is_told() -> None:
    where = around(files=(LOCAL, SEED))
    plan = planned(where, (LOCAL.path, "/disks/other.qcow2"), storage="copied", delete_source_disks=True)

    assert operations(plan)[-1] == DeleteVolume(LOCAL.path)
    assert left_behind(where, plan) == [SEED.path]


def there(move: Move | None = None, **changes: Any) -> MigrationSurroundings:
    """The VM on host b only."""
    return around(here=None, there=Sighting(machine(**changes), move=move))


def test_a_vm_that_is_there_already_is_left_alone() -> None:
    plan = planned(there())
    assert not plan.changed
    assert left_behind(there(), plan) == []


def test_a_migration_that_was_cut_off_after_the_vm_had_moved_is_completed() -> None:
    plan = planned(there(MOVE))
    assert operations(plan) == [SetAutostartThere(UUID), CompleteMove(UUID)]
    assert (plan.before, plan.after) == (
        {"migration": "cut off", "autostart": False},
        {"migration": "complete", "autostart": True},
    )
    assert left_behind(there(MOVE), plan) == ["/disks/web-1.qcow2"]

    plan = planned(there(MOVE), storage="copied", delete_source_disks=True)
    assert operations(plan)[-1] == DeleteVolume("/disks/web-1.qcow2")
    assert left_behind(there(MOVE), plan) == []


def test_of_a_migration_from_elsewhere_no_disk_here_is_told_or_deleted_and_one_to_elsewhere_is_nobodys() -> None:
    elsewhere = dataclasses.replace(MOVE, source="cccc")
    plan = planned(there(elsewhere), storage="copied", delete_source_disks=True)
    assert operations(plan) == [SetAutostartThere(UUID), CompleteMove(UUID)]
    assert left_behind(there(elsewhere), plan) == []

    assert not planned(there(dataclasses.replace(MOVE, destination="cccc"))).changed


def test_what_a_migration_has_left_standing_at_the_source_is_removed_when_the_vm_runs_there() -> None:
    for left in (Sighting(machine(status="paused"), standing=True), Sighting(machine(status="stopped"), left=True)):
        plan = planned(around(here=left, there=Sighting(machine(), move=MOVE)))
        assert operations(plan) == [RemoveRemains(UUID), SetAutostartThere(UUID), CompleteMove(UUID)]


@pytest.mark.parametrize(
    ("here", "there", "says"),
    [
        (
            Sighting(machine(), migrating=True),
            Sighting(machine(status="paused"), standing=True),
            "migrated from a already",
        ),
        (Sighting(machine()), Sighting(machine()), "on both hosts, running on a and running on b"),
        (Sighting(machine(status="stopped")), Sighting(machine(status="stopped")), "on both hosts, stopped on a"),
        (Sighting(machine(status="paused"), standing=True), Sighting(machine(status="stopped")), "on both hosts"),
        (None, Sighting(machine(status="paused", is_persistent=False), standing=True), "on its way to b"),
    ],
)
def test_a_vm_on_both_hosts_or_under_way_is_an_error(here: Sighting | None, there: Sighting, says: str) -> None:
    with pytest.raises(WrongState, match=says):
        planned(around(here=here, there=there))


def test_both_ends_on_one_host_are_an_error() -> None:
    with pytest.raises(InvalidSpec, match="the host where the VM is to leave from") as caught:
        plan_migration(dataclasses.replace(around(), destination=A), MigrationWish(), URI)
    assert caught.value.field == "destination_uri"
