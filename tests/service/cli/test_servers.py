# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler server`` and ``hostler credential``, as processes of their own, on real libvirt where one is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.host import Host
from tests.service.cli.command import Hostler, hostler, succeeded
from tests.service.credentials.parts import host_key, ssh_key, tls_parts

__all__ = ["hostler"]


@pytest.mark.slow
def test_credentials_are_added_from_files_named_by_servers_and_kept_while_they_are(
    hostler: Hostler, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(ssh_key())
    (tmp_path / "hosts").write_text(f"kvm1 {host_key()}\n")
    by_ssh = ("--ssh-key", str(tmp_path / "key"))
    for part, text in tls_parts().items():
        (tmp_path / part).write_text(text)

    empty = hostler("credential", "add", "rack")
    assert empty.returncode == 1
    assert "--ssh-key and --known-hosts, or --ca-certificate" in empty.stderr

    unpinned = hostler("credential", "add", "rack", *by_ssh)
    assert unpinned.returncode == 1
    assert "known_hosts" in unpinned.stderr
    added = succeeded(hostler("credential", "add", "rack", *by_ssh, "--known-hosts", str(tmp_path / "hosts")))
    assert added.startswith("Credential 1 'rack' added: SHA256:")
    options = [f"--{part.replace('_', '-')}={tmp_path / part}" for part in tls_parts()]
    succeeded(hostler("credential", "add", "pki", *options))

    uri = "qemu+ssh://root@kvm1/system"
    succeeded(hostler("server", "add", "kvm1", uri, "--credential", "rack", "--tag", "ssd", "--tag", "new"))
    for wrong, says in (("pki", "is of kind tls"), ("none", "no credential named 'none'")):
        refused = hostler("server", "change", "kvm1", "--credential", wrong)
        assert refused.returncode == 1
        assert says in refused.stderr
    listed = succeeded(hostler("credential", "list"))
    assert "kvm1" in listed
    assert "PRIVATE" not in listed
    (tmp_path / "key").write_text(ssh_key())
    changed = succeeded(hostler("credential", "change", "rack", *by_ssh, "--new-name", "rack-2"))
    assert changed.startswith("Credential 1 'rack-2' changed: SHA256:")
    assert changed.split()[-1] != added.split()[-1]
    succeeded(hostler("credential", "change", "rack-2", "--new-name", "rack", "--description", "of rack 2"))
    for options, says in ((by_ssh, "'pki'"), ((), "Nothing is to be changed"), (("--new-name", ""), "name")):
        refused = hostler("credential", "change", "pki", *options)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert says in refused.stderr or "private_key" in refused.stderr
    refused = hostler("credential", "remove", "rack")
    assert refused.stderr == "hostler: Credential 'rack' is what 'kvm1' is reached with\n"
    succeeded(hostler("server", "change", "kvm1", "--credential", ""))
    assert succeeded(hostler("credential", "remove", "rack")) == "Credential 'rack' removed\n"


@pytest.mark.slow
@pytest.mark.lab
def test_a_server_by_any_uri_is_added_refreshed_changed_drained_and_removed(hostler: Hostler, lab_host: Host) -> None:
    unix = lab_host.uri.replace("qemu:///", "qemu+unix:///")
    for name, uri in (("unix", unix), ("test", "test:///default")):
        succeeded(hostler("server", "add", name, uri, "--virt-type", "qemu"))
        assert "appeared" in succeeded(hostler("server", "refresh", name))
    assert "reachable" in succeeded(hostler("server", "list"))

    succeeded(hostler("server", "change", "unix", "--tag", "ssd", "--memory-overcommit", "1.5"))
    assert hostler("server", "change", "unix").returncode == 1
    wrong = hostler("server", "change", "unix", "--memory-overcommit", "0")
    assert "memory_overcommit" in wrong.stderr
    assert succeeded(hostler("server", "drain", "unix")) == "Server 'unix' drains\n"
    shown = next(line for line in succeeded(hostler("server", "list")).splitlines() if " unix " in line)
    assert "reachable, drain" in shown
    assert "ssd" in shown
    succeeded(hostler("server", "undrain", "unix"))
    assert "drain" not in succeeded(hostler("server", "list"))
    assert succeeded(hostler("server", "remove", "unix")) == "Server 'unix' removed\n"
