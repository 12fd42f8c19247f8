# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the database's VMs again from what the hosts have, after it was lost.

VMs of ours say who they are, so they are taken in first, of all hosts, with the numbers that they had; then those that
others made get numbers that none of ours can have had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.survey import look_at
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from hostler.audit.models import Outcome
from hostler.audit.record import Target
from hostler.audit.record import record as audit
from hostler.database.numbers import pass_over
from hostler.hosts.connection import HostConnection, HostConnections
from hostler.hosts.models import Server
from hostler.hosts.sight import mark_unreachable, read_host
from hostler.images.sync import sync_images
from hostler.machines.intake import Seen, take_in
from hostler.machines.looking import look
from hostler.machines.models import Machine
from hostler.machines.sync import batches, bulk_states, compare, present

GAP = 1000
"""Numbers that are passed over after the highest that a VM of ours has: nobody knows those of deleted VMs."""


@dataclass
class HostRebuilt:
    """What came of one host; ``unreachable`` says why nothing did."""

    hostname: str
    ours: list[Machine] = field(default_factory=list)
    """VMs of ours that are there, with the numbers that they have now."""
    foreign: list[Machine] = field(default_factory=list)
    renumbered: dict[int, int] = field(default_factory=dict)
    """Numbers that VMs of ours had and that others have, too, and those that they got instead."""
    unreadable: dict[str, str] = field(default_factory=dict)
    unreachable: str | None = None


async def rebuild(servers: Sequence[Server], connections: HostConnections) -> Sequence[HostRebuilt]:
    """Take in all VMs of these servers; what the database knows already stays. No service may be at work meanwhile."""
    reports = {server.id: HostRebuilt(server.hostname) for server in servers}
    for are_ours in (True, False):
        for server in servers:
            report = reports[server.id]
            if report.unreachable is None:
                host = connections.of(server.id, server.hostname, server.libvirt_uri)
                try:
                    await _take_in(server, host, report, are_ours)
                except HostUnreachable as error:
                    report.unreachable = error.message
                    await mark_unreachable(server, error)
        highest = await Machine.all().order_by("-id").first()
        if are_ours and highest is not None:
            async with in_transaction():
                await pass_over(highest.id + GAP)
    async with in_transaction():
        for server in servers:
            _record(server, reports[server.id])
    return list(reports.values())


def _record(server: Server, report: HostRebuilt) -> None:
    target = Target("server", server.id, server.hostname)
    if report.unreachable is not None:
        audit("server.rebuild", Outcome.FAILED, target=target, details={"reason": report.unreachable})
    else:
        details = {"ours": len(report.ours), "foreign": len(report.foreign), "renumbered": len(report.renumbered)}
        audit("server.rebuild", target=target, details=details)


async def _take_in(server: Server, host: HostConnection, report: HostRebuilt, are_ours: bool) -> None:
    found = await bulk_states(host)
    if are_ours:
        await read_host(server, host)
        await sync_images(server, host, refresh=True)
        for uuids in batches(sorted((await compare(server, found)).away)):
            await look(server, host, uuids)
    for uuids in batches(sorted(present(found))):
        looks = await host.call(partial(look_at, uuids=uuids))
        report.unreadable.update(looks.unreadable)
        machines = {uuid: one for uuid, one in looks.seen.items() if (one.record is not None) is are_ours}
        rows = {row.uuid: row for row in await Machine.filter(server_id=server.id, uuid__in=list(machines))}
        await take_in(host, Seen(server, machines, rows, at_work={}), copies=uuids)
        for row in await Machine.filter(server_id=server.id, uuid__in=list(machines)).order_by("id"):
            (report.ours if are_ours else report.foreign).append(row)
            record = machines[row.uuid].record
            if record is not None and record.id not in (None, row.id):
                report.renumbered[record.id] = row.id
