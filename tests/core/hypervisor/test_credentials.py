# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts are reached over SSH and TLS with the files that the environment names, as AWX's credentials leave them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.credentials import reaching
from lab.host import Host
from lab.ports import LOOPBACK

TLS = {
    "HOSTLER_TLS_CACERT": "cacert.pem",
    "HOSTLER_TLS_CLIENTCERT": "clientcert.pem",
    "HOSTLER_TLS_CLIENTKEY": "clientkey.pem",
}


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No key is left behind, whatever became of the connection."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


@pytest.fixture
def ssh(lab_host: Host, monkeypatch: pytest.MonkeyPatch) -> str:
    """The lab's host over SSH; the environment has its credentials."""
    monkeypatch.setenv("HOSTLER_SSH_KEY", str(lab_host.layout.lab.ssh_key))
    monkeypatch.setenv("HOSTLER_SSH_KNOWN_HOSTS", str(lab_host.layout.lab.ssh_known_hosts))
    return f"qemu+ssh://root@{LOOPBACK}:{lab_host.access.ports.ssh}/system"


@pytest.fixture
def tls(lab_host: Host, monkeypatch: pytest.MonkeyPatch) -> str:
    """The lab's host over TLS; the environment has its credentials."""
    for variable, name in TLS.items():
        monkeypatch.setenv(variable, str(lab_host.layout.lab.client_certificate / name))
    return f"qemu+tls://{LOOPBACK}:{lab_host.access.ports.tls}/system"


def opened(uri: str) -> str:
    """What the connection says that it is to; it answers."""
    with Hypervisor.open(uri) as hypervisor:
        assert hypervisor.resources().cpus > 0
        return hypervisor.uri


@pytest.mark.lab
def test_ssh_takes_the_key_and_the_known_hosts(ssh: str) -> None:
    assert opened(ssh) == ssh


@pytest.mark.lab
def test_a_key_that_lost_its_last_line_break_and_that_others_may_read_will_do(
    ssh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab_host: Host
) -> None:
    key = tmp_path / "key"
    key.write_text(lab_host.layout.lab.ssh_key.read_text().rstrip())
    key.chmod(0o644)
    monkeypatch.setenv("HOSTLER_SSH_KEY", str(key))

    assert opened(ssh) == ssh


@pytest.mark.lab
def test_a_host_that_is_not_known_is_refused_unless_it_need_not_be(
    ssh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab_host: Host
) -> None:
    other = tmp_path / "known_hosts"
    words = lab_host.layout.lab.ssh_key.with_suffix(".pub").read_text().split()
    other.write_text(f"[{LOOPBACK}]:{lab_host.access.ports.ssh} {words[0]} {words[1]}\n")
    monkeypatch.setenv("HOSTLER_SSH_KNOWN_HOSTS", str(other))
    with pytest.raises(HostUnreachable, match="Host key verification failed"):
        opened(ssh)

    monkeypatch.setenv("HOSTLER_SSH_INSECURE", "False")
    with pytest.raises(HostUnreachable):
        opened(ssh)

    monkeypatch.setenv("HOSTLER_SSH_INSECURE", "True")
    assert opened(ssh) == ssh


@pytest.mark.lab
def test_tls_takes_the_certificates(tls: str) -> None:
    assert opened(tls) == tls


@pytest.mark.lab
def test_a_tls_host_that_is_called_otherwise_is_refused_unless_it_need_not_be_known(
    tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tls.replace(LOOPBACK, "localhost")
    with pytest.raises(HostUnreachable, match="verify peer's certificate"):
        opened(other)

    monkeypatch.setenv("HOSTLER_TLS_INSECURE", "True")
    assert opened(other) == other


@pytest.mark.lab
def test_a_key_that_the_host_does_not_let_in_is_said_to_be_that(
    ssh: str, lab_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTLER_SSH_KEY", str(lab_host.layout.ssh_host_key))

    with pytest.raises(HostUnreachable, match=r"Permission denied \(publickey"):
        opened(ssh)


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "test:///default",
        "qemu+unix:///system?socket=/x",
        "qemu+ssh://root@h/system?keyfile=/mine",
        "qemu+ssh://root@h/system?x=1&command=/mine",
        "qemu+tls://h/system?pkipath=/mine",
    ],
)
def test_other_uris_and_those_that_name_their_own_stay_what_they_are(uri: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("content\n")
    environment = dict.fromkeys([*TLS, "HOSTLER_SSH_KEY", "HOSTLER_SSH_KNOWN_HOSTS"], str(file))

    with reaching(uri, environment) as reached:
        assert reached == uri


def test_what_is_empty_is_unset(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n\n")
    environment = {
        **dict.fromkeys([*TLS, "HOSTLER_SSH_KEY"], str(empty)),
        "HOSTLER_SSH_KNOWN_HOSTS": "",
        "HOSTLER_SSH_INSECURE": "False",
        "HOSTLER_TLS_INSECURE": "",
    }

    for uri in ("qemu+ssh://h/system", "qemu+tls://h/system?x=1"):
        with reaching(uri, environment) as reached:
            assert reached == uri


def test_what_a_uri_asks_for_besides_stays_asked_for(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a key")

    with reaching("qemu+ssh://h/system?no_tty=1", {"HOSTLER_SSH_KEY": str(key)}) as reached:
        uri, _, command = reached.partition("&command=")
        program = Path(command)
        assert uri == "qemu+ssh://h/system?no_tty=1"
        assert program.stat().st_mode & 0o777 == 0o700
        assert program.parent.stat().st_mode & 0o777 == 0o700
        assert (program.parent / "key").read_text() == "a key\n"
        assert (program.parent / "key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_ssh_takes_as_it_is_is_not_copied(tmp_path: Path) -> None:
    key = tmp_path / "a %h key"
    key.write_text("a key\n")
    key.chmod(0o600)

    with reaching("qemu+ssh://h/system", {"HOSTLER_SSH_KEY": str(key)}) as reached:
        program = Path(reached.partition("command=")[2])
        assert (program.parent / "key").resolve() == key


@pytest.mark.parametrize("name", ["$(touch x)", "a 'b", "ü\u2028"])
def test_a_file_may_be_called_as_it_likes(name: str, tmp_path: Path) -> None:
    known = tmp_path / name
    known.write_text("host key\n")

    with reaching("qemu+ssh://h/system", {"HOSTLER_SSH_KNOWN_HOSTS": str(known)}) as reached:
        program = Path(reached.partition("command=")[2])
        assert name not in program.read_text()
        assert (program.parent / "known_hosts").read_text() == "host key\n"


def test_a_file_that_can_not_be_read_and_a_certificate_without_its_key_are_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("content")
    wrong = {
        "HOSTLER_SSH_KEY": ("qemu+ssh://h/system", {"HOSTLER_SSH_KEY": str(tmp_path / "nothing")}),
        "HOSTLER_TLS_CLIENTKEY": ("qemu+tls://h/system", {"HOSTLER_TLS_CLIENTCERT": str(file)}),
        "HOSTLER_TLS_CLIENTCERT": ("qemu+tls://h/system", {"HOSTLER_TLS_CLIENTKEY": str(file)}),
        "HOSTLER_TLS_CACERT": (
            "qemu+tls://h/system",
            {"HOSTLER_TLS_CLIENTCERT": str(file), "HOSTLER_TLS_CLIENTKEY": str(file)},
        ),
    }

    for variable, (uri, environment) in wrong.items():
        with pytest.raises(InvalidSpec, match=variable) as caught, reaching(uri, environment):
            pass
        assert caught.value.field == variable
