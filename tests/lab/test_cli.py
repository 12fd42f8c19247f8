# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m lab``: libvirtds are killed, stopped, continued and restarted by hand; mistakes are sentences."""

import json
import os
from pathlib import Path

import pytest

from lab.cli import EXIT_FAILED, EXIT_NOT_UP, EXIT_OK, main
from lab.host import Host
from lab.lab import Lab
from lab.virsh import answers


def states(folder: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Answer the exit code of ``status``, and each host's state."""
    capsys.readouterr()
    code = main(["status", "--dir", folder])
    return code, [host["state"] for host in json.loads(capsys.readouterr().out)["hosts"]]


@pytest.mark.lab
@pytest.mark.slow
def test_one_host_is_killed_stopped_continued_and_restarted_and_the_other_does_not_notice(
    lab: Lab, lab_hosts: list[Host], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(lab.layout.folder)
    lost = "libvirtd does not answer"
    others = ["up"] * (len(lab.hosts) - 2)  # a test of this process may have had more
    assert states(folder, capsys) == (EXIT_OK, ["up", "up", *others])
    for command, answer in (("kill", lost), ("restart", "up"), ("pause", lost), ("continue", "up"), ("restart", "up")):
        assert main([command, "host2", "--dir", folder]) == EXIT_OK
        code = EXIT_OK if answer == "up" else EXIT_NOT_UP
        assert states(folder, capsys) == (code, ["up", answer, *others]), command
    assert main(["pause", "host2", "--dir", folder]) == EXIT_OK
    assert main(["restart", "host2", "--dir", folder]) == EXIT_OK
    assert answers(lab_hosts[1].uri)


@pytest.mark.lab
def test_host_that_is_not_there_is_named(lab: Lab, lab_hosts: list[Host], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kill", "host9", "--dir", str(lab.layout.folder)]) == EXIT_FAILED
    names = ", ".join(host.name for host in lab.hosts)
    assert capsys.readouterr().err == f"lab: there is no host host9; the lab has {names}\n"


@pytest.mark.lab
@pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts are reached by their sockets only")
def test_uri_of_a_host_is_printed_and_one_that_it_does_not_have_is_a_sentence(
    lab: Lab, lab_hosts: list[Host], capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--dir", str(lab.layout.folder))
    assert main(["uri", "host1", *where]) == main(["uri", "host2", "tls", *where]) == EXIT_OK
    assert capsys.readouterr().out.split() == [lab_hosts[0].uri, lab_hosts[1].uris["tls"]]
    assert main(["uri", "host1", "tcp", *where]) == EXIT_FAILED
    assert capsys.readouterr().err == "lab: host1 is not reached by tcp, but by unix, tls, ssh\n"


def test_host_of_a_lab_that_is_down_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restart", "host1", "--dir", str(tmp_path / "none")]) == EXIT_FAILED
    assert capsys.readouterr().err == "lab: the lab is down; first: lab up\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may have TCP")
def test_plain_user_is_told_that_tcp_needs_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--tcp", "--dir", str(tmp_path / "lab")]) == EXIT_FAILED
    assert capsys.readouterr().err.count("\n") == 1
