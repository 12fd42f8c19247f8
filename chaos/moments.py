# SPDX-License-Identifier: GPL-3.0-or-later
"""One operation after the other, in the middle of which something is killed, at a moment that nobody chooses."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

import httpx

from bench.guests import add_server
from bench.job_worker import JobWorker
from bench.service import Service
from chaos.api import Api, ApiSilent
from chaos.operations import PREFIX, Clone, Create, Delete, Operation, Resize, Snapshot, usual_seconds
from chaos.stage import Stage, set_up
from chaos.verdict import all_vms, differences, stray_disks
from chaos.victims import Victims
from lab.host import Host

_SETTLE_SECONDS = 60.0
_ATTEMPTS = 3
_KINDS: Mapping[str, Sequence[str]] = {
    "create": ("service", "ansible-playbook", "libvirtd"),
    "clone": ("ansible-playbook", "libvirtd"),
    "resize": ("service", "ansible-playbook", "libvirtd"),
    "delete": ("service", "libvirtd"),
    "snapshot": ("service", "libvirtd", "QEMU"),
}
_OF_WORKERS = ("create", "resize", "delete", "snapshot")


@dataclass(frozen=True)
class MomentsPlan:
    """What is to be done."""

    times: int
    seed: int
    postgres: bool = False


@dataclass
class MomentsOutcome:
    """What came of it; by "operation, what was killed": how often, and with which ends."""

    seconds: float = 0.0
    usual: dict[str, float] = field(default_factory=dict)
    ends: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def moments(self) -> int:
        """How often something was killed."""
        return sum(counts.total() for counts in self.ends.values())


def run_moments(plan: MomentsPlan) -> MomentsOutcome:
    """Do it, in a folder of its own. Raises what ended it before its time."""
    with set_up(1, plan.postgres) as stage, _served(stage) as (service, worker):
        (host,) = stage.hosts
        add_server(service, host)
        with contextlib.closing(Api(service.url, service.token())) as api:
            chance = random.Random(plan.seed)  # noqa: S311  no secret
            return _work(plan, chance, host, Victims(service, worker, host, chance), api)


def _served(stage: Stage) -> AbstractContextManager[tuple[Service, JobWorker | None]]:
    return stage.service_and_worker(**({} if stage.postgres is None else {"takes_jobs": "false"}))


def _work(plan: MomentsPlan, chance: random.Random, host: Host, victims: Victims, api: Api) -> MomentsOutcome:
    operations: dict[str, Operation] = {
        "create": Create(api, host),
        "clone": Clone(api, host),
        "resize": Resize(api, host),
        "delete": Delete(api, host),
        "snapshot": Snapshot(api, host),
    }
    outcome = MomentsOutcome(usual={name: usual_seconds(one) for name, one in operations.items()})
    pairs = [(name, victim) for name, killed in _KINDS.items() for victim in killed]
    pairs += [(name, "worker") for name in _OF_WORKERS] if plan.postgres else []
    began = time.monotonic()
    for name, victim in itertools.islice(itertools.cycle(pairs), _ATTEMPTS * plan.times):
        if outcome.moments == plan.times:
            break
        operation = operations[name]
        try:
            _one(operation, victims, victim, chance.uniform(0, outcome.usual[name]), outcome, f"{name}, {victim}")
        except (ApiSilent, httpx.HTTPStatusError) as error:
            outcome.wrong.append(f"{name}, {victim}: {error}")
            break
        outcome.wrong += [f"{name}, {victim}: {one}" for one in _lasting(partial(_left, api, host))]
    outcome.seconds = time.monotonic() - began
    return outcome


def _one(operation: Operation, victims: Victims, victim: str, after: float, outcome: MomentsOutcome, what: str) -> None:
    operation.begin()
    time.sleep(after)
    was_there = victims.by_name[victim](operation)
    state = operation.end()
    # a host that was away as its create was to be taken back, or its clone to be seen, is looked at when it is back
    lasting = _lasting(partial(operation.wrong, state))
    outcome.wrong += [f"{what} after {after:.3f} s: {one}" for one in lasting]
    operation.tidy()
    if was_there:  # else its playbook had ended, or its guest: that was no moment
        outcome.ends.setdefault(what, Counter())[state] += 1


def _left(api: Api, host: Host) -> list[str]:
    """What is left of what is gone, and what is not shown as it is."""
    return [*differences(host, all_vms(api.client)), *stray_disks(host, PREFIX)]


def _lasting(look: Callable[[], list[str]]) -> list[str]:
    """What is still wrong once there was time to mend it."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
