# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen of an image, put into its row; each change is told of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import VolumeFacts
from hostler.events.record import Kind, record
from hostler.hosts.models import Server
from hostler.images.models import Image
from hostler.images.schemas import ImageShown

log = structlog.get_logger(__name__)

_LARGEST = 2**63 - 1  # of the columns; a file that somebody has put there may claim anything


async def write_down(server: Server, facts: VolumeFacts) -> Image:
    """The row of an image that was seen in the server's image pool, made where there is none."""
    row = await Image.get_or_none(server_id=server.id, name=facts.name)
    if row is None:
        try:
            return await _make(server, facts)
        except IntegrityError:  # somebody else has seen it at the same time
            row = await Image.get(server_id=server.id, name=facts.name)
    if is_known(row, facts):
        await Image.filter(id=row.id).update(last_seen=datetime.now(UTC))
        return row
    async with in_transaction():
        row.update_from_dict({**_values(facts), "last_seen": datetime.now(UTC)})
        await row.save(update_fields=[*_values(facts), "last_seen", "updated_at"])
        await _record(Kind.IMAGE_CHANGED, row.id)
    return row


async def forget(*ids: int) -> None:
    """Delete the rows of images that are no more; those that are not there are no error."""
    async with in_transaction():
        for row_id in ids:
            await _record(Kind.IMAGE_DELETED, row_id)
        await Image.filter(id__in=ids).delete()


def is_known(row: Image | None, facts: VolumeFacts) -> bool:
    """Whether the row says of the image what was seen."""
    return row is not None and all(getattr(row, name) == value for name, value in _values(facts).items())


async def _make(server: Server, facts: VolumeFacts) -> Image:
    now = datetime.now(UTC)
    async with in_transaction():
        row = await Image.create(
            server_id=server.id, name=facts.name, pool=server.image_pool, last_seen=now, **_values(facts)
        )
        await _record(Kind.IMAGE_CREATED, row.id)
    log.info("image.appeared", host=server.hostname, image=row.id, name=row.name)
    return row


async def _record(kind: Kind, row_id: int) -> None:
    row = await Image.get_or_none(id=row_id).select_related("server")
    if row is not None:
        await record(kind, ImageShown.of(row), server_id=row.server_id)


def _values(facts: VolumeFacts) -> dict[str, Any]:
    return {
        "format": facts.format or "raw",
        "capacity": min(facts.capacity, _LARGEST),
        "allocation": min(facts.allocation, _LARGEST),
    }
