# SPDX-License-Identifier: GPL-3.0-or-later
"""The module image, run by Ansible on a real host."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_image import WantedImage
from ansible_collections.hostler.libvirt.plugins.modules.image import IMAGE_OPTIONS
from tests.collection.conftest import Tasks
from tests.core.web import served


def test_the_options_are_what_can_be_wanted() -> None:
    options: dict[str, Any] = dict(IMAGE_OPTIONS)
    fields = {one.name: one.default for one in dataclasses.fields(WantedImage)}

    assert list(options) == list(fields)
    for name, default in fields.items():
        assert options[name].get("default") == (None if default is dataclasses.MISSING else default), name


@pytest.mark.lab
def test_an_image_is_foretold_brought_once_and_taken_away(tasks: Tasks, tmp_path: Path) -> None:
    with served() as web:
        web.files["/some.raw"] = os.urandom(4096)
        image: dict[str, Any] = {
            "name": "module.raw",
            "url": f"{web.url}/some.raw?token=geheim",
            "url_username": "me",
            "url_password": "hunter2",
        }
        answers = tasks(
            module="image",
            foretold={**image, "check_mode": True, "diff": True},
            done={**image, "diff": True},
            again=image,
            refused={**image, "checksum": f"sha256:{'0' * 64}"},
            gone={"name": "module.raw", "state": "absent"},
        )

    for key in ("changed", "diff", "plan"):
        assert answers["foretold"][key] == answers["done"][key]
    assert answers["foretold"]["image"] is None
    assert answers["done"]["image"]["size"] == 4096
    assert not answers["again"]["changed"]
    assert (answers["refused"]["failed"], answers["refused"]["field"]) == (True, "checksum")
    assert answers["gone"]["image"] is None
    for answer in answers.values():
        told = {key: value for key, value in answer.items() if key != "invocation"}
        assert "hunter2" not in str(answer)
        assert "geheim" not in str(told)
