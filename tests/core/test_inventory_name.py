# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs are called in an inventory: no two alike, and nothing but a name."""

import re
import uuid

from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.hostler.libvirt.plugins.module_utils.inventory_name import (
    SCHEMES,
    Clash,
    Named,
    inventory_names,
)

UUIDS = [str(uuid.UUID(int=number << 96)) for number in range(1, 9)]


def names(*vms: tuple[str, str], scheme: str = "name") -> tuple[list[str], list[Clash]]:
    found = inventory_names([Named(host, name, UUIDS[index]) for index, (host, name) in enumerate(vms)], scheme)
    return found.names, found.clashes


def test_each_scheme_calls_them_as_it_says() -> None:
    vms = [("kvm1", "web"), ("kvm2", "db.example.com")]

    assert names(*vms) == (["web", "db.example.com"], [])
    assert names(*vms, scheme="uuid") == (UUIDS[:2], [])
    assert names(*vms, scheme="name_host") == (["web_kvm1", "db.example.com_kvm2"], [])


def test_those_that_would_be_called_the_same_are_all_told_apart_by_their_hosts() -> None:
    assert names(("kvm1", "web"), ("kvm2", "web"), ("kvm2", "db")) == (
        ["web_kvm1", "web_kvm2", "db"],
        [Clash("web", ["web_kvm1", "web_kvm2"])],
    )


def test_those_that_the_host_does_not_tell_apart_are_by_their_uuids() -> None:
    assert names(("kvm1", "a b"), ("kvm1", "a/b"))[0] == ["a_b_kvm1_00000001", "a_b_kvm1_00000002"]
    assert names(("b_c", "a"), ("c", "a_b"), scheme="name_host")[0] == ["a_b_c_00000001", "a_b_c_00000002"]


def test_nobody_elses_machine_is_this_one() -> None:
    assert names(("kvm1", "localhost"), ("kvm1", "LocalHost"), ("kvm1", "all"))[0] == [
        "localhost_kvm1",
        "LocalHost_kvm1",
        "all_kvm1",
    ]


@given(
    some.lists(some.tuples(some.sampled_from(["kvm1", "kvm2", "k-"]), some.text(min_size=1)), max_size=8),
    some.sampled_from(SCHEMES),
)
def test_whatever_they_are_called_a_name_is_a_name_and_no_two_are_alike(
    vms: list[tuple[str, str]], scheme: str
) -> None:
    found, _clashes = names(*vms, scheme=scheme)

    assert len(set(found)) == len(vms)
    for name in found:
        assert re.fullmatch(r"\w[\w.-]*", name), name
