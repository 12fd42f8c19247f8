# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says of the AWX that carries actions out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hostler.doctor import awx as of_awx
from hostler.doctor import files
from hostler.doctor.examination import examine
from hostler.doctor.finding import Finding, Level
from hostler.settings import Settings
from tests.awx_setup.controller.faults import Fault
from tests.service.awx.conftest import CREATE, RESIZE, Awx, awx, settings_of

__all__ = ["awx"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def database_url() -> str:
    """It plays no part."""
    return ""


@pytest.fixture
def settings(clean_environment: None, tmp_path: Path, awx: Awx) -> Settings:
    return settings_of(awx, tmp_path, "")


def by_check(found: list[Finding]) -> dict[str, Finding]:
    return {one.check: one for one in found}


async def test_templates_that_awx_setup_has_made_are_good_and_nothing_is_launched(settings: Settings, awx: Awx) -> None:
    found = by_check(await examine(settings))

    assert (found["awx vm_create"].level, found["awx vm_resize"].level) == (Level.OK, Level.OK)
    assert CREATE in found["awx vm_create"].message
    assert RESIZE in found["awx vm_resize"].message
    assert {method for method, _ in awx.controller.requests} == {"GET"}


async def test_only_what_awx_carries_out_is_looked_at(settings: Settings) -> None:
    one = settings.model_copy(update={"executor": "playbook", "dispatch": {"vm_resize": "awx"}})
    assert list(by_check(await of_awx.all_templates(one))) == ["awx vm_resize"]

    none = settings.model_copy(update={"awx_url": "", "executor": "playbook"})
    assert await of_awx.all_templates(none) == []


def survey_without(awx: Awx, variable: str) -> dict[str, Any]:
    survey: dict[str, Any] = awx.templates[CREATE]["survey_spec"]
    return survey | {"spec": [one for one in survey["spec"] if one["variable"] != variable]}


@pytest.mark.parametrize("variable", ["vm_cloud_init", "vm_graphics"])
async def test_a_template_that_would_keep_a_secret_in_clear(settings: Settings, awx: Awx, variable: str) -> None:
    awx.templates[CREATE]["survey_spec"] = survey_without(awx, variable)

    found = by_check(await of_awx.all_templates(settings))

    assert found["awx vm_create"].level is Level.FAILED
    assert f"no question of type password for {variable}" in found["awx vm_create"].message
    assert (found["awx vm_create"].remedy or "").endswith("awx_secret_in_clear")
    assert found["awx vm_resize"].level is Level.OK


async def test_a_template_that_takes_less_than_it_is_given(settings: Settings, awx: Awx) -> None:
    awx.templates[RESIZE]["ask_variables_on_launch"] = False

    found = by_check(await of_awx.all_templates(settings))["awx vm_resize"]

    assert found.level is Level.FAILED
    assert "does not take hostler_" in found.message


@pytest.mark.parametrize(
    ("status", "code"), [(401, "awx_unauthorized"), (403, "awx_forbidden"), (404, "awx_not_found"), (502, "awx_failed")]
)
async def test_what_awx_answers_is_told(settings: Settings, awx: Awx, status: int, code: str) -> None:
    awx.controller.faults.append(Fault("status", status=status))

    for found in await of_awx.all_templates(settings):
        assert found.level is Level.FAILED
        assert (found.remedy or "").endswith(code)


async def test_a_token_that_others_can_read(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a-token")
    file.chmod(0o640)
    settings.make_state_dir()

    found = files.private_files(settings.model_copy(update={"awx_token": None, "awx_token_file": file}))

    assert [(one.level, one.remedy) for one in found] == [(Level.FAILED, f"chmod 600 {file}")]
