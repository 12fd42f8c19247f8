# SPDX-License-Identifier: GPL-3.0-or-later
"""Libvirt or Ansible: the table, and the setting that switches it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostler.dispatch import DEFAULTS, Action, executor_of
from hostler.jobs.models import Executor
from hostler.settings import Settings, SettingsError

REPOSITORY = Path(__file__).parents[2]


def test_creates_and_resizes_are_playbooks_and_all_else_is_direct(settings: Settings) -> None:
    by = {action: executor_of(action, settings) for action in Action}

    assert {action for action, executor in by.items() if executor is Executor.PLAYBOOK} == {
        Action.CREATE,
        Action.RESIZE,
    }
    assert {executor for action, executor in by.items() if executor is not Executor.PLAYBOOK} == {Executor.DIRECT}


def test_every_action_is_in_the_table_and_every_playbook_is_there() -> None:
    assert set(DEFAULTS) == set(Action)
    for action, executor in DEFAULTS.items():
        if executor is Executor.PLAYBOOK:
            assert (REPOSITORY / "playbooks" / f"{action.value}.yml").is_file()


def test_the_setting_switches_what_it_names_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    monkeypatch.setenv("HOSTLER_DISPATCH", '{"vm_create": "direct"}')

    settings = Settings.load()

    assert executor_of(Action.CREATE, settings) is Executor.DIRECT
    assert executor_of(Action.RESIZE, settings) is Executor.PLAYBOOK
    assert executor_of(Action.START, settings) is Executor.DIRECT


@pytest.mark.parametrize(
    "value",
    ['{"vm_start": "playbook"}', '{"vm_create": "awx"}', '{"vm_crate": "direct"}', '["vm_create"]', "direct", "{"],
)
def test_what_can_not_be_switched_is_refused(
    monkeypatch: pytest.MonkeyPatch, clean_environment: None, value: str
) -> None:
    monkeypatch.setenv("HOSTLER_DISPATCH", value)

    with pytest.raises(SettingsError, match="dispatch"):
        Settings.load()
