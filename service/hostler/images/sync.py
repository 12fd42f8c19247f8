# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing the rows of a server's images in line with its image pool.

A row that is taken away was there before the host was asked: one that an upload has written meanwhile stays, whoever
compares at that moment. Thus an image has its id for as long as its volume is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.images import Images, look
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server
from hostler.images.marks import left_marks, settle_mark
from hostler.images.models import Image
from hostler.images.observation import forget, is_known, write_down

log = structlog.get_logger(__name__)

# by server and pool: the volumes that were found to be disks of VMs
_disks: defaultdict[tuple[int, str], frozenset[str]] = defaultdict(frozenset)


async def sync_images(server: Server, host: HostConnection, *, closely: bool = False, refresh: bool = False) -> None:
    """Compare the server's image pool with what is known of it; cheap unless something is new there.

    ``closely`` reads all VMs again to tell their disks from images, ``refresh`` has libvirt look into the pool's folder
    first. A pool that can't be read leaves everything as it is. Raises `HostUnreachable`.
    """
    current = await Server.get_or_none(id=server.id)  # which pool it is may have been changed
    if current is None:
        return
    rows = {row.name: row for row in await Image.filter(server_id=server.id)}
    elsewhere = [row for row in rows.values() if row.pool != current.image_pool]
    await _forget(server, elsewhere)
    for row in elsewhere:
        del rows[row.name]
    left = await left_marks(server)
    seen = await _look(current, host, _question(current, rows, closely=closely, refresh=refresh))
    if seen is None:
        return
    _disks[server.id, current.image_pool] = seen.disks
    found = {facts.name: facts for facts in seen.images}
    await _forget(server, [row for row in rows.values() if row.name not in found and row.name not in seen.unfinished])
    for facts in found.values():
        if not is_known(rows.get(facts.name), facts):
            await write_down(current, facts)
    for mark in left:
        await settle_mark(
            current, host, mark, may_be_there=mark.pool != current.image_pool or mark.name in seen.unfinished
        )


async def _forget(server: Server, gone: list[Image]) -> None:
    for row in gone:
        log.info("image.gone", host=server.hostname, image=row.id, name=row.name)
    if gone:
        await forget(*(row.id for row in gone))


def _question(
    server: Server, known: dict[str, Image], *, closely: bool, refresh: bool
) -> Callable[[Hypervisor], Images]:
    if closely or refresh:
        return partial(look, pool_name=server.image_pool, refresh=refresh)
    disks = _disks[server.id, server.image_pool]
    return partial(look, pool_name=server.image_pool, known=tuple(known), known_disks=disks)


async def _look(server: Server, host: HostConnection, question: Callable[[Hypervisor], Images]) -> Images | None:
    try:
        return await host.call(question)
    except HostUnreachable:
        raise
    except HostlerError as error:
        log.warning("images.unreadable", host=server.hostname, pool=server.image_pool, reason=error.message)
        return None
