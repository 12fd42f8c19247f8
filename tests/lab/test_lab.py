# SPDX-License-Identifier: GPL-3.0-or-later
"""A real lab comes up, is repaired, stands beside another, and goes."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import libvirt
import pytest

from lab.cache import REPOSITORY
from lab.errors import LabError
from lab.host import Host
from lab.lab import Lab
from tests.lab.guests import Guest, running, wait_until

pytestmark = pytest.mark.lab

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts have no network and no namespaces")

POOLS = ["default", "images", *(["local", "shared"] if os.geteuid() == 0 else [])]


def pids(host: Host) -> set[int]:
    """Answer the ids of the host's processes that last."""
    return {process.pid for process in host.processes() if process.program in {"python", "libvirtd"}}


def command(*arguments: str | Path) -> "subprocess.Popen[str]":
    """Start ``python -m lab``."""
    return subprocess.Popen(
        [sys.executable, "-m", "lab", *map(str, arguments)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_host_has_active_pools_with_the_image_and_a_network(lab_host: Host) -> None:
    status = lab_host.status()
    assert status["state"] == "up"
    assert {name: pool["active"] for name, pool in status["pools"].items()} == dict.fromkeys(POOLS, True)
    assert str(lab_host.image_path) == lab_host.virsh("vol-path", "--pool", "images", "tiny.qcow2")
    assert lab_host.virsh("pool-list", "--autostart", "--name").split() == POOLS
    if os.geteuid() == 0:
        assert status["network"]["active"]
        assert lab_host.virsh("net-list", "--autostart", "--name") == "default"
    else:
        assert status["network"] is None


def test_socket_is_its_owners_alone(lab_host: Host) -> None:
    assert lab_host.layout.socket.stat().st_mode & 0o777 in {0o600, 0o700}
    assert lab_host.layout.lab.runtime.stat().st_mode & 0o777 == 0o700


def test_guest_outlives_a_killed_libvirtd_and_is_found_again(lab_host: Host, tmp_path: Path) -> None:
    with running(Guest(lab_host, "lab-survivor", tmp_path)) as guest:
        before = lab_host.guest_process(guest.name)
        lab_host.kill_libvirtd()
        assert lab_host.status()["state"] == "libvirtd does not answer"
        lab_host.start_libvirtd()
        assert lab_host.guest_process(guest.name) == before
        assert guest.state() == "running"

        before.signal(signal.SIGKILL)
        wait_until(lambda: guest.state() == "shut off", "libvirtd notices that the guest was killed", timeout=10)


def test_serial_console_opens(lab_host: Host, tmp_path: Path) -> None:
    with running(Guest(lab_host, "lab-console", tmp_path)) as guest, closing(libvirt.open(lab_host.uri)) as connection:
        stream = connection.newStream()
        connection.lookupByName(guest.name).openConsole("serial1", stream)
        stream.abort()


def test_paused_libvirtd_hangs_until_it_is_continued(lab_host: Host) -> None:
    lab_host.pause_libvirtd()
    try:
        with pytest.raises(LabError, match="no answer after 1 s"):
            lab_host.virsh("uri", timeout=1)
    finally:
        lab_host.continue_libvirtd()
    assert lab_host.virsh("uri")


def test_up_keeps_what_runs_and_starts_what_does_not(lab_host: Host) -> None:
    lab = Lab(lab_host.layout.lab.folder)
    before, image = pids(lab_host), lab_host.image_path.stat()
    lab.up()
    assert pids(lab_host) == before
    assert lab_host.image_path.stat() == image

    lab_host.virsh("pool-destroy", "images")
    if lab_host.network:
        lab_host.virsh("net-destroy", "default")
    lab_host.kill_libvirtd()
    lab.up()
    status = lab_host.status()
    assert status["state"] == "up"
    assert status["pools"]["images"]["active"]
    assert lab_host.network is None or status["network"]["active"]
    assert len(pids(lab_host) - before) == 1


def test_two_ups_at_once_and_another_lab_beside_do_not_collide(lab_host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    try:
        both = [command("up", "--dir", folder, "--hosts", "2") for _ in range(2)]
        outputs = [process.communicate(timeout=120) for process in both]
        assert [process.returncode for process in both] == [0, 0], outputs
        assert outputs[0][0] == outputs[1][0]

        hosts = [lab_host, *Lab(folder).hosts]
        assert [host.name for host in hosts] == ["host1", "host1", "host2"]
        for facts in (lambda host: host.uri, lambda host: host.status()["uuid"], pids_of_libvirtd):
            assert len({facts(host) for host in hosts}) == len(hosts)
        if lab_host.network:
            assert len({host.network.subnet for host in hosts if host.network}) == len(hosts)
            assert len({host.virsh("hostname") for host in hosts[1:]}) == 2
    finally:
        down = command("down", "--dir", folder)
        assert down.communicate(timeout=60) == ("", "")
    assert lab_host.status()["state"] == "up"
    assert not folder.exists()


def pids_of_libvirtd(host: Host) -> int:
    """Answer the id of the host's libvirtd."""
    (pid,) = (process.pid for process in host.processes() if process.program == "libvirtd")
    return pid


@as_root
@pytest.mark.slow
def test_down_leaves_nothing_behind_whatever_state_the_lab_is_in(tmp_path: Path) -> None:
    # in PID, network and mount namespaces of its own: the machine's other labs come and go meanwhile
    done = subprocess.run(
        [
            *("unshare", "--pid", "--fork", "--net", "--mount", "--mount-proc"),
            *(sys.executable, "-m", "tests.lab.leave_nothing", str(tmp_path / "lab")),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_status_of_no_lab_is_empty_and_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    status = command("status", "--dir", tmp_path / "none")
    output, errors = status.communicate(timeout=60)
    assert json.loads(output) == {"dir": str(tmp_path / "none"), "up": False, "hosts": []}
    assert (status.returncode, errors) == (3, "")


def test_down_without_a_lab_is_fine_and_makes_nothing(tmp_path: Path) -> None:
    Lab(tmp_path / "none").down()
    assert list(tmp_path.iterdir()) == []


def test_folder_with_other_things_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    thesis = tmp_path / "hosts/host1/thesis.txt"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("precious")
    with pytest.raises(LabError, match="is no lab and not empty"):
        Lab(tmp_path).up()
    Lab(tmp_path).down()
    assert thesis.read_text() == "precious"


def test_folder_is_made_but_not_the_folders_above_it(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"no folder for the lab: .*/missing/lab"):
        Lab(tmp_path / "missing/lab").up()
    assert list(tmp_path.iterdir()) == []
    assert not Lab(tmp_path / "missing/lab").layout.runtime.exists()


@as_root
def test_folder_that_hosts_could_not_see_is_refused() -> None:
    with pytest.raises(LabError, match="hosts see something else at /run"):
        Lab("/run/lab").up()


def test_damaged_record_is_an_error_that_says_what_to_do_and_down_still_works(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text("{")
    with pytest.raises(LabError, match="is damaged; start anew: lab down, lab up"):
        Lab(tmp_path).up()
    Lab(tmp_path).down()
    assert not tmp_path.exists()


@as_root
def test_another_users_runtime_folder_is_not_trusted(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab")
    lab.layout.runtime.mkdir(mode=0o755)
    try:
        with pytest.raises(LabError, match="is not a private folder of yours"):
            lab.up()
    finally:
        lab.layout.runtime.rmdir()
