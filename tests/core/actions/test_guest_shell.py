# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines and files of any size, to a real guest and back over its agent; one boot for all."""

import hashlib
import random
from collections.abc import Iterator

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_shell import ShellLine, run_line
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_transfer import (
    pieces_from,
    pieces_in,
    receive_file,
    send_file,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import GuestTimeout, OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.agent import MOST_SENT
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from lab.host import Host
from tests.core.actions.guests import swept
from tests.core.actions.in_guest import booted

pytestmark = [pytest.mark.lab, pytest.mark.slow]

MANY = random.Random(1).randbytes(3 * 1024 * 1024 + 1)  # noqa: S311  any bytes, always the same


@pytest.fixture(scope="module")
def guest(lab_host: Host) -> Iterator[Domain]:
    with swept(lab_host.uri), Hypervisor.open(lab_host.uri) as hypervisor:
        yield hypervisor.domain(booted(hypervisor, lab_host, "shelled", disk_gb=1, memory_mb=192).uuid)


def printed(guest: Domain, line: str) -> str:
    return run_line(guest, ShellLine(line)).stdout.decode()


def test_a_line_is_run_and_its_end_and_outputs_are_told(guest: Domain) -> None:
    told = run_line(guest, ShellLine("cat; echo ~; echo \"$0|'$(id -u)'\"; echo oops >&2; exit 3", b"in\n"))

    assert (told.exit_code, told.stdout, told.stderr) == (3, b"in\n/root\n/bin/sh|'0'\n", b"oops\n")
    assert run_line(guest, ShellLine("kill -9 $$")).exit_code == 137
    assert run_line(guest, ShellLine("true")).stdout == b""
    assert run_line(guest, ShellLine("cat", b"")).stdout == b""


@pytest.mark.parametrize("size", [MOST_SENT, MOST_SENT + 1, len(MANY)])
def test_what_is_read_and_printed_may_be_larger_than_a_message(guest: Domain, size: int) -> None:
    told = run_line(guest, ShellLine("cat >/root/in; cat /root/in; cat /root/in >&2", MANY[:size]))

    assert (told.exit_code, told.stdout == MANY[:size], told.stderr == MANY[:size]) == (0, True, True)


def test_a_line_may_be_as_long_as_a_message_and_no_longer(guest: Domain) -> None:
    told = run_line(guest, ShellLine(f"cat; : {'x' * 60_000}", MANY[:MOST_SENT]))

    assert told.stdout == MANY[:MOST_SENT]
    with pytest.raises(OperationFailed, match="The line is too long for the guest's agent"):
        run_line(guest, ShellLine("x" * MOST_SENT))


def test_nothing_stays_aside_in_the_guest(guest: Domain) -> None:
    run_line(guest, ShellLine("cat", MANY))
    run_line(guest, ShellLine("cat >/dev/null", MANY))

    # the last one's outputs go just after it has ended; those of this line are there while it runs
    line = "sleep 1; ls /run/hostler-agent | grep -c -v -e out -e err; ls -ld /run/hostler-agent; ls /run/hostler-agent"
    count, folder, *files = printed(guest, line).splitlines()
    assert (count, folder.split()[0], len(files)) == ("0", "drwx------", 2)


def test_a_line_that_takes_too_long_is_told_and_runs_on(guest: Domain) -> None:
    with pytest.raises(GuestTimeout, match="did not end within 1 s; it runs on in the guest as process"):
        run_line(guest, ShellLine("sleep 3; touch /root/ran-on", timeout=1))

    assert run_line(guest, ShellLine("while [ ! -e /root/ran-on ]; do sleep 0.1; done")).exit_code == 0


def test_a_file_arrives_whole_in_either_direction(guest: Domain) -> None:
    path = "/root/-rf $(touch pwned) 'ü"
    send_file(guest, pieces_in(MANY), path)

    assert b"".join(receive_file(guest, path)) == MANY
    assert printed(guest, "cat /root/-* | sha256sum").split()[0] == hashlib.sha256(MANY).hexdigest()
    send_file(guest, pieces_in(b""), path)
    assert b"".join(receive_file(guest, path)) == b""
    assert printed(guest, "ls -A / /root | grep -e '^pwned' -e part") == ""


def test_a_file_that_is_cut_off_leaves_what_was_there(guest: Domain) -> None:
    send_file(guest, pieces_in(b"before"), "/root/kept")

    def cut_off() -> Iterator[bytes]:
        yield MANY[:MOST_SENT]
        raise OperationFailed("Failed to read the file: it is gone")

    with pytest.raises(OperationFailed, match="it is gone"):
        send_file(guest, cut_off(), "/root/kept")
    with pytest.raises(OperationFailed, match="/root is a folder"):
        send_file(guest, pieces_in(b"x"), "/root")
    with pytest.raises(OperationFailed, match="No such file or directory"):
        send_file(guest, pieces_in(b"x"), "/nowhere/x")
    with pytest.raises(OperationFailed, match="No such file or directory"):
        b"".join(receive_file(guest, "/root/nothing"))
    assert b"".join(receive_file(guest, "/root/kept")) == b"before"
    assert printed(guest, "ls -A / /root | grep part") == ""


def test_a_file_that_changes_while_it_is_read_is_told(guest: Domain) -> None:
    send_file(guest, pieces_in(MANY), "/root/growing")
    received = receive_file(guest, "/root/growing")
    next(received)
    run_line(guest, ShellLine("cp /root/growing /root/was; echo more >>/root/was; mv /root/was /root/growing"))

    with pytest.raises(OperationFailed, match="it has changed meanwhile"):
        list(received)


def test_a_file_of_ours_is_read_in_pieces_that_a_message_carries(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("files") / "many"
    file.write_bytes(MANY)

    with file.open("rb") as opened:
        pieces = list(pieces_from(opened))

    assert b"".join(pieces) == MANY
    assert max(map(len, pieces)) == MOST_SENT
