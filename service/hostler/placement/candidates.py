# SPDX-License-Identifier: GPL-3.0-or-later
"""What a choice has to know, read from the database alone: no server is asked.

Within a transaction that has called `hold_servers` nobody else places a VM, so what is read there still holds when the
VM's row is written: the row, in status ``creating``, is the reservation.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tortoise.expressions import Q

from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec, disk_gib
from hostler.database import rows
from hostler.errors import BadRequest, FieldProblem
from hostler.hosts.models import Server
from hostler.hosts.use import Use, use_of_all
from hostler.images.models import Image
from hostler.machines.models import Machine, MachineStatus
from hostler.placement.choice import Candidate, Companion, Wish
from hostler.placement.schemas import PlacementBody

_WITH_TAG = "SELECT server_id, CAST(tags AS TEXT) AS tags FROM vm WHERE CAST(tags AS TEXT) LIKE ? AND status <> 'error'"
_LONGEST_UNSEEN = timedelta(hours=1)  # a server that is reachable was seen some 30 s ago, by whatever setting


async def hold_servers() -> None:
    """Keep every other placement waiting until the transaction ends; SQLite has one writer anyway."""
    await Server.all().order_by("id").select_for_update()


async def wish_of(spec: MachineSpec, body: PlacementBody) -> Wish:
    """What that VM asks of its server; raises `BadRequest` for a VM that is not there."""
    return Wish(
        cpu_cores=spec.cpu_cores,
        memory_mb=spec.memory_mb,
        disks=((spec.disk_gb, spec.image), *((disk.size_gb, disk.image) for disk in spec.disks)),
        tags=frozenset(body.tags),
        avoid_tags=frozenset(body.avoid_tags),
        near=[
            one
            for one in await _companions("near", body.near)
            # the first of those that are to be together has nobody to go to
            if one.servers or one.words not in {_tagged(tag) for tag in spec.tags}
        ],
        apart_from=await _companions("apart_from", body.apart_from),
    )


async def candidates(wish: Wish) -> list[Candidate]:
    """All servers, as that wish looks at them."""
    servers = await Server.all().order_by("id")
    use = await use_of_all()
    in_the_making = await _disks_in_the_making(servers)
    images = await _images({image for _, image in wish.disks if image is not None})
    return [
        Candidate(
            id=server.id,
            hostname=server.hostname,
            pool=server.pool,
            tags=frozenset(server.tags),
            enabled=server.enabled,
            draining=server.draining,
            state=server.state,
            cpu_total=server.cpu_total,
            memory_total_mb=server.memory_total_mb,
            disk_total_gb=server.disk_total_gb,
            disk_free_gb=server.disk_free_gb,
            cpu_overcommit=server.cpu_overcommit,
            memory_overcommit=server.memory_overcommit,
            cpu_promised=use.get(server.id, Use()).cpu_cores,
            memory_promised_mb=use.get(server.id, Use()).memory_mb,
            disk_promised_gb=in_the_making[server.id],
            images=images[server.id],
        )
        for server in servers
    ]


async def _companions(field: str, peers: Sequence[int | str]) -> list[Companion]:
    ids = {peer for peer in peers if isinstance(peer, int)}
    servers = {row.id: row.server_id for row in await Machine.filter(id__in=ids)} if ids else {}
    if missing := sorted(ids - servers.keys()):
        message = f"VM with ID {missing[0]} not found"
        raise BadRequest(message, code="vm_not_found", errors=[FieldProblem(f"placement.{field}", message)])
    return [
        Companion(f"VM {peer}", frozenset({servers[peer]}))
        if isinstance(peer, int)
        else Companion(_tagged(peer), await _servers_with_tag(peer))
        for peer in dict.fromkeys(peers)
    ]


def _tagged(tag: str) -> str:
    return f"a VM with the tag '{tag}'"


async def _servers_with_tag(tag: str) -> frozenset[int]:
    # the text is looked for first: decoding the tags of 100,000 VMs takes a second
    found = await rows(_WITH_TAG, f'%"{tag}"%')
    return frozenset(row["server_id"] for row in found if tag in json.loads(row["tags"]))


async def _disks_in_the_making(servers: Sequence[Server]) -> Mapping[int, float]:
    """By server, GiB of the disks that may not have been there yet when the space of its pool was last seen."""
    seen = {server.id: server.last_seen for server in servers}
    recent = datetime.now(UTC) - _LONGEST_UNSEEN
    made = await Machine.filter(
        Q(status=MachineStatus.CREATING.value) | Q(created_at__gt=recent), revision__gt=0
    ).exclude(status=MachineStatus.ERROR.value)
    found: defaultdict[int, float] = defaultdict(float)
    for row in made:
        last_seen = seen.get(row.server_id)
        if row.status == MachineStatus.CREATING.value or last_seen is None or row.created_at > last_seen:
            spec: Mapping[str, Any] = row.spec
            found[row.server_id] += spec.get("disk_gb", row.disk_gb) + sum(
                disk["size_gb"] for disk in spec.get("disks", ())
            )
    return found


async def _images(names: Collection[str]) -> Mapping[int, Mapping[str, float]]:
    found: defaultdict[int, dict[str, float]] = defaultdict(dict)
    for image in await Image.filter(name__in=list(names)).select_related("server") if names else ():
        if image.pool == image.server.image_pool:
            found[image.server_id][image.name] = disk_gib(image.capacity)
    return found
