# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways out of a drift, beside others who change, remove or use the VM at the same time."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import validate_change
from hostler.drift.differences import differences
from hostler.drift.ways_out import adopt, wanted_again
from hostler.errors import Conflict, NotFound, PreconditionFailed
from hostler.hosts.models import Server
from hostler.jobs.models import Executor, Job, JobState
from hostler.machines.models import Machine
from hostler.machines.wanted import change_of

pytestmark = pytest.mark.anyio


def anything(_row: Machine) -> None:
    """Let any version pass."""


@pytest.fixture
async def row(app: FastAPI) -> Machine:
    """A VM that has drifted, of a host that nobody watches."""
    server = await Server.create(hostname="shelf", libvirt_uri="qemu:///system", enabled=False)
    return await Machine.create(
        uuid="00000000-0000-4000-8000-000000000001",
        server=server,
        name="asked",
        cpu_cores=3,
        memory_mb=64,
        disk_gb=1,
        spec={"cpu_cores": 1},
        drift=differences({"cpu_cores": 1}, {"cpu_cores": 3}),
        foreign=False,
    )


async def test_what_is_adopted_is_looked_at_as_it_is_then_and_not_as_it_was_loaded(row: Machine) -> None:
    await Machine.filter(id=row.id).update(cpu_cores=64, drift=differences({"cpu_cores": 1}, {"cpu_cores": 64}))

    def as_it_was_seen(current: Machine) -> None:
        if current.cpu_cores != 3:
            raise PreconditionFailed("VM 'asked' was changed meanwhile: get it anew for its ETag")

    with pytest.raises(PreconditionFailed):
        await adopt(row, as_it_was_seen)
    assert (await Machine.get(id=row.id)).spec == {"cpu_cores": 1}


async def test_a_vm_that_is_removed_or_taken_over_by_a_job_meanwhile_is_not_adopted(row: Machine) -> None:
    job = await Job.create(
        action="vm_resize",
        executor=Executor.DIRECT.value,
        state=JobState.RUNNING.value,
        vm_id=row.id,
        vm_name="asked",
        server_id=row.server_id,
        parameters={},
    )
    with pytest.raises(Conflict, match="has an operation in progress: resize"):
        await adopt(row, anything)
    await Job.filter(id=job.id).delete()
    await Machine.filter(id=row.id).delete()

    with pytest.raises(NotFound, match=f"^VM with ID {row.id} not found$"):
        await adopt(row, anything)


BRIDGE = {"type": "bridge", "bridge_name": "br0", "model": "e1000e", "mac_address": "52:54:00:00:00:01"}


@pytest.mark.parametrize(
    ("asked", "actual"),
    [
        ({"type": "network", "network_name": "lan", "model": "virtio"}, BRIDGE),
        ({"type": "network", "network_name": "lan"}, {"type": "nat", "network_name": "default", "model": "virtio"}),
        ({"type": "none"}, BRIDGE),
        ({"type": "bridge", "bridge_name": "br0", "mac_address": "52:54:00:00:00:09"}, {"type": "none"}),
        ({"type": "bridge", "bridge_name": "br0"}, {"type": "network", "network_name": "lan", "model": "virtio"}),
    ],
)
async def test_a_card_that_was_adopted_can_be_applied_again(
    row: Machine, asked: dict[str, Any], actual: dict[str, Any]
) -> None:
    spec = {"network_config": asked}
    await Machine.filter(id=row.id).update(spec=spec, drift=differences(spec, {"network_config": actual}))

    await adopt(row, anything)

    adopted: dict[str, Any] = dict((await Machine.get(id=row.id)).spec)
    assert differences(adopted, {"network_config": actual}) == []
    assert adopted["network_config"].items() <= actual.items()
    # and once it has another model, what was adopted is a card that can be had
    row.spec = adopted
    row.drift = [{"field": "network_config.model", "asked": "virtio", "actual": "rtl8139"}]
    validate_change(change_of(wanted_again(row)))


async def test_what_was_found_of_a_card_can_be_applied_again(row: Machine) -> None:
    # as it is written down of a VM that another door has made: the server's NAT network has a name, too
    row.spec = {"network_config": {"type": "nat", "network_name": "default", "model": "virtio"}}
    row.drift = [{"field": "network_config.model", "asked": "virtio", "actual": "e1000e"}]

    validate_change(change_of(wanted_again(row)))
