# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wanted of snapshots at all."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish, validate_wish


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (SnapshotWish(state="there"), "state"),
        (SnapshotWish(state="reverted"), "snapshot"),
        (SnapshotWish(state="absent"), "snapshot"),
        (SnapshotWish(snapshot=""), "snapshot"),
        (SnapshotWish(snapshot="a\x00b"), "snapshot"),
        (SnapshotWish(description="a\x01"), "description"),
        (SnapshotWish(keep=2), "keep"),
        (SnapshotWish(keep=0, series="s"), "keep"),
        (SnapshotWish(series="../x"), "series"),
        (SnapshotWish(series="x" * 41), "series"),
        (SnapshotWish(power="off"), "power"),
        (SnapshotWish(timeout=0), "timeout"),
        (SnapshotWish(timeout=float("nan")), "timeout"),
        (SnapshotWish("absent", "a", description="x"), "description"),
        (SnapshotWish("absent", "a", memory=True), "memory"),
        (SnapshotWish("absent", "a", external=True), "external"),
        (SnapshotWish("absent", "a", quiesce=True), "quiesce"),
        (SnapshotWish("absent", "a", series="s"), "series"),
        (SnapshotWish("absent", "a", power="running"), "power"),
        (SnapshotWish("absent", "a", force=True), "force"),
        (SnapshotWish(children=True), "children"),
        (SnapshotWish(state="reverted", snapshot="a", children=True), "children"),
        (SnapshotWish(power="paused"), "power"),
    ],
)  # fmt: skip
def test_what_can_be_of_no_vm_is_refused_by_its_field(wish: SnapshotWish, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_wish(wish)
    assert caught.value.field == field


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_wish(SnapshotWish(state="reverted", keep=1, force=True, quiesce=True))
    assert {error.field for error in caught.value.errors} == {"snapshot", "keep", "quiesce"}


@pytest.mark.parametrize(
    "wish",
    [
        SnapshotWish(),
        SnapshotWish(series="s", keep=1, external=False, memory=False),
        SnapshotWish(state="reverted", snapshot="as others like it: <&>", power="running", force=True),
        SnapshotWish(state="absent", snapshot="a", children=True),
    ],
)
def test_what_can_be_is_left_as_it_is(wish: SnapshotWish) -> None:
    assert validate_wish(wish) == wish
