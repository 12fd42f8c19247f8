# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wanted pool may be: every wrong field is named before anything is touched."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import object_from
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool import plan_pool
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_pool import WantedPool, validate_pool

SECRET = "2EC115D7-3A88-3CEB-BC12-0AC909A6FD87"


def wanted(**options: Any) -> WantedPool:
    """As the module makes it of its options."""
    made: WantedPool = object_from(WantedPool, options, "a pool")
    return made


@pytest.mark.parametrize(
    ("options", "field", "says"),
    [
        ({}, "name", "is required, or xml"),
        ({"name": "a/b"}, "name", "must be 1 to 255"),
        ({"name": "a", "path": "x"}, "path", "must be an absolute path"),
        ({"name": "a", "path": "/a/../b"}, "path", "must be a plain path"),
        ({"name": "a", "mode": "711"}, "mode", "in quotes"),
        ({"name": "a", "mode": "0888"}, "mode", "octal"),
        ({"name": "a", "owner": -1}, "owner", "at least 0"),
        ({"name": "a", "timeout": 0}, "timeout", "at least 1 s"),
        ({"name": "a", "delete_content": True}, "delete_content", "state absent only"),
        ({"name": "a", "force": True}, "force", "inactive and absent only"),
        ({"name": "a", "refresh": True, "state": "absent"}, "refresh", "present and active only"),
        ({"name": "a", "source": {"hosts": []}}, "source.hosts", "must not be empty"),
        ({"name": "a", "source": {"devices": ["a\nb"]}}, "source.devices.0", "control"),
        ({"name": "a", "source": {"path": "e"}}, "source.path", "must be an absolute path"),
        ({"name": "a", "source": {"nothing": 1}}, "source.nothing", "is not a field"),
        (
            {"name": "a", "source": {"auth": {"type": "chap", "username": "u"}}},
            "source.auth.secret_uuid",
            "is required, or secret_usage",
        ),
        (
            {"name": "a", "source": {"auth": {"type": "chap", "username": "u", "secret_uuid": "x"}}},
            "source.auth.secret_uuid",
            "is not a UUID",
        ),
        ({"name": "b", "xml": "<pool type='dir'><name>a</name></pool>"}, "xml", "named 'a'"),
        ({"path": "/x", "xml": "<pool type='dir'><name>a</name></pool>"}, "path", "does not go with xml"),
        ({"type": "dir", "xml": "<pool type='dir'><name>a</name></pool>"}, "type", "does not go with xml"),
    ],
)
def test_what_can_be_no_pool_is_refused_by_its_field(options: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidSpec, match=says) as caught:
        validate_pool(wanted(**options))
    assert field in [error.field for error in caught.value.errors]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"type": "dir"}, "path"),
        ({"type": "dir", "path": "/a", "source": {"hosts": ["h"]}}, "source.hosts"),
        ({"type": "fs", "path": "/a"}, "source.devices"),
        ({"type": "fs", "path": "/a", "source": {"devices": ["/dev/a", "/dev/b"]}}, "source.devices"),
        ({"type": "netfs", "path": "/a", "source": {"hosts": ["h"]}}, "source.path"),
        ({"type": "netfs", "path": "/a", "source": {"hosts": ["h", "i"], "path": "/e"}}, "source.hosts"),
        ({"type": "logical", "path": "/dev/vg"}, "path"),
        ({"type": "disk"}, "source.devices"),
        ({"type": "iscsi", "source": {"devices": ["iqn"]}}, "source.hosts"),
        ({"type": "iscsi", "mode": "0711", "source": {"hosts": ["h"], "devices": ["iqn"]}}, "mode"),
        ({"type": "rbd", "source": {"hosts": ["h"]}}, "source.name"),
        ({"type": "zfs"}, "source.name"),
        ({"type": "dir", "path": "/a", "build": "overwrite"}, "build"),
        (
            {
                "type": "rbd",
                "source": {
                    "hosts": ["h"],
                    "name": "n",
                    "auth": {"type": "chap", "username": "u", "secret_usage": "s"},
                },
            },
            "source.auth.type",
        ),
    ],
)
def test_a_new_pool_has_what_its_type_needs_and_nothing_else(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        plan_pool(None, validate_pool(wanted(name="a", **options)))
    assert [error.field for error in caught.value.errors] == [field]


def test_what_is_written_otherwise_is_the_same() -> None:
    auth = {"type": "ceph", "username": "admin", "secret_uuid": SECRET}

    made = validate_pool(wanted(name="a", path="/srv/a/", source={"auth": auth}))

    assert made.path == "/srv/a"
    assert made.source is not None
    assert made.source.auth is not None
    assert made.source.auth.secret_uuid == SECRET.lower()


def test_the_xml_says_the_name() -> None:
    assert validate_pool(wanted(xml="<pool type='dir'><name> a </name></pool>")).name == "a"
