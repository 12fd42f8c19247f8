# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for what happens to VMs, and what must have happened between two looks."""

import libvirt
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.lifecycle import (
    EVENTS,
    REBOOTED,
    LifecycleEvent,
    Standing,
    after,
    missed,
    standing_of,
    words_of,
)

UUID = "99999999-2222-4333-8444-555555555555"
OFF, RUNNING = Standing("web", "off"), Standing("web", "running")
PAUSED, ASLEEP = Standing("web", "paused"), Standing("web", "asleep")


@pytest.mark.parametrize("event", [event for event in EVENTS if event != REBOOTED])
def test_the_words_are_libvirt_s_own(event: str) -> None:
    number = getattr(libvirt, f"VIR_DOMAIN_EVENT_{event.upper()}")
    prefix = f"VIR_DOMAIN_EVENT_{event.upper()}_"
    reasons = {
        name.removeprefix(prefix).lower(): value for name, value in vars(libvirt).items() if name.startswith(prefix)
    }

    assert reasons
    assert {reason: words_of(number, detail) for reason, detail in reasons.items()} == {
        reason: (event, reason) for reason in reasons
    }


@pytest.mark.parametrize(("numbers", "words"), [((99, 0), ("other", "other")), ((5, 99), ("stopped", "other"))])
def test_what_a_newer_libvirt_tells_is_other(numbers: tuple[int, int], words: tuple[str, str]) -> None:
    assert words_of(*numbers) == words


@pytest.mark.parametrize(
    ("state", "reason", "standing"),
    [
        (libvirt.VIR_DOMAIN_RUNNING, 0, RUNNING),
        (libvirt.VIR_DOMAIN_BLOCKED, 0, RUNNING),
        (libvirt.VIR_DOMAIN_SHUTDOWN, 0, RUNNING),
        (libvirt.VIR_DOMAIN_PAUSED, 0, PAUSED),
        (libvirt.VIR_DOMAIN_PMSUSPENDED, 0, ASLEEP),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED, Standing("web", "off", "failed")),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED, Standing("web", "off", "destroyed")),
        (libvirt.VIR_DOMAIN_SHUTOFF, 99, Standing("web", "off", "other")),
        (libvirt.VIR_DOMAIN_CRASHED, 0, Standing("web", "off", "crashed")),
    ],
)
def test_a_state_is_a_standing(state: int, reason: int, standing: Standing) -> None:
    assert standing_of("web", state, reason) == standing


@pytest.mark.parametrize(
    ("before", "now", "events"),
    [
        (OFF, OFF, []),
        (OFF, RUNNING, [("started", "other")]),
        (OFF, PAUSED, [("started", "other"), ("suspended", "other")]),
        (RUNNING, PAUSED, [("suspended", "other")]),
        (PAUSED, RUNNING, [("resumed", "other")]),
        (RUNNING, ASLEEP, [("pmsuspended", "other")]),
        (ASLEEP, RUNNING, [("started", "other")]),
        (RUNNING, Standing("web", "off", "failed"), [("stopped", "failed")]),
        (OFF, Standing("db", "off"), [("defined", "renamed")]),
        (None, OFF, [("defined", "other")]),
        (None, RUNNING, [("defined", "other"), ("started", "other")]),
        (OFF, None, [("undefined", "other")]),
        (RUNNING, None, [("stopped", "other"), ("undefined", "other")]),
    ],
)
def test_what_was_missed_is_told_and_leads_to_how_things_are(
    before: Standing | None, now: Standing | None, events: list[tuple[str, str]]
) -> None:
    known = {UUID: before} if before else {}
    found = {UUID: now} if now else {}

    told = missed(known, found)

    assert [(event.event, event.reason) for event in told] == events
    assert all(event.missed and event.uuid == UUID for event in told)
    for event in told:
        known = after(known, event)
    assert {uuid: (one.name, one.state) for uuid, one in known.items()} == {
        uuid: (one.name, one.state) for uuid, one in found.items()
    }


@pytest.mark.parametrize(
    ("before", "event", "state"),
    [
        (RUNNING, "shutdown", "running"),
        (RUNNING, "rebooted", "running"),
        (RUNNING, "other", "running"),
        (RUNNING, "defined", "running"),
        (RUNNING, "undefined", "running"),  # it goes on as a transient one
        (RUNNING, "stopped", "off"),
        (OFF, "undefined", None),
        (None, "undefined", None),
        (None, "defined", "off"),
        (None, "started", "running"),
    ],
)
def test_an_event_changes_what_is_known(before: Standing | None, event: str, state: str | None) -> None:
    known = after({UUID: before} if before else {}, LifecycleEvent("web", UUID, event, "other"))

    assert {uuid: one.state for uuid, one in known.items()} == ({UUID: state} if state else {})
