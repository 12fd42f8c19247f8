# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of a server, as a function: never one without room, the same for the same facts, a reason for each."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.hosts.models import ServerState
from hostler.placement.choice import Candidate, Companion, Wish, choose, left_with, reason_against

ROOMY = Candidate(
    1, "roomy", cpu_total=8, memory_total_mb=8192, disk_total_gb=100.0, disk_free_gb=100.0, images={"debian": 2.0}
)
SMALL = Wish(1, 512, ((4.0, "debian"), (1.0, None)))

TAGS = st.frozensets(st.sampled_from(["ssd", "gpu", "old"]), max_size=2)
COMPANIONS = st.lists(
    st.builds(Companion, st.sampled_from(["VM 1", "VM 2"]), st.frozensets(st.integers(1, 6))), max_size=2
)
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        id=st.integers(1, 6),
        hostname=st.sampled_from(["a", "b", "c"]),
        tags=TAGS,
        enabled=st.sampled_from([True, True, True, False]),
        draining=st.sampled_from([False, False, False, True]),
        state=st.sampled_from([ServerState.REACHABLE.value] * 4 + [state.value for state in ServerState]),
        cpu_total=st.one_of(st.integers(0, 64), st.none()),
        memory_total_mb=st.one_of(st.integers(0, 65536), st.none()),
        disk_total_gb=st.one_of(st.floats(0, 500), st.none()),
        disk_free_gb=st.one_of(st.floats(0, 500), st.none()),
        cpu_overcommit=st.floats(0.1, 8),
        memory_overcommit=st.floats(0.1, 2),
        cpu_promised=st.integers(0, 128),
        memory_promised_mb=st.integers(0, 65536),
        disk_promised_gb=st.floats(0, 100),
        images=st.dictionaries(st.sampled_from(["debian", "tiny"]), st.floats(0, 10)),
    ),
    max_size=6,
    unique_by=lambda candidate: candidate.id,
)
WISHES = st.builds(
    Wish,
    cpu_cores=st.integers(1, 32),
    memory_mb=st.integers(1, 32768),
    disks=st.lists(st.tuples(st.floats(0.1, 50), st.sampled_from([None, "debian"])), min_size=1, max_size=3),
    tags=TAGS,
    avoid_tags=TAGS,
    near=COMPANIONS,
    apart_from=COMPANIONS,
)


@given(WISHES, CANDIDATES)
def test_what_is_chosen_has_room_and_is_all_that_was_asked_for(wish: Wish, candidates: list[Candidate]) -> None:
    chosen = choose(wish, candidates).chosen
    if chosen is None:
        return
    assert chosen.enabled
    assert not chosen.draining
    assert chosen.state == "reachable"
    assert chosen.cpu_total is not None
    assert chosen.memory_total_mb is not None
    assert chosen.disk_free_gb is not None
    assert chosen.cpu_promised + wish.cpu_cores <= chosen.cpu_total * chosen.cpu_overcommit
    assert wish.cpu_cores <= chosen.cpu_total
    assert chosen.memory_promised_mb + wish.memory_mb <= chosen.memory_total_mb * chosen.memory_overcommit
    assert sum(size for size, _ in wish.disks) <= chosen.disk_free_gb - chosen.disk_promised_gb
    assert all(chosen.images[image] <= size for size, image in wish.disks if image is not None)
    assert wish.tags <= chosen.tags
    assert not wish.avoid_tags & chosen.tags
    assert all(chosen.id in companion.servers for companion in wish.near)
    assert not any(chosen.id in companion.servers for companion in wish.apart_from)


@given(WISHES, CANDIDATES, st.randoms(use_true_random=False))
def test_the_same_facts_in_any_order_make_the_same_choice(
    wish: Wish, candidates: list[Candidate], shuffler: random.Random
) -> None:
    first = choose(wish, candidates)
    shuffler.shuffle(candidates)
    assert choose(wish, candidates) == first


@given(WISHES, CANDIDATES)
def test_every_server_is_chosen_or_passed_over_for_a_reason(wish: Wish, candidates: list[Candidate]) -> None:
    choice = choose(wish, candidates)
    told = [*(one.candidate.id for one in choice.passed_over), *([choice.chosen.id] if choice.chosen else [])]

    assert sorted(told) == sorted(candidate.id for candidate in candidates)
    assert [one.candidate.id for one in choice.passed_over] == sorted(one.candidate.id for one in choice.passed_over)
    assert all(one.reason and one.fits == (reason_against(wish, one.candidate) is None) for one in choice.passed_over)
    assert choice.chosen is not None or not any(one.fits for one in choice.passed_over)
    assert choice.reason
    assert (choice.left is None) == (choice.chosen is None)


