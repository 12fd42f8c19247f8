# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's row as the API shows it, without the ORM and without a model between: for the reads that come by the thousand.

The shape is `hostler.machines.schemas.Vm`'s, which is what documents it; a test holds the two against each other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from json.encoder import encode_basestring as _text
from typing import Any

from hostler.bodies import zulu
from hostler.database.queries import marks, rows, rows_now, values_of
from hostler.machines.models import OUT_OF_SIGHT
from hostler.machines.version import tag_of_values

COLUMNS = (
    "vm.id AS id, vm.name AS name, vm.uuid AS uuid, vm.status AS status, vm.server_id AS server_id, "
    "server.hostname AS hostname, vm.cpu_cores AS cpu_cores, vm.memory_mb AS memory_mb, vm.disk_gb AS disk_gb, "
    "vm.ip_address AS ip_address, vm.mac_address AS mac_address, vm.os_type AS os_type, vm.os_version AS os_version, "
    "vm.vnc_port AS vnc_port, vm.description AS description, CAST(vm.tags AS TEXT) AS tags, vm.autostart AS autostart, "
    "vm.protected AS protected, vm.created_at AS created_at, vm.updated_at AS updated_at, vm.ip_source AS ip_source, "
    "vm.last_seen AS last_seen, vm.drift IS NOT NULL AS drifted"
)
"""What `as_json` takes, in its order, of ``vm`` and ``server``."""

_FOR_TAG = ("vnc_enabled", "network_type", "bridge_name", "network_name")
_ONE = (
    f"SELECT {COLUMNS}, {', '.join(f'vm.{name} AS {name}' for name in _FOR_TAG)} "  # noqa: S608 - ours, all of it
    "FROM vm JOIN server ON server.id = vm.server_id WHERE vm.{key} = ? ORDER BY vm.id LIMIT 2"
)
_SOME = (
    f"SELECT {COLUMNS} FROM vm JOIN server ON server.id = vm.server_id "  # noqa: S608 - ours, all of it
    "WHERE vm.id IN ({marks}) ORDER BY vm.id"
)
_AT_ONCE = 500
_BY = {key: _ONE.format(key=key) for key in ("id", "uuid")}


async def find(key: str, value: int | str) -> list[tuple[str, str]]:
    """The VMs, at most two, whose ``id`` or ``uuid`` is ``value``: the JSON of each, and its entity tag."""
    found = rows_now(_BY[key], value)
    if found is None:
        found = await rows(_BY[key], value)
    return [(as_json(values_of(row)[: -len(_FOR_TAG)]), _tag_of(row)) for row in found]


async def shown_by_id(ids: Sequence[int]) -> list[tuple[int, int, str]]:
    """The VMs of these ids, in the order of theirs: id, server's id and JSON; in a transaction as they are there."""
    shown = []
    ordered = sorted(ids)
    for begin in range(0, len(ordered), _AT_ONCE):
        batch = ordered[begin : begin + _AT_ONCE]
        query = _SOME.format(marks=marks(batch))
        shown += [(row["id"], row["server_id"], as_json(values_of(row))) for row in await rows(query, *batch)]
    return shown


def as_json(values: Sequence[Any]) -> str:
    """A VM's JSON, from the values of `COLUMNS`."""
    (
        number, name, uuid, status, server_id, hostname, cpu_cores, memory_mb, disk_gb, ip_address, mac_address,
        os_type, os_version, vnc_port, description, tags, autostart, protected, created_at, updated_at,
        ip_source, last_seen, drifted,
    ) = values  # fmt: skip
    return (
        f'{{"id":{number},"name":{_text(name)},"uuid":{_text(uuid)},"status":{_text(status)},'
        f'"server":{{"id":{server_id},"hostname":{_text(hostname)}}},'
        f'"resources":{{"cpu_cores":{cpu_cores},"memory_mb":{memory_mb},"disk_gb":{float(disk_gb)!r}}},'
        f'"network":{{"ip_address":{_or_null(ip_address)},"mac_address":{_or_null(mac_address)}}},'
        f'"os_type":{_or_null(os_type)},"os_version":{_or_null(os_version)},'
        f'"vnc_port":{"null" if vnc_port is None else vnc_port},"description":{_text(description)},"tags":{tags},'
        f'"autostart":{"true" if autostart else "false"},"protected":{"true" if protected else "false"},'
        f'"drifted":{"true" if drifted else "false"},"ip_source":{_or_null(ip_source)},'
        f'"last_seen":{_moment_or_null(last_seen) if status in OUT_OF_SIGHT else "null"},'
        f'"created_at":"{_moment(created_at)}","updated_at":"{_moment(updated_at)}"}}'
    )


def _or_null(text: str | None) -> str:
    return "null" if text is None else _text(text)


def _moment_or_null(stored: str | datetime | None) -> str:
    return "null" if stored is None else f'"{_moment(stored)}"'


def _moment(stored: str | datetime) -> str:
    """A stored time as `zulu` writes it: SQLite gives the text that Tortoise wrote, in nearly all cases in UTC."""
    if isinstance(stored, str):
        if stored.endswith("+00:00"):
            return f"{stored[:10]}T{stored[11:-6]}Z"
        stored = datetime.fromisoformat(stored)
    return zulu(stored)


def _tag_of(row: Any) -> str:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a row of SQLite's iterates over its values
    values["tags"] = json.loads(values["tags"])
    values |= {name: bool(values[name]) for name in ("autostart", "protected", "vnc_enabled")}
    return tag_of_values(values)
