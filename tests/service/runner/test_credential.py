# SPDX-License-Identifier: GPL-3.0-or-later
"""A run has its host's credential as files for as long as it lasts, and starts as quickly with one as without."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostler.credentials.models import CredentialKind
from hostler.credentials.secrets import Secrets, variables_in
from hostler.runner import LocalHost, SshHost
from tests.service.runner.conftest import Site
from tests.service.runner.test_warm_start import WHO

pytestmark = pytest.mark.anyio

SECRETS = {
    CredentialKind.SSH: Secrets(CredentialKind.SSH, {"private_key": "a key\n", "known_hosts": "* a host's\n"}),
    CredentialKind.TLS: Secrets(
        CredentialKind.TLS, {"ca_certificate": "ca\n", "client_certificate": "mine\n", "client_key": "a key\n"}
    ),
}

LOOK = """
- name: Look
  ansible.builtin.shell: >-
    env | grep -E '^HOSTLER_(SSH|TLS)_' | sort | cut -d= -f2 | xargs stat -c '%a %n' | sed 's#/.*/##'
"""


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        (CredentialKind.SSH, ["600 key", "600 known_hosts"]),
        (CredentialKind.TLS, ["600 cacert.pem", "600 clientcert.pem", "600 clientkey.pem"]),
    ],
)
async def test_modules_beside_the_service_find_the_files_in_their_environment(
    site: Site, kind: CredentialKind, files: list[str]
) -> None:
    site.write("look", LOOK + WHO)

    outcome = await site.run("look", secrets=SECRETS[kind])

    assert outcome.failure is None
    assert outcome.results["Look"]["stdout"].splitlines() == files
    assert ("hostler.warm.server" in outcome.results["Who"]["msg"]) == site.warm
    assert site.left_behind() == []


def test_a_host_is_reached_by_ssh_with_the_key_and_nothing_beside_the_pinned_hosts(tmp_path: Path) -> None:
    variables = SECRETS[CredentialKind.SSH].lay_out(tmp_path)
    found = SshHost("kvm1").with_credential(variables).variables(tmp_path)

    assert found["ansible_ssh_private_key_file"] == str(tmp_path / "key")
    options = str(found["ansible_ssh_common_args"])
    assert f"-o UserKnownHostsFile={tmp_path / 'known_hosts'} -o GlobalKnownHostsFile=/dev/null" in options
    assert "StrictHostKeyChecking=yes" in options
    assert "IdentitiesOnly=yes" in options
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_credential_for_tls_says_nothing_of_ssh_and_the_local_host_needs_none(tmp_path: Path) -> None:
    variables = SECRETS[CredentialKind.TLS].lay_out(tmp_path)
    assert SshHost("kvm1").with_credential(variables) == SshHost("kvm1")
    assert LocalHost().with_credential(variables) == LocalHost()


def test_every_variable_of_every_kind_has_room_in_the_warm_process(tmp_path: Path) -> None:
    laid_out = {
        variable
        for kind, secrets in SECRETS.items()
        for folder in [tmp_path / kind.value]
        if folder.mkdir() is None
        for variable in secrets.lay_out(folder)
    }
    assert set(variables_in(tmp_path)) == laid_out


def test_secrets_are_not_shown_where_they_are_printed() -> None:
    assert "a key" not in repr(SECRETS)
