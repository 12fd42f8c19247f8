# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules pool and pool_info, run by Ansible on a real host."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_pools import PoolInquiry
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_pool import WantedPool
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_pool import PoolAuth, PoolSource
from ansible_collections.hostler.libvirt.plugins.modules.pool import POOL_OPTIONS, SOURCE_OPTIONS
from ansible_collections.hostler.libvirt.plugins.modules.pool_info import INQUIRY_OPTIONS
from lab.host import Host
from tests.collection.conftest import Tasks
from tests.core.actions.pools import pools_swept


@pytest.fixture
def folder(lab_host: Host) -> Iterator[Path]:
    place = lab_host.layout.pools["default"].parent / "module-pool"
    with pools_swept(lab_host.uri):
        yield place
    if place.exists():
        place.rmdir()


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (POOL_OPTIONS, WantedPool),
        (SOURCE_OPTIONS, PoolSource),
        (SOURCE_OPTIONS["auth"]["options"], PoolAuth),
        (INQUIRY_OPTIONS, PoolInquiry),
    ],
)
def test_the_options_are_what_can_be_wanted(options: dict[str, Any], kind: Any) -> None:
    fields = {one.name: one.default for one in dataclasses.fields(kind)}

    assert list(options) == list(fields)
    for name, default in fields.items():
        assert options[name].get("default") == (None if default is dataclasses.MISSING else default), name


@pytest.mark.lab
def test_a_pool_is_foretold_made_once_changed_and_taken_away(tasks: Tasks, folder: Path) -> None:
    pool: dict[str, Any] = {"name": "module-pool", "type": "dir", "path": str(folder), "state": "active"}

    answers = tasks(
        module="pool",
        foretold={**pool, "check_mode": True, "diff": True},
        done={**pool, "diff": True},
        again=pool,
        refused={"name": "module-pool", "type": "netfs"},
        secret={
            "name": "other",
            "type": "iscsi",
            "source": {
                "hosts": ["h"],
                "devices": ["iqn"],
                "auth": {"type": "chap", "username": "me", "secret_usage": "iscsi-target"},
            },
        },
        gone={"name": "module-pool", "state": "absent", "delete_content": True, "diff": True},
    )

    for key in ("changed", "diff", "plan"):
        assert answers["foretold"][key] == answers["done"][key]
    assert answers["foretold"]["pool"] is None
    assert answers["done"]["pool"]["state"] == "active"
    assert not answers["again"]["changed"]
    assert (answers["refused"]["failed"], answers["refused"]["field"]) == (True, "type")
    assert answers["secret"]["pool"]["source"]["auth"]["secret_usage"] == "iscsi-target"
    assert answers["gone"]["pool"] is None
