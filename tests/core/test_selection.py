# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs are meant, of a host that has some of them."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import (
    Chosen,
    OneMachine,
    Selection,
    choose,
    validate_one,
    validate_selection,
)
from tests.core.machines import OTHER_UUID, UUID

THIRD = "11111111-2222-4333-8444-555555555555"
NAMES = {UUID: "web-2", OTHER_UUID: "web-1", THIRD: UUID}  # one is named as another's UUID


def test_nothing_that_narrows_it_means_all_in_the_order_of_their_names() -> None:
    assert [one.name for one in choose(Selection(), NAMES)] == [UUID, "web-1", "web-2"]


@pytest.mark.parametrize("option", ["name", "uuid", "pattern"])
def test_an_empty_list_means_nothing_and_not_all(option: str) -> None:
    assert choose(Selection(**{option: ()}), NAMES) == []


def test_each_is_there_once_in_the_order_in_which_it_was_asked_for() -> None:
    selection = Selection(name=("web-2", "nobody", "web-2"), uuid=(OTHER_UUID, UUID), pattern=("web-*", "*"))

    assert choose(selection, NAMES) == [
        Chosen("web-2", UUID),
        Chosen("nobody", None),
        Chosen("web-1", OTHER_UUID),
        Chosen(UUID, THIRD),
    ]


def test_a_name_is_no_uuid_and_a_uuid_no_name() -> None:
    assert choose(Selection(name=(UUID,)), NAMES) == [Chosen(UUID, THIRD)]
    assert choose(Selection(uuid=(UUID,)), NAMES) == [Chosen("web-2", UUID)]


def test_a_uuid_that_no_vm_has_is_known_by_it() -> None:
    nobody = "99999999-2222-4333-8444-555555555555"
    (one,) = choose(Selection(uuid=(nobody,)), NAMES)

    assert (one.exists, one.label) == (False, f"with UUID {nobody}")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("web-?", ["web-1", "web-2"]), ("WEB-*", []), ("web-[!1]", ["web-2"]), ("web", []), ("nobody-*", [])],
)
def test_a_pattern_fits_whole_names_and_capital_letters(pattern: str, found: list[str]) -> None:
    assert [one.name for one in choose(Selection(pattern=(pattern,)), NAMES)] == found


def test_a_uuid_in_any_spelling_is_the_vms() -> None:
    assert validate_selection(Selection(uuid=(UUID.upper(), UUID.replace("-", "")))).uuid == (UUID, UUID)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ("a", "")}, "name.1"),
        ({"name": ("a/b",)}, "name.0"),
        ({"name": ("a\x00b",)}, "name.0"),
        ({"pattern": ("",)}, "pattern.0"),
        ({"uuid": ("",)}, "uuid.0"),
        ({"uuid": (UUID, "web-1")}, "uuid.1"),
    ],
    ids=ascii,
)
def test_what_can_mean_no_vm_is_refused_by_its_place(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_selection(Selection(**given))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("which", "field"),
    [
        (OneMachine(), "name"),
        (OneMachine(""), "name"),
        (OneMachine("a/b"), "name"),
        (OneMachine(uuid="x"), "uuid"),
        (OneMachine("a", "x"), "uuid"),
    ],
)
def test_whose_device_it_is_has_to_be_said_as_a_vm_can_be_called(which: OneMachine, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_one(which)
    assert caught.value.field == field


def test_a_uuid_is_taken_as_people_write_it() -> None:
    assert validate_one(OneMachine("a", UUID.upper())) == OneMachine("a", UUID)
