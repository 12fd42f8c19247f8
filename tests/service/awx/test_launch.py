# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX is given at a launch, and what of it has to be kept secret there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts_in
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec
from hostler.awx.launch import CANARY, CANARY_VALUE, MARK, SECRETS, Launch, mark_of
from hostler.awx.retelling import Retelling
from hostler.database import Database
from hostler.jobs.models import Job
from hostler.runner import LogLine, PlaybookEvent, StepFinished, StepStarted, StepState
from hostler.settings import Settings
from tests.awx.made import REPO


def secrets_in(kind: Any) -> Iterator[str]:
    for inner in get_args(kind):
        yield from secrets_in(inner)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        types = get_type_hints(kind)
        for one in dataclasses.fields(kind):
            known = facts_in(one)
            if known is not None and known.secret:
                yield one.name
            yield from secrets_in(types[one.name])


def test_each_part_of_a_vm_that_may_hold_a_secret_is_asked_for_as_a_password() -> None:
    types = get_type_hints(MachineSpec)
    secret = {f"vm_{one.name}" for one in dataclasses.fields(MachineSpec) if list(secrets_in(types[one.name]))}

    assert secret == SECRETS
    surveys = yaml.safe_load((REPO / "playbooks/vars/awx_templates.yml").read_text())["awx_service_surveys"]
    asked = {question["variable"] for question in surveys["vm_create"]["spec"] if question["type"] == "password"}
    assert asked == SECRETS


def test_a_secret_is_one_text_and_all_else_is_as_it_is() -> None:
    launch = Launch(
        7, "a mark", {"vm_tags": ["a"], "vm_live": True, "vm_cloud_init": {"user_data": "ä {{ x }}", "hostname": None}}
    )

    assert launch.secrets == {"vm_cloud_init"}
    given = launch.extra_vars
    assert (given["vm_tags"], given["vm_live"]) == (["a"], True)
    assert json.loads(given["vm_cloud_init"]) == {"user_data": "ä {{ x }}", "hostname": None}
    assert "ä" in given["vm_cloud_init"], "ansible-core before 2.19 does not read pairs of escapes as one character"
    assert (given[MARK], given[CANARY]) == ("a mark", CANARY_VALUE)
    assert "{{" in CANARY_VALUE
    assert "user_data" not in repr(launch)


@pytest.mark.parametrize("value", ["a\x1bb", {"__ansible_vault": "x"}, {"not a name": 1}, float("nan")])
def test_what_is_no_variable_beside_the_service_is_none_at_awx(value: object) -> None:
    with pytest.raises(ValueError, match=r"character|no name|finite"):
        Launch(7, "a mark", {"vm_description": value})


def test_no_two_jobs_have_one_mark() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    jobs = [
        Job(id=1, vm_uuid="a", created_at=now),
        Job(id=2, vm_uuid="a", created_at=now),
        Job(id=1, vm_uuid="b", created_at=now),
        Job(id=1, vm_uuid="a", created_at=now.replace(microsecond=678902)),
    ]

    assert len({mark_of(job) for job in jobs}) == len(jobs)
    assert mark_of(jobs[0]) == "a/1/1767323045.678901"


@pytest.mark.anyio
async def test_a_job_s_mark_is_the_same_for_the_next_service(database_url: str, tmp_path: Path) -> None:
    async with Database(Settings(state_dir=tmp_path / "state", database_url=database_url)) as database:
        await database.migrate()
        job = await Job.create(action="vm_create", executor="awx", state="running", vm_uuid="a")

        assert mark_of(await Job.get(id=job.id)) == mark_of(job)


def test_what_was_written_down_is_not_told_again_and_nothing_is_left_out() -> None:
    def ended(name: str, state: StepState = StepState.OK) -> StepFinished:
        return StepFinished(name, state, False, None, {})

    events: list[PlaybookEvent] = [
        LogLine("one"),
        StepStarted("a"),
        LogLine("two"),
        ended("a"),
        ended("b", StepState.SKIPPED),  # whose beginning nobody told of
        StepStarted("a"),
        LogLine("three"),
        ended("a"),
    ]
    # the rows of each are written in the order of the events: whatever was written last, all after it is told
    for written in range(len(events) + 1):
        done = events[:written]
        begun = sum(isinstance(one, StepStarted) for one in done) + sum(one == events[4] for one in done)
        retelling = Retelling(
            lines=sum(isinstance(one, LogLine) for one in done),
            begun=begun,
            ended=sum(isinstance(one, StepFinished) for one in done),
        )

        assert [one for one in events if not retelling.is_told(one)] == events[written:]
