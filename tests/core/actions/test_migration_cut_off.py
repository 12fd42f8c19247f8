# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations that are cut off: the VM is on exactly one host, and the next run finishes."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import migration_watch
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import Move
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    OperationFailed,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor import migration
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from lab.host import Host
from tests.core.actions.between_hosts import Pair, between, boot_of, said
from tests.core.actions.guests import SEED, everything_on, named, wait_until

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts are reached by their sockets only"),
]


@pytest.fixture
def pair(lab_hosts: list[Host]) -> Iterator[Pair]:
    with between(lab_hosts) as pair:
        yield pair


KILLED = """
import sys
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_migration import ensure_migration
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import MigrationWish
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
a, b, name, storage, on_timeout, timeout = sys.argv[1:]
wish = MigrationWish(storage=storage, unsafe=True, bandwidth_mb=2, timeout=float(timeout), on_timeout=on_timeout)
ensure_migration(Hypervisor.open(a), Hypervisor.open(b), OneMachine(name), wish, b)
"""


def sends(domain: Domain) -> bool:
    """Whether some of it is at the destination."""
    progress = migration.progress_of(domain)
    return progress.under_way and progress.memory + progress.disks > 0


def begun(
    pair: Pair, name: str, storage: str, on_timeout: str = "abort", timeout: float = 600
) -> "subprocess.Popen[bytes]":
    """A migration in a process of its own, when it is under way."""
    arguments = [*(host.uri for host in pair.hosts), name, storage, on_timeout, str(timeout)]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stderr=subprocess.DEVNULL)
    domain = pair.here.find_domain_named(name)
    assert domain is not None
    wait_until(lambda: sends(domain), "it is under way")
    return process


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["shared", "copied"])
def test_a_task_that_is_killed_leaves_the_vm_running_here_and_the_next_one_finishes(pair: Pair, storage: str) -> None:
    before = everything_on(pair.there)
    pair.make(
        "mig-kill", "local" if storage == "copied" else "shared", image="tiny.qcow2", cloud_init=SEED, autostart=True
    )
    boot = boot_of(pair.here, "mig-kill")
    process = begun(pair, "mig-kill", storage)
    process.kill()
    process.wait()

    wait_until(lambda: "mig-kill" not in pair.names()[1], "the destination has ended what had begun")
    assert named(pair.here, "mig-kill").status == "running"
    assert boot_of(pair.here, "mig-kill") == boot
    done = pair.move("mig-kill", storage=storage, unsafe=True, delete_source_disks=storage == "copied")

    assert done["vm"]["autostart"]
    assert "mig-kill" not in pair.names()[0]
    assert boot_of(pair.there, "mig-kill") == boot
    assert not any(name.startswith(".") for files in pair.files() for name in files)
    if storage == "copied":
        assert len(everything_on(pair.there)[1] - before[1]) == 2


