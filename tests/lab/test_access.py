# SPDX-License-Identifier: GPL-3.0-or-later
"""Each host is reached over TLS, SSH and, if asked for, TCP, by whom the lab's keys are, and by nobody else."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.authority import Authority
from lab.errors import LabError
from lab.host import Host
from lab.lab import Lab
from lab.ports import port_is_free
from lab.processes import Process
from lab.secure_shell import make_key, public_half
from lab.virsh import answers, virsh
from tests.lab.guests import wait_until

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts are reached by their sockets only"),
]


def hostname(uri: str) -> str:
    return virsh(uri, "hostname", timeout=30)


def on(host: Host, *command: str, ssh: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a command on the host by SSH."""
    arguments = [str(ssh or host.layout.lab.ssh), host.name, *command]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)


def test_each_uri_leads_to_its_own_host(lab_hosts: list[Host]) -> None:
    assert {transport for host in lab_hosts for transport in host.uris} == {"unix", "tls", "ssh"}
    for host in lab_hosts:
        for uri in host.uris.values():
            assert hostname(uri) == host.layout.hostname


def test_nobody_listens_beyond_loopback(lab_hosts: list[Host]) -> None:
    inodes = {
        link
        for host in lab_hosts
        for process in host.processes()
        if process.program.startswith(("libvirtd", "sshd"))
        for link in open_sockets(process)
    }
    listening = [
        int(fields[1].split(":")[0], 16)
        for table in ("tcp", "tcp6")
        for line in Path("/proc/net", table).read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A" and f"socket:[{fields[9]}]" in inodes
    ]
    # as the kernel writes 127.0.0.1
    assert len(listening) == 2 * len(lab_hosts)
    assert set(listening) == {0x0100007F}


def open_sockets(process: Process) -> Iterator[str]:
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        if (target := str(descriptor.readlink())).startswith("socket:"):
            yield target


def test_tls_without_a_certificate_of_the_labs_is_refused(lab_hosts: list[Host], tmp_path: Path) -> None:
    uri = lab_hosts[0].uris["tls"]
    stranger = tmp_path / "stranger"
    Authority(tmp_path / "authority").issue_client(stranger, "somebody")
    with pytest.raises(LabError, match=r"[Cc]ertificate"):
        hostname(re.sub("pkipath=.*", f"pkipath={stranger}", uri))

    # it believes the host, but the host does not believe it
    (stranger / "cacert.pem").write_bytes((lab_hosts[0].layout.lab.client_certificate / "cacert.pem").read_bytes())
    with pytest.raises(LabError, match=r"unable to connect|TLS|certificate"):
        hostname(re.sub("pkipath=.*", f"pkipath={stranger}&no_sanity=1", uri))


def test_ssh_lands_in_the_host_with_a_home_of_its_own(lab_hosts: list[Host]) -> None:
    for host in lab_hosts:
        done = on(host, "hostname; virsh -c qemu:///system hostname; echo $HOME ~root $TMPDIR")
        assert done.stdout.split() == [host.layout.hostname] * 2 + ["/run/root"] * 2 + [host.layout.marker], done.stderr


def test_ssh_without_the_labs_key_and_into_a_host_with_another_key_is_refused(
    lab_hosts: list[Host], tmp_path: Path
) -> None:
    lab, host = lab_hosts[0].layout.lab, lab_hosts[0]
    make_key(tmp_path / "key")
    configuration = lab.ssh_configuration.read_text()
    for changed, words in (
        (configuration.replace(str(lab.ssh_key), str(tmp_path / "key")), "Permission denied (publickey)"),
        (configuration.replace(str(lab.ssh_known_hosts), str(tmp_path / "known")), "Host key verification failed"),
    ):
        (tmp_path / "config").write_text(changed)
        another = public_half(tmp_path / "key").read_text().strip()
        (tmp_path / "known").write_text(f"{host.layout.hostname} {another}\n")
        (tmp_path / "ssh").write_text(f'#!/bin/sh\nexec ssh -F {tmp_path}/config "$@"\n')
        (tmp_path / "ssh").chmod(0o755)
        refused = on(host, "true", ssh=tmp_path / "ssh")
        assert (refused.returncode, words in refused.stderr) == (255, True), refused.stderr


def test_all_that_lets_somebody_in_is_roots_alone(lab: Lab) -> None:
    for path in [lab.layout.keys, *lab.layout.keys.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.slow
def test_killed_sshd_is_started_again_by_up_and_keeps_its_key(lab: Lab, lab_hosts: list[Host]) -> None:
    host = lab_hosts[0]
    assert host.access
    (listener,) = (process for process in host.processes() if "listener" in process.command[0])
    listener.signal(signal.SIGKILL)
    wait_until(lambda: port_is_free(host.access.ports.ssh) if host.access else False, "sshd is gone", timeout=10)
    lab.up()
    assert on(host, "hostname").stdout.strip() == host.layout.hostname


@pytest.mark.slow
def test_restarted_libvirtd_is_reached_by_the_same_uris(lab_hosts: list[Host]) -> None:
    host = lab_hosts[1]
    before = host.uris
    host.kill_libvirtd()
    assert not answers(before["tls"])
    host.restart_libvirtd()
    assert host.uris == before
    assert [hostname(uri) for uri in before.values()] == [host.layout.hostname] * 3


@pytest.mark.slow
def test_tcp_is_there_only_if_asked_for_and_guests_do_not_notice_that_it_comes(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab") as lab:
        (host,) = lab.hosts
        assert host.access
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", host.access.ports.tcp))
        before = {process.pid for process in host.processes() if process.program == "dnsmasq"}
        lab.up(tcp=True)
        assert hostname(host.uris["tcp"]) == host.layout.hostname
        lab.up()
        assert hostname(host.uris["tcp"]) == host.layout.hostname
        assert {process.pid for process in host.processes() if process.program == "dnsmasq"} == before
