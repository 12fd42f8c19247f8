# SPDX-License-Identifier: GPL-3.0-or-later
"""Registering servers, changing them, removing them, refreshing them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from hostler.audit.record import Target
from hostler.audit.record import record as audit
from hostler.counted import counted
from hostler.engine import Engine
from hostler.errors import Conflict, FieldProblem, NotFound
from hostler.events.record import Kind, record_server
from hostler.hosts.connection import HostConnection
from hostler.hosts.models import AnsibleConnection, Server, ServerState
from hostler.hosts.reached_with import check_credential
from hostler.hosts.sight import mark_unreachable, read_host
from hostler.images.models import Image
from hostler.images.observation import forget as forget_images
from hostler.images.sync import sync_images
from hostler.jobs.ledger import close_job
from hostler.jobs.models import Job, JobState
from hostler.machines.arrivals import Departures
from hostler.machines.models import Machine
from hostler.machines.sync import SyncReport, sync_host

_REACHING = {"credential_id", "libvirt_uri", "ansible_connection"}


async def register(fields: Mapping[str, Any]) -> Server:
    """Write a new server down; its URI is the caller's to check.

    Raises `Conflict` for a hostname that is taken, `BadRequest` for a credential that does not do.
    """
    whole = {"ansible_connection": AnsibleConnection.LOCAL.value, **fields}
    await check_credential(whole)
    try:
        async with in_transaction():
            server = await Server.create(**fields)
            await record_server(Kind.SERVER_CREATED, server.id)
            audit("server.create", target=_target(server), after=fields)
            return server
    except IntegrityError:
        await check_credential(whole)  # it may have been removed meanwhile
        raise _taken(fields["hostname"]) from None


async def change(server: Server, fields: Mapping[str, Any]) -> Server:
    """Change what ``fields`` name; another URI or virt type has the host probed anew.

    Raises as `register`, and `NotFound` for a server that was removed meanwhile.
    """
    changes = {name: value for name, value in fields.items() if getattr(server, name) != value}
    if "libvirt_uri" in changes or "virt_type" in changes:
        changes["virt_type_found"] = None
    if "libvirt_uri" in changes:
        changes |= {"state": ServerState.UNKNOWN.value, "state_reason": None}
    if not changes:
        return server
    whole = {**{name: getattr(server, name) for name in _REACHING}, **changes}
    if changes.keys() & _REACHING:
        await check_credential(whole)
    before = {name: getattr(server, name) for name in changes if name in fields}
    server.update_from_dict(changes)
    try:
        # no other column: the watch writes what it sees meanwhile
        async with in_transaction():
            if await Server.filter(id=server.id).select_for_update().first() is None:
                raise not_found(server.id)
            await server.save(update_fields=[*changes, "updated_at"])
            await record_server(Kind.SERVER_CHANGED, server.id)
            after = {name: changes[name] for name in before}
            audit("server.change", target=_target(server), before=before, after=after)
    except IntegrityError:
        await check_credential(whole)
        raise _taken(str(fields.get("hostname"))) from None
    return server


async def remove(server: Server, alive: Container[str]) -> None:
    """Forget a server; `Conflict` as long as it has VMs, or a job of a process that is ``alive`` is at work there."""
    try:
        async with in_transaction():
            # whoever is about to begin a job there locks it, too
            await Server.select_for_update().get_or_none(id=server.id)
            for job in await Job.filter(server_id=server.id, state=JobState.RUNNING.value).order_by("id"):
                if job.lease_owner in alive:
                    message = f"Server '{server.hostname}' is at work: {job.action} runs there (job {job.id})"
                    raise Conflict(message, code="server_in_use")
                # of a process that is gone; who would look at the host what became of it is told to forget that host
                detail = "The service was stopped while this ran, and the server was removed since"
                await close_job(job, JobState.FAILED, error_code="cut_off", error_detail=detail)
            await forget_images(*(image.id for image in await Image.filter(server_id=server.id).order_by("id")))
            await record_server(Kind.SERVER_DELETED, server.id)
            await server.delete()
            before = {"hostname": server.hostname, "libvirt_uri": server.libvirt_uri}
            audit("server.delete", target=_target(server), before=before)
    except IntegrityError:
        known = await Machine.filter(server_id=server.id).count()
        raise Conflict(
            f"Server '{server.hostname}' has {counted(known, 'VM')}: delete all of them, or disable the server",
            code="server_in_use",
        ) from None


async def refresh(engine: Engine, server: Server) -> SyncReport:
    """Compare every VM and image of the server with its row now. Raises `HostUnreachable`, and writes that down."""
    try:
        return await compare_all(server, engine.host(server), engine.watch.departures)
    except HostUnreachable as error:
        if server.id not in engine.watch.elsewhere:  # whoever watches it may well reach it
            await mark_unreachable(server, error)
        raise


async def compare_all(server: Server, host: HostConnection, departures: Departures | None = None) -> SyncReport:
    """Compare the server, and every VM and image of it, with its row now; ``departures`` as of `sync_host`.

    Raises `HostUnreachable`.
    """
    await read_host(server, host)
    await sync_images(server, host, refresh=True)
    return await sync_host(server, host, departures)


def not_found(server_id: int) -> NotFound:
    """The error of a server that is not there."""
    return NotFound(f"Server with ID {server_id} not found", code="server_not_found")


def _target(server: Server) -> Target:
    return Target("server", server.id, server.hostname)


def _taken(hostname: str) -> Conflict:
    message = f"A server named '{hostname}' already exists"
    return Conflict(message, code="hostname_taken", errors=[FieldProblem("hostname", message)])
