# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of AWX: what belongs together, and what is refused at the start with one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostler.dispatch import Action, executor_of, runs_playbooks
from hostler.jobs.models import Executor
from hostler.settings import Settings, SettingsError

WHOLE = {"HOSTLER_EXECUTOR": "awx", "HOSTLER_AWX_URL": "https://awx.example.com/", "HOSTLER_AWX_TOKEN": "a-token"}


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings.load()


def test_awx_carries_out_what_are_playbooks_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    settings = loaded(monkeypatch, **WHOLE)

    assert {action for action in Action if executor_of(action, settings) is Executor.AWX} == {
        Action.CREATE,
        Action.RESIZE,
    }
    assert settings.awx_url == "https://awx.example.com"
    assert not runs_playbooks(settings), "so no process is kept warm for them"


def test_it_can_be_said_for_one_action(monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> None:
    settings = loaded(monkeypatch, **WHOLE, HOSTLER_DISPATCH='{"vm_resize": "direct"}')
    assert executor_of(Action.CREATE, settings) is Executor.AWX
    assert executor_of(Action.RESIZE, settings) is Executor.DIRECT

    settings = loaded(monkeypatch, HOSTLER_EXECUTOR="playbook", HOSTLER_DISPATCH='{"vm_resize": "awx"}')
    assert executor_of(Action.CREATE, settings) is Executor.PLAYBOOK
    assert runs_playbooks(settings)
    assert executor_of(Action.RESIZE, settings) is Executor.AWX


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"HOSTLER_EXECUTOR": "awx"}, "awx_url is missing, without which executor has no meaning"),
        ({"HOSTLER_DISPATCH": '{"vm_create": "awx"}'}, "awx_url is missing, without which dispatch has no meaning"),
        ({"HOSTLER_AWX_TOKEN": "a-token"}, "awx_url is missing, without which awx_token has no meaning"),
        ({"HOSTLER_AWX_ORGANIZATION": "Default"}, "awx_url is missing, without which awx_organization has no meaning"),
        ({"HOSTLER_AWX_URL": "https://awx.example.com"}, "awx_url needs either awx_token or awx_token_file"),
        ({**WHOLE, "HOSTLER_AWX_TOKEN_FILE": __file__}, "awx_token or awx_token_file, not both"),
        ({**WHOLE, "HOSTLER_AWX_URL": "http://awx.example.com"}, "'awx_url': should begin with https"),
        ({**WHOLE, "HOSTLER_AWX_URL": "awx.example.com"}, "'awx_url': should be an address such as"),
        ({**WHOLE, "HOSTLER_AWX_URL": "https://a:b@awx.example.com"}, "should have neither user, password, query"),
        ({**WHOLE, "HOSTLER_AWX_TOKEN": "two words"}, "awx_token is no token"),
        ({**WHOLE, "HOSTLER_AWX_VERIFY": "/nowhere/ca.pem"}, "awx_verify names /nowhere/ca.pem, which is not a file"),
        ({**WHOLE, "HOSTLER_HOOKS_DIR": "/etc/hooks"}, "hooks_dir is of no use where AWX has the playbooks"),
        ({**WHOLE, "HOSTLER_AWX_TEMPLATES": '{"vm_start": 7}'}, "awx_templates"),
        ({**WHOLE, "HOSTLER_EXECUTOR": "tower"}, "'executor': Input should be 'playbook' or 'awx'"),
    ],
)
def test_what_is_half_or_wrong_is_refused(
    monkeypatch: pytest.MonkeyPatch, clean_environment: None, variables: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(monkeypatch, **variables)

    assert words in str(refused.value)
    assert "two words" not in str(refused.value)


def test_a_file_says_the_templates(monkeypatch: pytest.MonkeyPatch, clean_environment: None, tmp_path: Path) -> None:
    (tmp_path / "hostler.toml").write_text(
        'executor = "awx"\nawx_url = "https://awx.example.com"\nawx_token = "x"\n'
        'awx_templates = {vm_create = "Provision a VM", vm_resize = 47}\n'
    )
    monkeypatch.setenv("HOSTLER_CONFIG", str(tmp_path / "hostler.toml"))

    assert Settings.load().awx_templates == {"vm_create": "Provision a VM", "vm_resize": 47}
