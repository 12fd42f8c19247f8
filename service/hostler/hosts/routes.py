# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/servers``: the hypervisors."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from hostler.bodies import Done
from hostler.counted import counted
from hostler.engine import EngineOf
from hostler.hosts import actions
from hostler.hosts.models import Server
from hostler.hosts.schemas import Refreshed, ServerBody, ServerChange, ServerShown
from hostler.hosts.shown import shown, shown_one
from hostler.hosts.uri import checked_uri
from hostler.paging import Page, Paging, fetch_page
from hostler.permission import Caller, Requires
from hostler.routing import Router
from hostler.services.alive import alive_processes

router = Router(prefix="/api/servers", tags=["servers"])

Reader = Annotated[Caller, Requires("read")]
Writer = Annotated[Caller, Requires("write")]
Admin = Annotated[Caller, Requires("admin")]


async def _server(server_id: Annotated[int, Path(description="The server's id", ge=1, le=2**31 - 1)]) -> Server:
    server = await Server.get_or_none(id=server_id)
    if server is None:
        raise actions.not_found(server_id)
    return server


ServerOf = Annotated[Server, Depends(_server)]


@router.get("", summary="List servers")
async def list_servers(caller: Reader, paging: Paging) -> Page[ServerShown]:
    """Servers in the order of their ids; answered from the database."""
    found, total = await fetch_page(Server.all(), paging)
    return Page.of(await shown(found), total, paging)


@router.post("", status_code=201, summary="Register a server")
async def register_server(caller: Admin, engine: EngineOf, body: ServerBody) -> ServerShown:
    """Register a hypervisor; it is watched from then on, and its VMs appear by themselves."""
    checked_uri(body.libvirt_uri, engine.settings.trusted_libvirt_uris)
    server = await actions.register(body.model_dump())
    await engine.watch.servers_changed()
    return await shown_one(server)


@router.get("/{server_id}", summary="Show a server")
async def show_server(caller: Reader, server: ServerOf) -> ServerShown:
    """One server."""
    return await shown_one(server)


@router.put("/{server_id}", summary="Change a server")
async def change_server(caller: Admin, engine: EngineOf, server: ServerOf, body: ServerChange) -> ServerShown:
    """Change what the body names."""
    fields = body.model_dump(exclude_unset=True)
    if "libvirt_uri" in fields:
        checked_uri(fields["libvirt_uri"], engine.settings.trusted_libvirt_uris)
    changed = await actions.change(server, fields)
    await engine.watch.servers_changed()
    return await shown_one(changed)


@router.delete("/{server_id}", summary="Remove a server")
async def remove_server(caller: Admin, engine: EngineOf, server: ServerOf) -> Done:
    """Forget a server that has no VMs; nothing happens on the server itself."""
    await actions.remove(server, await alive_processes())
    await engine.watch.servers_changed()
    return Done(message=f"Server '{server.hostname}' removed")


@router.post("/{server_id}/drain", summary="Drain a server")
async def drain_server(caller: Admin, server: ServerOf) -> ServerShown:
    """Have no new VM made there; those that are there stay usable, and are left to whoever moves or stops them."""
    return await shown_one(await actions.change(server, {"draining": True}))


@router.post("/{server_id}/undrain", summary="Take a server back into use")
async def undrain_server(caller: Admin, server: ServerOf) -> ServerShown:
    """Have VMs made there again."""
    return await shown_one(await actions.change(server, {"draining": False}))


@router.post("/{server_id}/refresh", summary="Refresh a server")
async def refresh_server(caller: Writer, engine: EngineOf, server: ServerOf) -> Refreshed:
    """Compare every VM and every base image of the server with what is known of it, now."""
    report = await actions.refresh(engine, server)
    return Refreshed(
        message=f"Server '{server.hostname}' refreshed: {counted(report.machines, 'VM')}",
        machines=report.machines,
        appeared=report.appeared,
        changed=report.changed,
        gone=report.gone,
    )