@pytest.mark.slow
def test_a_task_that_is_killed_when_the_guest_has_gone_ahead_is_finished_by_the_next(pair: Pair) -> None:
    uuid = pair.make("mig-ahead", "shared", image="tiny.qcow2", autostart=True).uuid
    boot = boot_of(pair.here, "mig-ahead")
    process = begun(pair, "mig-ahead", "shared", "postcopy", 1)
    wait_until(lambda: named(pair.here, "mig-ahead").status == "paused", "the guest runs at the destination")
    process.kill()
    process.wait()

    with pytest.raises(WrongState, match="is being migrated"):  # QEMU still sends what the guest had
        pair.move("mig-ahead", unsafe=True)
    wait_until(lambda: migration.has_left(pair.here.domain(uuid)), "all of it is there")
    foretold = pair.move("mig-ahead", check=True, unsafe=True)
    done = pair.move("mig-ahead", unsafe=True)

    assert said(foretold) == said(done)
    assert done["changed"]
    assert ("mig-ahead" in pair.names()[0], done["vm"]["status"], done["vm"]["autostart"]) == (False, "running", True)
    assert boot_of(pair.there, "mig-ahead") == boot
    assert not pair.move("mig-ahead")["changed"]


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["shared", "copied"])
def test_a_libvirtd_that_is_killed_at_the_destination_leaves_the_vm_running_here(pair: Pair, storage: str) -> None:
    pair.make("mig-lost", "local" if storage == "copied" else "shared", image="tiny.qcow2", cloud_init=SEED)
    boot = boot_of(pair.here, "mig-lost")
    killed = once_under_way(pair, "mig-lost", pair.hosts[1].kill_libvirtd)
    try:
        with pytest.raises((GuestTimeout, OperationFailed), match="the VM runs on at the source") as caught:
            pair.move("mig-lost", storage=storage, unsafe=True, bandwidth_mb=2)
    finally:
        killed()
        pair.hosts[1].start_libvirtd()
    pair.again()

    stays = "stays at the destination until the VM is migrated there"
    assert (stays in caught.value.message) == (storage == "copied")
    wait_until(lambda: "mig-lost" not in pair.names()[1], "the destination has ended what had begun")
    assert boot_of(pair.here, "mig-lost") == boot
    pair.move("mig-lost", storage=storage, unsafe=True)
    assert boot_of(pair.there, "mig-lost") == boot
    assert not any(name.startswith(".") for files in pair.files() for name in files)


def once_under_way(pair: Pair, name: str, act: Callable[[], None]) -> Callable[[], None]:
    """Do it when the VM is on its way to the destination; answers what waits for that."""

    def watch() -> None:
        with Hypervisor.open(pair.hosts[0].uri) as here:
            domain = here.find_domain_named(name)
            assert domain is not None
            wait_until(lambda: sends(domain), "it is under way")
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread.join


@pytest.mark.slow
def test_what_a_killed_task_has_not_done_after_the_vm_had_moved_is_done_by_the_next(pair: Pair) -> None:
    pair.make("mig-rest", "local", "stopped")
    pair.move("mig-rest", storage="copied")
    now = named(pair.there, "mig-rest")
    uuids = [host.host_uuid() or "" for host in (pair.here, pair.there)]
    path = str(now.disks[0].path)
    # as it arrives
    migration.set_move(pair.there.domain(now.uuid), Move(uuids[0], uuids[1], autostart=True, copied=(path,)))
    pair.there.pool("local").create_volume(f".{path.rpartition('/')[2]}.moving", 0, "raw")

    foretold = pair.move("mig-rest", check=True)
    done = pair.move("mig-rest")

    assert said(foretold) == said(done)
    assert (done["changed"], done["left"], done["vm"]["autostart"]) == (True, [path], True)
    assert not any(name.startswith(".") for name in pair.files()[1])
    assert not pair.move("mig-rest")["changed"]


@pytest.mark.slow
def test_a_guest_that_hangs_never_hangs_the_task(pair: Pair) -> None:
    pair.make("mig-hang", "shared")
    process = pair.hosts[0].guest_process("mig-hang")
    process.signal(signal.SIGSTOP)
    try:
        with pytest.raises(GuestTimeout):
            pair.move("mig-hang", unsafe=True)
    finally:
        process.signal(signal.SIGCONT)
    assert "mig-hang" not in pair.names()[1]


@pytest.mark.slow
def test_a_qemu_that_hangs_at_the_destination_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration_watch, "_STALL_SECONDS", 3.0)
    pair.make("mig-stall", "shared", image="tiny.qcow2")
    boot = boot_of(pair.here, "mig-stall")

    def hang() -> None:
        pair.hosts[1].guest_process("mig-stall").signal(signal.SIGSTOP)

    hung = once_under_way(pair, "mig-stall", hang)
    with pytest.raises(GuestTimeout, match="nothing of it was sent for 3 s; the VM runs on at the source"):
        pair.move("mig-stall", unsafe=True, bandwidth_mb=2)
    hung()

    assert "mig-stall" not in pair.names()[1]
    assert boot_of(pair.here, "mig-stall") == boot
