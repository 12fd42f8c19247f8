# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wished of a migration."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import (
    MigrationWish,
    validate_migration,
)

URI = "qemu+tls://b/system"


@pytest.mark.parametrize(
    ("wish", "uri", "field"),
    [
        ({"storage": "elsewhere"}, URI, "storage"),
        ({"on_timeout": "wait"}, URI, "on_timeout"),
        ({"bandwidth_mb": 0}, URI, "bandwidth_mb"),
        ({"max_downtime_ms": 0}, URI, "max_downtime_ms"),
        ({"timeout": 0}, URI, "timeout"),
        ({"timeout": float("nan")}, URI, "timeout"),
        ({"peer_uri": URI}, URI, "peer_uri"),
        ({"tunnelled": True}, URI, "tunnelled"),
        ({"tunnelled": True, "peer_to_peer": True, "storage": "copied"}, URI, "tunnelled"),
        ({"tunnelled": True, "peer_to_peer": True, "migrate_uri": "tcp://b"}, URI, "migrate_uri"),
        ({"tunnelled": True, "peer_to_peer": True, "on_timeout": "postcopy"}, URI, "on_timeout"),
        ({"delete_source_disks": True}, URI, "delete_source_disks"),
        ({"peer_to_peer": True}, "qemu:///system?socket=/x", "destination_uri"),
        ({"peer_to_peer": True}, "qemu+tcp://localhost/system", "destination_uri"),
        ({"peer_to_peer": True, "peer_uri": "qemu:///system"}, URI, "peer_uri"),
        ({"peer_to_peer": True, "peer_uri": "qemu+tls://[::1/system"}, URI, "peer_uri"),
    ],
)
def test_what_can_not_be_is_refused_by_its_field(wish: dict[str, Any], uri: str, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_migration(MigrationWish(**wish), uri)
    assert [error.field for error in caught.value.errors] == [field]


@pytest.mark.parametrize(
    ("wish", "uri"),
    [
        ({}, "qemu:///system?socket=/x"),
        ({"storage": "incremental", "delete_source_disks": True, "on_timeout": "postcopy"}, URI),
        ({"peer_to_peer": True, "tunnelled": True}, URI),
        ({"peer_to_peer": True, "peer_uri": "qemu+tcp://127.0.0.1:99/system"}, "qemu:///system?socket=/x"),
    ],
)
def test_what_can_be_stays_as_it_is(wish: dict[str, Any], uri: str) -> None:
    assert validate_migration(MigrationWish(**wish), uri) == MigrationWish(**wish)
