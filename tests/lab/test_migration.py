# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that run move from host to host, and run on: with a shared disk, and with one that a host has for itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.host import Host
from lab.lab import Lab
from tests.lab.guests import Guest, running, wait_until

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts are reached by their sockets only"),
]

MOVE = ("migrate", "--live", "--persistent", "--undefinesource")
# folders of one machine are no shared file system to libvirt
SHARED = ("--unsafe",)
COPIED = ("--copy-storage-all", "--unsafe")


@contextmanager
def booted(guest: Guest) -> Iterator[str]:
    """Run a guest until the end of the block, wherever it is by then, and answer the name of its boot."""
    with running(guest):
        wait_until(guest.agent_answers, "the agent answers")
        yield guest.boot_id()


def move(guest: Guest, target: Host, *options: str) -> None:
    """Have a guest moved to `target`, which is its host from then on."""
    guest.host.virsh(*MOVE, *options, "--domain", guest.name, timeout=120)
    assert guest.name not in guest.host.virsh("list", "--all", "--name").split()
    guest.host = target
    wait_until(guest.agent_answers, "the agent answers on the other host")


@contextmanager
def local_disk(lab: Lab, name: str) -> Iterator[Path]:
    """A disk over the tiny image in the pool ``local`` of the first host; afterwards it is on none."""
    volume = f"{name}.qcow2"
    image = ("--backing-vol", str(lab.hosts[0].image_path), "--backing-vol-format", "qcow2")
    lab.hosts[0].virsh("vol-create-as", "local", volume, "64M", "--format", "qcow2", *image)
    try:
        yield lab.hosts[0].layout.pools["local"] / volume
    finally:
        for host in lab.hosts:
            host.layout.pools_outside["local"].joinpath(volume).unlink(missing_ok=True)
            host.virsh("pool-refresh", "local")


@pytest.mark.slow
def test_guest_on_a_shared_disk_is_sent_over_tls_by_its_host_and_runs_on(lab: Lab, lab_hosts: list[Host]) -> None:
    here, there = lab_hosts
    guest = Guest(here, "lab-nomad", lab.layout.shared)
    with booted(guest) as boot:
        # peer to peer: the one libvirtd calls the other
        move(guest, there, *SHARED, "--p2p", "--desturi", there.uris["tls"])
        assert guest.boot_id() == boot


@pytest.mark.slow
def test_guest_on_a_shared_disk_is_moved_by_a_client_of_both_hosts_and_through_a_tunnel(
    lab: Lab, lab_hosts: list[Host]
) -> None:
    here, there = lab_hosts
    guest = Guest(here, "lab-commuter", lab.layout.shared)
    with booted(guest) as boot:
        move(guest, there, *SHARED, "--desturi", there.uri)
        move(guest, here, *SHARED, "--desturi", here.uris["ssh"])
        # its memory goes through the libvirtds' own connection
        move(guest, there, *SHARED, "--p2p", "--tunnelled", "--desturi", there.uris["tls"])
        assert guest.boot_id() == boot


@pytest.mark.slow
@pytest.mark.parametrize("peer_to_peer", [False, True])
def test_guest_takes_along_the_disk_that_its_host_has_for_itself(
    lab: Lab, lab_hosts: list[Host], tmp_path: Path, peer_to_peer: bool
) -> None:
    here, there = lab_hosts
    with local_disk(lab, "lab-settler") as disk:
        guest = Guest(here, "lab-settler", tmp_path, disk=disk)
        with booted(guest) as boot:
            assert "lab-settler" not in there.virsh("vol-list", "local")
            way = ("--p2p", "--desturi", there.uris["tls"]) if peer_to_peer else ("--desturi", there.uri)
            move(guest, there, *COPIED, *way)
            assert guest.boot_id() == boot
            there.virsh("pool-refresh", "local")
            assert there.layout.pools_outside["local"].joinpath(disk.name).exists()
            # the guest writes on the new one: the old one is nobody's
            here.layout.pools_outside["local"].joinpath(disk.name).unlink()
            guest.agent("guest-file-close", handle=guest.agent("guest-file-open", path="/root/written", mode="w"))


@pytest.mark.slow
def test_guest_is_sent_over_tcp_by_its_host(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab") as lab:
        lab.up(hosts=2, tcp=True)
        here, there = lab.hosts
        guest = Guest(here, "lab-plain", lab.layout.shared)
        with booted(guest) as boot:
            move(guest, there, *SHARED, "--p2p", "--desturi", there.uris["tcp"])
            assert guest.boot_id() == boot


@pytest.mark.slow
def test_guest_stays_where_it_is_when_the_other_host_dies_meanwhile(lab: Lab, lab_hosts: list[Host]) -> None:
    here, there = lab_hosts
    guest = Guest(here, "lab-homebody", lab.layout.shared)
    with booted(guest) as boot:
        there.kill_libvirtd()
        try:
            with pytest.raises(LabError, match="unable to connect to server"):
                move(guest, there, *SHARED, "--p2p", "--desturi", there.uris["tls"])
        finally:
            there.start_libvirtd()
        assert guest.state() == "running"
        assert guest.boot_id() == boot
        move(guest, there, *SHARED, "--p2p", "--desturi", there.uris["tls"])
        assert guest.boot_id() == boot