@given(WISHES, CANDIDATES)
def test_no_server_is_left_with_less_than_nothing(wish: Wish, candidates: list[Candidate]) -> None:
    choice = choose(wish, candidates)
    if choice.chosen is not None:
        assert min(left_with(wish, choice.chosen)) >= 0
        assert choice.left == left_with(wish, choice.chosen)


@given(WISHES, CANDIDATES)
def test_a_server_that_is_known_not_to_do_is_never_chosen(wish: Wish, candidates: list[Candidate]) -> None:
    first = choose(wish, candidates).chosen
    if first is not None:
        again = choose(wish, candidates, {first.id: "said no"})
        assert again.chosen != first
        assert "said no" in [one.reason for one in again.passed_over]


@pytest.mark.parametrize(
    ("difference", "wish", "reason"),
    [
        ({"enabled": False}, SMALL, "is disabled"),
        ({"draining": True}, SMALL, "is draining"),
        ({"state": "unreachable"}, SMALL, "is unreachable"),
        ({"state": "unknown"}, SMALL, "has not been reached yet"),
        ({}, dataclasses.replace(SMALL, tags=frozenset({"ssd", "gpu"})), "lacks the tag 'gpu', 'ssd'"),
        ({"tags": frozenset({"old"})}, dataclasses.replace(SMALL, avoid_tags=frozenset({"old"})), "has the tag 'old'"),
        ({}, dataclasses.replace(SMALL, near=[Companion("VM 7", frozenset({2}))]), "does not have VM 7"),
        ({}, dataclasses.replace(SMALL, apart_from=[Companion("VM 7", frozenset({1}))]), "has VM 7"),
        ({"images": {}}, SMALL, "does not have the image 'debian'"),
        ({"images": {"debian": 5}}, SMALL, "has an image 'debian' of 5 GiB, more than the disk's 4 GiB"),
        ({"cpu_total": None}, SMALL, "has not said yet what it has"),
        ({"cpu_overcommit": 4.0}, Wish(9, 1), "has 8 CPUs, and the VM wants 9"),
        ({"cpu_promised": 8}, SMALL, "has 0 of 8 vCPUs left, and the VM wants 1"),
        ({"memory_promised_mb": 8000}, SMALL, "has 192 of 8192 MiB of memory left, and the VM wants 512 MiB"),
        ({"disk_free_gb": None}, SMALL, "has no storage pool 'default' that can be read"),
        ({"disk_promised_gb": 96.0}, SMALL, "has 4 GiB left in its pool 'default', and the VM's disks want 5 GiB"),
    ],
)
def test_a_refusal_says_why(difference: dict[str, Any], wish: Wish, reason: str) -> None:
    candidate = dataclasses.replace(ROOMY, **difference)
    assert reason_against(wish, candidate) == reason
    assert choose(wish, [candidate]).chosen is None
    assert [one.reason for one in choose(wish, [candidate]).passed_over] == [reason]


def test_overcommit_makes_room() -> None:
    full = dataclasses.replace(ROOMY, cpu_promised=8, memory_promised_mb=8192)
    assert choose(SMALL, [full]).chosen is None
    assert choose(SMALL, [dataclasses.replace(full, cpu_overcommit=2.0, memory_overcommit=1.5)]).chosen is not None


def test_the_one_with_the_most_room_is_chosen_by_what_is_scarcest_there() -> None:
    # more memory left in MiB, but of its pool nearly nothing
    crammed = dataclasses.replace(ROOMY, id=2, hostname="crammed", memory_total_mb=65536, disk_free_gb=6.0)

    choice = choose(SMALL, [crammed, ROOMY])

    assert choice.chosen == ROOMY
    assert choice.reason == "the most room: 88 % of its vCPUs would be left"
    assert [(one.fits, one.reason) for one in choice.passed_over] == [
        (True, "fits: 1 % of its pool 'default' would be left")
    ]


def test_vms_spread_over_servers_that_are_alike_and_equals_go_by_their_ids() -> None:
    servers = {number: dataclasses.replace(ROOMY, id=number) for number in (1, 2, 3)}
    went = []
    for _ in range(6):
        chosen = choose(SMALL, servers.values()).chosen
        assert chosen is not None
        went.append(chosen.id)
        servers[chosen.id] = dataclasses.replace(
            chosen, cpu_promised=chosen.cpu_promised + 1, memory_promised_mb=chosen.memory_promised_mb + 512
        )
    assert went == [1, 2, 3, 1, 2, 3]


def test_a_preferred_server_is_taken_if_it_fits_and_only_then() -> None:
    fuller = dataclasses.replace(ROOMY, id=2, memory_promised_mb=4096)
    chosen = choose(SMALL, [ROOMY, fuller], preferred=2).chosen
    assert chosen == fuller
    assert choose(SMALL, [ROOMY, dataclasses.replace(fuller, draining=True)], preferred=2).chosen == ROOMY
