# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler image``: base images, straight to the servers; a running service lists them at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hostler.cli.running import run
from hostler.cli.servers import Hostname, server_named
from hostler.cli.table import show_table

if TYPE_CHECKING:
    from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import VolumeFacts
    from hostler.credentials.keeping import Opening
    from hostler.hosts.models import Server
    from hostler.images.models import Image

app = typer.Typer(help="Manage base images.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the image is called.")]

_PIECE_BYTES = 256 * 1024


@app.command("list")
def list_images() -> None:
    """List the base images of all servers."""
    from hostler.images.models import Image
    from hostler.images.schemas import ImageShown

    async def work() -> list[Image]:
        return await Image.all().order_by("id").select_related("server")

    show_table(
        ("ID", "NAME", "SERVER", "FORMAT", "SIZE", "ALLOCATED"),
        [
            (
                image.id,
                image.name,
                image.server.hostname,
                image.format,
                f"{image.size_gb:g} GiB",
                f"{image.allocated_gb:g} GiB",
            )
            for image in map(ImageShown.of, run(work()))
        ],
    )


@app.command("add")
def add(
    hostname: Hostname,
    file: Annotated[Path, typer.Argument(help="The image: a qcow2, raw or iso file.", exists=True, dir_okay=False)],
    name: Annotated[str | None, typer.Option(help="What it is to be called; the file's name if left out.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The SHA-256 that it must have.")] = None,
) -> None:
    """Upload a base image to a server's image pool, all or nothing."""
    from functools import partial

    from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image_upload import NewImage, upload
    from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor

    server, opening = run(_reached(hostname))
    image = NewImage(name or file.name, sha256=sha256, size=file.stat().st_size)
    # in no event loop: Ctrl-C ends it here and now, and what was written is taken away
    with file.open("rb") as opened, Hypervisor.open(server.libvirt_uri, credentials=opening) as hypervisor:
        uploaded = upload(hypervisor, server.image_pool, image, iter(partial(opened.read, _PIECE_BYTES), b""))
    row = run(_written_down(server, uploaded.volume))
    typer.echo(f"Image {row.id} '{row.name}' added to server '{hostname}'")


@app.command("remove")
def remove(
    hostname: Hostname,
    name: Name,
    unfinished: Annotated[
        bool,
        typer.Option("--unfinished", help="Remove what is left of an upload that was killed; never a whole image."),
    ] = False,
) -> None:
    """Delete a base image that no VM and no other volume needs from its server."""
    from ansible_collections.hostler.libvirt.plugins.module_utils.actions import images
    from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
    from hostler.errors import OperatorError

    server, opening = run(_reached(hostname))
    with Hypervisor.open(server.libvirt_uri, credentials=opening) as hypervisor:
        if not unfinished:
            images.remove(hypervisor, server.image_pool, name)
        elif not images.discard_unfinished(hypervisor, server.image_pool, name):
            raise OperatorError(f"No unfinished upload of '{name}' is on server '{hostname}'")
    run(_forget(server, name))
    typer.echo(f"Image '{name}' removed from server '{hostname}'")


async def _written_down(server: Server, volume: VolumeFacts) -> Image:
    from tortoise.transactions import in_transaction

    from hostler.audit.record import Target, record
    from hostler.images.observation import write_down

    async with in_transaction():
        row = await write_down(server, volume)
        record("image.upload", target=Target("image", row.id, row.name), details={"server_id": server.id})
    return row


async def _forget(server: Server, name: str) -> None:
    from tortoise.transactions import in_transaction

    from hostler.audit.record import Target, record
    from hostler.images.models import Image
    from hostler.images.observation import forget

    async with in_transaction():
        await forget(*(row.id for row in await Image.filter(server_id=server.id, name=name)))
        record("image.delete", target=Target("image", None, name), details={"server_id": server.id})


async def _reached(hostname: str) -> tuple[Server, Opening]:
    """The server of that name, and its credential for whoever connects to it later."""
    from functools import partial

    from hostler.credentials.keeping import Keeper
    from hostler.settings import Settings

    server = await server_named(hostname)
    keeper = Keeper.of(Settings.load())
    return server, partial(keeper.laid_out, await keeper.of_server(server.id))
