# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler server``: the hypervisors. Here any libvirt URI may be registered, for whoever types it is the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hostler.cli.credentials import credential_named
from hostler.cli.options import body_of
from hostler.cli.running import run, run_alone
from hostler.cli.table import printable, show_table
from hostler.counted import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostler.hosts.models import Server
    from hostler.hosts.rebuild import HostRebuilt
    from hostler.hosts.schemas import ServerShown
    from hostler.machines.sync import SyncReport


app = typer.Typer(help="Manage servers, the hypervisors.", no_args_is_help=True)

Hostname = Annotated[str, typer.Argument(help="What the server is called.")]


VirtType = Annotated[str, typer.Option(help="kvm, qemu, or auto: try once whether a guest under KVM gets anywhere.")]
Pool = Annotated[str, typer.Option(help="Storage pool of new disks.")]
ImagePool = Annotated[str, typer.Option(help="Storage pool of base images.")]
Network = Annotated[str, typer.Option(help="libvirt network that is its NAT network.")]
AnsibleConnection = Annotated[
    str, typer.Option(help="Where playbooks run their modules: local, beside the service, or on the server by ssh.")
]
AnsibleHost = Annotated[str | None, typer.Option(help="Address for SSH.", show_default="what the server is called")]
AnsibleUser = Annotated[str | None, typer.Option(help="User for SSH.", show_default="root")]
AnsiblePort = Annotated[int | None, typer.Option(help="Port for SSH.", show_default="22")]
CredentialName = Annotated[
    str | None, typer.Option(help="Credential that it is reached with.", show_default="the service's own keys")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag to be chosen by; may be given again.")]
CpuOvercommit = Annotated[float, typer.Option(help="vCPUs that a placement may promise for each CPU.")]
MemoryOvercommit = Annotated[float, typer.Option(help="MiB that a placement may promise for each MiB of memory.")]


@app.command("add")
def add(
    hostname: Hostname,
    libvirt_uri: Annotated[str, typer.Argument(help="How its libvirt is reached, e.g. qemu+ssh://root@host/system.")],
    virt_type: VirtType = "auto",
    pool: Pool = "default",
    image_pool: ImagePool = "default",
    network: Network = "default",
    ansible_connection: AnsibleConnection = "local",
    ansible_host: AnsibleHost = None,
    ansible_user: AnsibleUser = None,
    ansible_port: AnsiblePort = None,
    credential: CredentialName = None,
    tags: Tags = None,
    cpu_overcommit: CpuOvercommit = 4.0,
    memory_overcommit: MemoryOvercommit = 1.0,
) -> None:
    """Register a server; a running service watches it within seconds."""
    from hostler.hosts import actions
    from hostler.hosts.schemas import ServerBody

    given: dict[str, Any] = {
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
        "tags": tags or [],
        "cpu_overcommit": cpu_overcommit,
        "memory_overcommit": memory_overcommit,
    }

    async def work() -> Server:
        if credential is not None:
            given["credential_id"] = (await credential_named(credential)).id
        return await actions.register(body_of(ServerBody, given, "The server can't be added").model_dump())

    server = run(work())
    typer.echo(f"Server {server.id} '{server.hostname}' added")


@app.command("change")
def change(
    hostname: Hostname,
    libvirt_uri: Annotated[str | None, typer.Option(help="How its libvirt is reached.")] = None,
    virt_type: Annotated[str | None, typer.Option(help="kvm, qemu or auto.")] = None,
    pool: Annotated[str | None, typer.Option(help="Storage pool of new disks.")] = None,
    image_pool: Annotated[str | None, typer.Option(help="Storage pool of base images.")] = None,
    network: Annotated[str | None, typer.Option(help="libvirt network that is its NAT network.")] = None,
    ansible_connection: Annotated[str | None, typer.Option(help="Where playbooks run: local or ssh.")] = None,
    ansible_host: Annotated[str | None, typer.Option(help="Address for SSH.")] = None,
    ansible_user: Annotated[str | None, typer.Option(help="User for SSH.")] = None,
    ansible_port: Annotated[int | None, typer.Option(help="Port for SSH.")] = None,
    credential: Annotated[
        str | None, typer.Option(help="Credential that it is reached with; '' for the service's own keys.")
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", help="All of its tags from now on; may be given again, '' for none.")
    ] = None,
    cpu_overcommit: Annotated[float | None, typer.Option(help="vCPUs to promise for each CPU.")] = None,
    memory_overcommit: Annotated[float | None, typer.Option(help="MiB to promise for each MiB of memory.")] = None,
) -> None:
    """Change what the options name."""
    from hostler.errors import OperatorError
    from hostler.hosts import actions
    from hostler.hosts.schemas import ServerChange

    known = {
        "libvirt_uri": libvirt_uri,
        "virt_type": virt_type,
        "pool": pool,
        "image_pool": image_pool,
        "network": network,
        "ansible_connection": ansible_connection,
        "ansible_host": ansible_host,
        "ansible_user": ansible_user,
        "ansible_port": ansible_port,
        "tags": None if tags is None else [tag for tag in tags if tag],
        "cpu_overcommit": cpu_overcommit,
        "memory_overcommit": memory_overcommit,
    }
    given: dict[str, Any] = {name: value for name, value in known.items() if value is not None}
    if not given and credential is None:
        raise OperatorError("Nothing is to be changed: say what by an option")

    async def work() -> None:
        if credential is not None:
            given["credential_id"] = (await credential_named(credential)).id if credential else None
        fields = body_of(ServerChange, given, "The server can't be changed").model_dump(exclude_unset=True)
        await actions.change(await server_named(hostname), fields)

    run(work())
    typer.echo(f"Server '{hostname}' changed")


@app.command("list")
def list_servers() -> None:
    """List the servers."""
    from hostler.hosts.models import Server
    from hostler.hosts.shown import shown

    async def work() -> list[ServerShown]:
        return await shown(await Server.all().order_by("id"))

    show_table(
        ("ID", "HOSTNAME", "STATE", "VIRT TYPE", "CPUS", "MEMORY", "VMS", "TAGS", "URI"),
        [
            (
                server.id,
                server.hostname,
                _state(server),
                server.virt_type_found or server.virt_type.value,
                server.cpu_total or "-",
                f"{server.memory_total_mb} MiB" if server.memory_total_mb else "-",
                f"{server.use.vms_running}/{server.use.vms}",
                ", ".join(server.tags) or "-",
                server.libvirt_uri,
            )
            for server in run(work())
        ],
    )


@app.command("drain")
def drain(hostname: Hostname) -> None:
    """Have no new VM made on a server; those that are there stay usable, and stay there."""
    _change(hostname, "drains", draining=True)


@app.command("undrain")
def undrain(hostname: Hostname) -> None:
    """Have VMs made on a server again."""
    _change(hostname, "is back in use", draining=False)


@app.command("enable")
def enable(hostname: Hostname) -> None:
    """Watch a server, and let VMs on it be changed."""
    _change(hostname, "enabled", enabled=True)


@app.command("disable")
def disable(hostname: Hostname) -> None:
    """Watch a server no more; its VMs stay listed."""
    _change(hostname, "disabled", enabled=False)


@app.command("remove")
def remove(hostname: Hostname) -> None:
    """Forget a server that has no VMs; nothing happens on the server itself."""
    from hostler.hosts import actions
    from hostler.services.alive import EVERYBODY

    async def work() -> None:
        await actions.remove(await server_named(hostname), EVERYBODY)

    run(work())
    typer.echo(f"Server '{hostname}' removed")


@app.command("refresh")
def refresh(hostname: Hostname) -> None:
    """Compare every VM and every base image of a server with what is known of it, now."""
    from hostler.credentials.keeping import Keeper
    from hostler.hosts import actions
    from hostler.hosts.connection import HostConnection
    from hostler.settings import Settings

    async def work() -> SyncReport:
        server = await server_named(hostname)
        credentials = Keeper.of(Settings.load()).opening(server.id)
        host = HostConnection(server.hostname, server.libvirt_uri, threads=1, credentials=credentials)
        try:
            return await actions.compare_all(server, host)
        finally:
            host.close()

    report = run(work())
    typer.echo(
        f"{counted(report.machines, 'VM')}: {report.appeared} appeared, {report.changed} changed,"
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
    from hostler.credentials.keeping import Keeper
    from hostler.errors import OperatorError
    from hostler.hosts.connection import HostConnections
    from hostler.hosts.models import Server
    from hostler.hosts.rebuild import rebuild as rebuild_servers
    from hostler.settings import Settings

    async def work() -> Sequence[HostRebuilt]:
        chosen = [await server_named(name) for name in hostnames or []]
        servers = chosen or await Server.filter(enabled=True).order_by("id")
        if not servers:
            raise OperatorError("There is no server to rebuild from; add them again with 'hostler server add'")
        connections = HostConnections(threads=1, credentials=Keeper.of(Settings.load()).opening)
        try:
            return await rebuild_servers(servers, connections)
        finally:
            connections.close()

    reports = run_alone(work())
    for report in reports:
        tell(report)
    away = [report.hostname for report in reports if report.unreachable is not None]
    if away:
        raise OperatorError(
            f"Not rebuilt, for nobody answers there: {', '.join(away)}. Run this again when they are back,"
            " before the service is started"
        )


def tell(report: HostRebuilt) -> None:
    """Show what came of one host."""
    if report.unreachable is not None:
        typer.echo(f"{report.hostname}: {printable(report.unreachable)}")
        return
    typer.echo(
        f"{report.hostname}: VMs of ours that are back: {len(report.ours)}; VMs of others: {len(report.foreign)}"
    )
    for old, new in report.renumbered.items():
        typer.echo(f"  VM {new} was {old}, which another VM is")
    for row in report.foreign:
        typer.echo(f"  VM {row.id} '{printable(row.name)}' is of others")
    for uuid, reason in report.unreadable.items():
        typer.echo(f"  {uuid} can't be read: {printable(reason)}")


def _change(hostname: str, words: str, **fields: bool) -> None:
    from hostler.hosts import actions

    async def work() -> None:
        await actions.change(await server_named(hostname), fields)

    run(work())
    typer.echo(f"Server '{hostname}' {words}")


def _state(server: ServerShown) -> str:
    if not server.enabled:
        return "disabled"
    words = "drained" if server.drained else "draining" if server.draining else None
    return server.state.value if words is None else f"{server.state.value}, {words}"


async def server_named(hostname: str) -> Server:
    """The server of that name; raises OperatorError if there is none."""
    from hostler.errors import OperatorError
    from hostler.hosts.models import Server

    server = await Server.get_or_none(hostname=hostname)
    if server is None:
        raise OperatorError(f"There is no server named '{hostname}'")
    return server
