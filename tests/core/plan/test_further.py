# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disk and which card each entry of a list means, and which lists no VM can have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.card import NetworkConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import Nic
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired, validate_desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.further import (
    Further,
    paired_disks,
    paired_nics,
    validate_further,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import DiskConfig
from tests.core.machines import UUID

ROOT = Drive("disk", "vda", bus="virtio")
SEED = Drive("cdrom", "sda", bus="scsi")
BUSES = {"v": "virtio", "c": "scsi", "t": "sata"}


def chassis(buses: str = "", cards: int = 1) -> Chassis:
    """A VM with further disks on the buses of these letters, in libvirt's order."""
    drives = [Drive("disk", f"x{index}", bus=BUSES[letter]) for index, letter in enumerate(buses)]
    nics = tuple(Nic("network", "default", f"52:54:00:00:00:0{index}") for index in range(cards))
    return Chassis(UUID, "web-1", "stopped", "<domain/>", defined_drives=(ROOT, *drives, SEED), defined_nics=nics)


def disks(buses: str) -> Further:
    return Further(disks=tuple(DiskConfig(1, bus=BUSES[letter]) for letter in buses))


@pytest.mark.parametrize(
    ("present", "wanted", "meant", "beyond"),
    [
        ("", "v", [None], []),
        ("vv", "vv", ["x0", "x1"], []),
        ("vc", "cv", ["x1", "x0"], []),
        ("vv", "v", ["x0"], ["x1"]),
        ("v", "c", ["x0"], []),
        ("v", "vc", ["x0", None], []),
        ("v", "cv", [None, "x0"], []),
        ("vvc", "vcc", ["x0", "x2", "x1"], []),
        ("tv", "", [], ["x0", "x1"]),
    ],
)
def test_an_entry_means_the_next_disk_on_its_bus_else_the_next_that_is_left(
    present: str, wanted: str, meant: list[str | None], beyond: list[str]
) -> None:
    found, left = paired_disks(disks(wanted), chassis(present))

    assert [None if drive is None else drive.target for drive in found] == meant
    assert [drive.target for drive in left] == beyond


@given(st.text("vct", max_size=8), st.text("vct", max_size=8))
def test_each_disk_is_meant_once_or_beyond_the_list_and_none_is_made_while_one_is_left(
    present: str, wanted: str
) -> None:
    found, left = paired_disks(disks(wanted), chassis(present))

    meant = [drive.target for drive in found if drive is not None]
    assert sorted([*meant, *(drive.target for drive in left)]) == [f"x{index}" for index in range(len(present))]
    assert len(found) == len(wanted)
    assert not left or len(meant) == len(wanted)


def card(last: str | None = None) -> NetworkConfig:
    return NetworkConfig(mac_address=None if last is None else f"52:54:00:00:00:{last}")


@pytest.mark.parametrize(
    ("cards", "wanted", "options", "meant", "beyond"),
    [
        (1, [card()], {}, [None], 0),
        (3, [card("02"), card()], {}, ["02", "01"], 0),
        (3, [card()], {}, ["01"], 1),
        (2, [card(), card("0A")], {}, ["01", None], 0),
        (2, [card("0A")], {}, ["01"], 0),
        (2, [card("00"), card("01")], {"all_nics": True}, ["00", "01"], 0),
        (0, [card()], {"first_nic": True}, [None], 0),
        (0, [card()], {"all_nics": True}, [None], 0),
    ],
)
def test_an_entry_means_the_card_of_its_address_else_the_next_that_is_left(
    cards: int, wanted: list[NetworkConfig], options: dict[str, Any], meant: list[str | None], beyond: int
) -> None:
    found, left = paired_nics(Further(nics=tuple(wanted), **options), chassis(cards=cards))

    assert [None if nic is None else (nic.mac_address or "")[-2:] for nic in found] == meant
    assert len(left) == beyond


def test_cards_after_a_first_one_that_there_is_not_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="come after the first card, and the VM has none"):
        paired_nics(Further(nics=(card(),)), chassis(cards=0))


@pytest.mark.parametrize(
    ("further", "field"),
    [
        (Further(disks=(DiskConfig(1),) * 25), "disks"),
        (Further(disks=(DiskConfig(1, bus="ide"),)), "disks.0.bus"),
        (Further(disks=("x",)), "disks.0"),  # type: ignore[arg-type]  as a user may have it
        (Further(nics=(card("02"), card("02"))), "nics.1.mac_address"),
        (Further(nics=(NetworkConfig("none"),)), "nics.0.type"),
        (Further(nics=(card(),) * 16), "nics"),
    ],
)
def test_what_no_vm_can_have_is_refused_by_its_place_in_the_list(further: Further, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_further(further)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"disks_exclusive": True}, "disks_exclusive"),
        ({"nics_exclusive": True}, "nics_exclusive"),
        ({"delete_detached_disks": True}, "delete_detached_disks"),
    ],
)
def test_a_switch_without_its_list_is_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_desired(Desired({"name": "web-1"}, **options))
    assert caught.value.field == field
