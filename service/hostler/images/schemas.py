# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of the image routes."""

from __future__ import annotations

import math

from hostler.bodies import ResponseBody, Timestamp
from hostler.images.models import Image

_GIB = 1024**3


class ServerOfImage(ResponseBody):
    """Where an image is."""

    id: int
    hostname: str


class ImageShown(ResponseBody):
    """A base image. ``size_gb``, its virtual size, is the least that a disk made from it has; both sizes in GiB."""

    id: int
    name: str
    server: ServerOfImage
    pool: str
    format: str
    size_gb: float
    allocated_gb: float
    last_seen: Timestamp
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, row: Image) -> ImageShown:
        """The image of a row whose server was fetched with it."""
        return cls(
            id=row.id,
            name=row.name,
            server=ServerOfImage(id=row.server_id, hostname=row.server.hostname),
            pool=row.pool,
            format=row.format,
            size_gb=_rounded_up(row.capacity),
            allocated_gb=_rounded_up(row.allocation),
            last_seen=row.server.last_seen or row.last_seen,  # its server lists it for as long as the row is there
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


def _rounded_up(size: int) -> float:
    """GiB with three decimals: a disk of a size that was rounded down would be too small for its image."""
    return math.ceil(size * 1000 / _GIB) / 1000
