# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of a VM as plain data, which is what a body says, and what its job keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import Change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import NetworkConfig
from hostler.hosts.models import Server


def change_of(fields: Mapping[str, Any]) -> Change:
    """The change that ``fields`` describe; one that is None, or left out, is left alone.

    Raises `InvalidSpec` for one that is unknown: a job may be a newer service's.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    unknown = given.keys() - {one.name for one in dataclasses.fields(Change)}
    if unknown:
        raise InvalidSpec([FieldError(name, "is not a field of a change") for name in sorted(unknown)])
    if "tags" in given:
        given["tags"] = tuple(given["tags"])
    if "network_config" in given:
        given["network_config"] = NetworkConfig(**given["network_config"])
    return Change(**given)


def as_data(change: Change) -> dict[str, Any]:
    """The change as `change_of` takes it: what is left alone is left out."""
    data = dataclasses.asdict(change)
    if change.tags is not None:
        data["tags"] = list(change.tags)
    if change.network_config is not None:
        data["network_config"] = {name: value for name, value in data["network_config"].items() if value is not None}
    return {name: value for name, value in data.items() if value is not None and (name != "live" or value)}


def placement_of(server: Server) -> Placement:
    """Where on the server a VM's parts go."""
    return Placement(server.pool, server.image_pool, server.network)
