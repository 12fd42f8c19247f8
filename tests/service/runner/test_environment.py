# SPDX-License-Identifier: GPL-3.0-or-later
"""A run sees nothing of the service's environment and nothing of its user's Ansible."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostler.runner import PlaybookRunner, PlaybookStatus
from hostler.runner.environment import collections_folder
from tests.service.runner.conftest import Site, warmed_up

pytestmark = pytest.mark.anyio

ALLOWED = {"PATH", "HOME", "LANG", "MAX_EVENT_RES", "AWX_ISOLATED_DATA_DIR"}
SHELL_S_OWN = {"PWD", "OLDPWD", "SHLVL", "_"}


async def test_the_service_s_environment_does_not_leak(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOSTLER_DATABASE_URL", "HOSTLER_SIGNING_KEY", "AWS_SECRET_ACCESS_KEY", "ANSIBLE_VERBOSITY"):
        monkeypatch.setenv(name, "a-leaked-value")
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", "/a-leaked-value")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "minimal")
    site.write(
        "environment",
        """
        - name: Module
          ansible.builtin.command: env -0
        - name: Controller
          ansible.builtin.debug: {msg: "{{ lookup('pipe', 'env') }}"}
        """,
    )

    outcome = await site.run("environment")

    assert outcome.failure is None
    module = {entry.partition("=")[0] for entry in outcome.results["Module"]["stdout"].split("\0") if entry}
    controller = {line.partition("=")[0] for line in outcome.results["Controller"]["msg"].splitlines()}
    for names in (module, controller):
        assert {name for name in names if not name.startswith("ANSIBLE_")} <= ALLOWED | SHELL_S_OWN
    assert "a-leaked-value" not in repr(outcome.results)
    assert "ANSIBLE_STDOUT_CALLBACK=awx_display" in outcome.results["Controller"]["msg"]


@pytest.mark.parametrize("warm", [False, True])
async def test_a_collection_in_the_home_folder_does_not_shadow_the_service_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: bool
) -> None:
    shadow = tmp_path / ".ansible/collections/ansible_collections/hostler/libvirt"
    (shadow / "playbooks").mkdir(parents=True)
    (shadow / "galaxy.yml").write_text("namespace: hostler\nname: libvirt\nversion: 9.9.9\n")
    (shadow / "playbooks" / "shadow.yml").write_text(
        "- {hosts: localhost, gather_facts: false, tasks: [{name: Shadow, ansible.builtin.debug: }]}"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path / ".ansible/collections"))
    runner = warmed_up(PlaybookRunner(tmp_path / "state", warm_start=warm))
    site = Site(tmp_path / "state", tmp_path, runner, warm)

    outcome = await site.run("shadow")
    await site.runner.close()

    assert outcome.status is PlaybookStatus.FAILED
    assert outcome.results == {}


def test_the_collections_folder_is_the_one_that_python_imports() -> None:
    from ansible_collections.hostler.libvirt import plugins

    assert Path(next(iter(plugins.__path__))) == collections_folder() / "ansible_collections/hostler/libvirt/plugins"
