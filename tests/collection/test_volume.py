# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules volume and volume_info, run by Ansible on a real host."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_volumes import VolumeInquiry
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_volume import WantedVolume
from ansible_collections.hostler.libvirt.plugins.modules.volume import VOLUME_OPTIONS
from ansible_collections.hostler.libvirt.plugins.modules.volume_info import INQUIRY_OPTIONS
from tests.collection.conftest import Tasks


@pytest.mark.parametrize(("options", "kind"), [(VOLUME_OPTIONS, WantedVolume), (INQUIRY_OPTIONS, VolumeInquiry)])
def test_the_options_are_what_can_be_wanted(options: dict[str, Any], kind: Any) -> None:
    fields = {one.name: one.default for one in dataclasses.fields(kind)}

    assert list(options) == list(fields)
    for name, default in fields.items():
        assert options[name].get("default") == (None if default is dataclasses.MISSING else default), name


@pytest.mark.lab
def test_a_volume_is_foretold_made_once_and_taken_away(tasks: Tasks) -> None:
    volume: dict[str, Any] = {"name": "module.qcow2", "size_gb": 1}

    answers = tasks(
        module="volume",
        foretold={**volume, "check_mode": True, "diff": True},
        done={**volume, "diff": True},
        again=volume,
        refused={**volume, "size_gb": 0.5},
        gone={"name": "module.qcow2", "state": "absent", "wipe": True},
    )

    for key in ("changed", "diff", "plan"):
        assert answers["foretold"][key] == answers["done"][key]
    assert answers["foretold"]["volume"] is None
    assert answers["done"]["volume"]["size_gb"] == 1.0
    assert not answers["again"]["changed"]
    assert (answers["refused"]["failed"], answers["refused"]["field"]) == (True, "size_gb")
    assert answers["gone"]["volume"] is None
