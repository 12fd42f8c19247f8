# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler server``: the hypervisors. Here any libvirt URI may be registered, for whoever types it is the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostler.cli.running import run, run_alone
from hostler.cli.table import show_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostler.hosts.models import Server
    from hostler.hosts.rebuild import HostRebuilt
    from hostler.machines.sync import SyncReport

app = typer.Typer(help="Manage servers, the hypervisors.", no_args_is_help=True)

Hostname = Annotated[str, typer.Argument(help="What the server is called.")]


@app.command("add")
def add(
    hostname: Hostname,
    libvirt_uri: Annotated[str, typer.Argument(help="How its libvirt is reached, e.g. qemu+ssh://root@host/system.")],
    virt_type: Annotated[
        str, typer.Option(help="kvm, qemu, or auto: try once whether a guest under KVM gets anywhere.")
    ] = "auto",
    pool: Annotated[str, typer.Option(help="Storage pool of new disks.")] = "default",
    image_pool: Annotated[str, typer.Option(help="Storage pool of base images.")] = "default",
    network: Annotated[str, typer.Option(help="libvirt network that is its NAT network.")] = "default",
    ansible_connection: Annotated[
        str, typer.Option(help="Where playbooks run their modules: local, beside the service, or on the server by ssh.")
    ] = "local",
    ansible_host: Annotated[
        str | None, typer.Option(help="Address for SSH.", show_default="what the server is called")
    ] = None,
    ansible_user: Annotated[str | None, typer.Option(help="User for SSH.", show_default="root")] = None,
    ansible_port: Annotated[int | None, typer.Option(help="Port for SSH.", show_default="22")] = None,
) -> None:
    """Register a server; a running service watches it within seconds."""
    from pydantic import ValidationError

    from hostler.errors import OperatorError
    from hostler.hosts import actions
    from hostler.hosts.schemas import ServerBody

    try:
        body = ServerBody.model_validate(
            {
                "hostname": hostname,
                "libvirt_uri": libvirt_uri,
                "virt_type": virt_type,
                "pool": pool,
                "image_pool": image_pool,
                "network": network,
                "ansible_connection": ansible_connection,
                "ansible_host": ansible_host,
                "ansible_user": ansible_user,
                "ansible_port": ansible_port,
            }
        )
    except ValidationError as error:
        problems = [f"{item['loc'][0]}: {item['msg'].lower()}" for item in error.errors(include_input=False)]
        raise OperatorError(f"The server can't be added: {'; '.join(problems)}") from None
    server = run(actions.register(body.model_dump()))
    typer.echo(f"Server {server.id} '{server.hostname}' added")


@app.command("list")
def list_servers() -> None:
    """List the servers."""
    from hostler.hosts.models import Server

    async def work() -> list[Server]:
        return await Server.all().order_by("id")

    show_table(
        ("ID", "HOSTNAME", "STATE", "VIRT TYPE", "CPUS", "MEMORY", "URI"),
        [
            (
                server.id,
                server.hostname,
                server.state if server.enabled else "disabled",
                server.virt_type_found or server.virt_type,
                server.cpu_total or "-",
                f"{server.memory_total_mb} MiB" if server.memory_total_mb else "-",
                server.libvirt_uri,
            )
            for server in run(work())
        ],
    )


@app.command("enable")
def enable(hostname: Hostname) -> None:
    """Watch a server, and let VMs on it be changed."""
    _set_enabled(hostname, True)


@app.command("disable")
def disable(hostname: Hostname) -> None:
    """Watch a server no more; its VMs stay listed."""
    _set_enabled(hostname, False)


@app.command("remove")
def remove(hostname: Hostname) -> None:
    """Forget a server that has no VMs; nothing happens on the server itself."""
    from hostler.hosts import actions

    async def work() -> None:
        await actions.remove(await server_named(hostname))

    run(work())
    typer.echo(f"Server '{hostname}' removed")


@app.command("refresh")
def refresh(hostname: Hostname) -> None:
    """Compare every VM and every base image of a server with what is known of it, now."""
    from hostler.hosts.connection import HostConnection
    from hostler.hosts.sight import read_host
    from hostler.images.sync import sync_images
    from hostler.machines.sync import sync_host

    async def work() -> SyncReport:
        server = await server_named(hostname)
        host = HostConnection(server.hostname, server.libvirt_uri, threads=1)
        try:
            await read_host(server, host)
            await sync_images(server, host, refresh=True)
            return await sync_host(server, host, look_closely=True)
        finally:
            host.close()

    report = run(work())
    typer.echo(
        f"{report.machines} VMs: {report.appeared} appeared, {report.changed} changed,"
        f" {report.gone} are no longer on the host"
    )


@app.command("rebuild")
def rebuild(
    hostnames: Annotated[list[str] | None, typer.Argument(help="Which servers.", show_default="all")] = None,
) -> None:
    """Make the VMs of a database that was lost again from what the servers have: ids, names, tags, owners, specs.

    Add the servers and users again first, and stop the service: VMs get their ids back only if no other VM has got them
    meanwhile.
    """
    from hostler.errors import OperatorError
    from hostler.hosts.models import Server
    from hostler.hosts.rebuild import rebuild as rebuild_servers

    async def work() -> Sequence[HostRebuilt]:
        chosen = [await server_named(name) for name in hostnames or []]
        servers = chosen or await Server.filter(enabled=True).order_by("id")
        if not servers:
            raise OperatorError("There is no server to rebuild from; add them again with 'hostler server add'")
        return await rebuild_servers(servers)

    reports = run_alone(work())
    for report in reports:
        _tell(report)
    away = [report.hostname for report in reports if report.unreachable is not None]
    if away:
        raise OperatorError(
            f"Not rebuilt, for nobody answers there: {', '.join(away)}. Run this again when they are back,"
            " before the service is started"
        )


def _tell(report: HostRebuilt) -> None:
    if report.unreachable is not None:
        typer.echo(f"{report.hostname}: {report.unreachable}")
        return
    typer.echo(f"{report.hostname}: {len(report.ours)} VMs of ours are back, {len(report.foreign)} are of others")
    for old, new in report.renumbered.items():
        typer.echo(f"  VM {new} was {old}, which another VM is")
    for row in report.foreign:
        typer.echo(f"  VM {row.id} '{row.name}' is of others")
    for uuid, reason in report.unreadable.items():
        typer.echo(f"  {uuid} can't be read: {reason}")


def _set_enabled(hostname: str, enabled: bool) -> None:
    async def work() -> None:
        server = await server_named(hostname)
        server.enabled = enabled
        await server.save(update_fields=["enabled", "updated_at"])

    run(work())
    typer.echo(f"Server '{hostname}' {'enabled' if enabled else 'disabled'}")


async def server_named(hostname: str) -> Server:
    """The server of that name; raises OperatorError if there is none."""
    from hostler.errors import OperatorError
    from hostler.hosts.models import Server

    server = await Server.get_or_none(hostname=hostname)
    if server is None:
        raise OperatorError(f"There is no server named '{hostname}'")
    return server
