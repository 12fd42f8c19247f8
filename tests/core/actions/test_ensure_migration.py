# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs between two real hosts: they go on, with all that is theirs, and what fails leaves them where they were."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.migrations import migrate_offline
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import read_move
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    MachineNotFound,
    NameTaken,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_steps import MigrateOffline
from lab.commands import run
from lab.host import Host
from tests.core.actions.between_hosts import Pair, between, boot_of, said
from tests.core.actions.guests import SEED, desired, everything_on, made, named

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts are reached by their sockets only"),
]


@pytest.fixture
def pair(lab_hosts: list[Host]) -> Iterator[Pair]:
    with between(lab_hosts) as pair:
        yield pair


@pytest.mark.slow
def test_a_guest_goes_on_with_its_disks_and_all_that_is_its_own_and_back_again(pair: Pair) -> None:
    before = everything_on(pair.there)
    made_here = pair.make(
        "mig-life", "local", image="tiny.qcow2", image_mode="backing", cloud_init=SEED, autostart=True,
        tags=("a", "b"), description="Why it is",
    )  # fmt: skip
    domain = pair.here.domain(made_here.uuid)
    domain.handle.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<y>theirs</y>", "x", "urn:somebody", libvirt.VIR_DOMAIN_AFFECT_CONFIG
    )
    boot = boot_of(pair.here, "mig-life")
    was = named(pair.here, "mig-life")

    foretold = pair.move("mig-life", check=True, storage="copied")
    assert pair.names()[0] >= {"mig-life"}
    assert everything_on(pair.there) == before
    done = pair.move("mig-life", storage="copied")

    assert said(foretold) == said(done)
    assert done["changed"]
    here, there = pair.names()
    assert ("mig-life" in here, "mig-life" in there) == (False, True)
    assert boot_of(pair.there, "mig-life") == boot
    now = named(pair.there, "mig-life")
    assert (now.uuid, now.mac_address, now.autostart, now.record) == (was.uuid, was.mac_address, True, was.record)
    xml = pair.there.domain(now.uuid).xml(inactive=True)
    assert "urn:somebody" in xml
    assert "theirs" in xml
    assert read_move(xml) is None
    assert now.disks[0].path is not None
    volume = pair.there.find_volume_at(now.disks[0].path)
    assert volume is not None
    assert volume.facts().backing_path is None  # it was an overlay
    left, arrived = pair.files()
    assert set(done["left"]) == {disk.path for disk in was.disks}
    assert len(left & arrived) == 2
    assert not any(name.startswith(".") for name in arrived)
    took = done["migration"]
    assert all(took[name] > 0 for name in ("total_ms", "memory_bytes", "disk_bytes"))
    assert took["downtime_ms"] >= 0

    again = pair.move("mig-life", storage="copied")
    assert (again["changed"], again["vm"]["status"], again["left"]) == (False, "running", [])

    with pytest.raises(NameTaken, match="already, where vda would be copied to"):  # the old disk is there
        pair.move("mig-life", back=True, storage="copied")
    for path in done["left"]:
        old = pair.here.find_volume_at(path)
        assert old is not None
        old.delete()
    back = pair.move("mig-life", back=True, storage="copied", delete_source_disks=True)
    assert sorted(back["deleted_disks"]) == sorted(done["left"])
    assert back["left"] == []
    assert boot_of(pair.here, "mig-life") == boot
    assert everything_on(pair.there) == before


@pytest.mark.slow
def test_a_vm_that_is_off_takes_its_disks_along_whole_and_flattened(pair: Pair) -> None:
    pair.make("mig-off", "local", "stopped", image="tiny.qcow2", image_mode="backing", cloud_init=SEED, autostart=True)
    foretold = pair.move("mig-off", check=True, storage="copied", delete_source_disks=True)

    done = pair.move("mig-off", storage="copied", delete_source_disks=True)

    assert said(foretold) == said(done)
    assert done["migration"] is None
    assert len(done["deleted_disks"]) == 2
    now = named(pair.there, "mig-off")
    assert (now.status, now.autostart) == ("stopped", True)
    here, there = pair.files()
    assert not any("mig-off" in name for name in here)
    assert len([name for name in there if "mig-off" in name]) == 2
    pair.there.domain(now.uuid).start()
    boot_of(pair.there, "mig-off")


def test_shared_disks_stay_where_they_are_and_a_paused_guest_paused(pair: Pair) -> None:
    made_here = pair.make("mig-shared", "shared", autostart=True)
    with pytest.raises(Unsupported) as caught:
        pair.move("mig-shared")
    assert caught.value.field == "unsafe"
    assert "the VM runs on at the source" in caught.value.message
    assert read_move(pair.here.domain(made_here.uuid).xml(inactive=True)) is None
    assert "mig-shared" not in pair.names()[1]

    pair.here.domain(made_here.uuid).suspend()
    done = pair.move("mig-shared", unsafe=True)
    assert (done["vm"]["status"], done["left"]) == ("paused", [])
    now = named(pair.there, "mig-shared")
    assert now.autostart

    pair.there.domain(now.uuid).destroy()
    pair.move("mig-shared", back=True)
    assert named(pair.here, "mig-shared").autostart


@pytest.mark.slow
def test_a_folder_of_the_same_name_is_no_shared_storage_even_if_all_files_look_alike(pair: Pair) -> None:
    """Disks that a copy has left are a trap: a VM that goes back to them has lost what it has written since."""
    pair.make("mig-stale", "local", "stopped")
    pair.move("mig-stale", storage="copied")  # the old disk stays

    with pytest.raises(Unsupported, match="is another file there") as caught:
        pair.move("mig-stale", back=True, unsafe=True)

    assert caught.value.field == "storage"
    assert "mig-stale" in pair.names()[1]
    assert not any("hostler-shared" in name for files in pair.files() for name in files)


def test_what_takes_too_long_is_ended_and_leaves_nothing(pair: Pair) -> None:
    before = everything_on(pair.there)
    made_here = pair.make("mig-late", "local", image="tiny.qcow2", image_mode="backing", cloud_init=SEED)

    with pytest.raises(GuestTimeout, match=r"took longer than 1 s; the VM runs on at the source$"):
        pair.move("mig-late", storage="copied", bandwidth_mb=1, timeout=1)

    assert everything_on(pair.there) == before
    assert named(pair.here, "mig-late").status == "running"
    assert read_move(pair.here.domain(made_here.uuid).xml(inactive=True)) is None


@pytest.mark.slow
@pytest.mark.parametrize("on_timeout", ["pause", "postcopy"])
def test_what_takes_too_long_is_hurried(pair: Pair, on_timeout: str) -> None:
    pair.make("mig-hurry", "shared", image="tiny.qcow2", image_mode="copy")
    boot = boot_of(pair.here, "mig-hurry")

    done = pair.move("mig-hurry", unsafe=True, bandwidth_mb=8, timeout=1, on_timeout=on_timeout, max_downtime_ms=1)

    assert done["vm"]["status"] == "running"
    assert boot_of(pair.there, "mig-hurry") == boot
    if on_timeout == "pause":
        assert done["migration"]["downtime_ms"] > 1000


@pytest.mark.slow
def test_the_sources_libvirtd_does_it_by_itself_and_through_a_tunnel(pair: Pair) -> None:
    pair.make("mig-peer", "shared")
    tls = [host.uris["tls"] for host in pair.hosts]

    pair.move("mig-peer", unsafe=True, peer_to_peer=True, peer_uri=tls[1])
    assert named(pair.there, "mig-peer").status == "running"
    pair.move("mig-peer", back=True, unsafe=True, peer_to_peer=True, peer_uri=tls[0], tunnelled=True)
    assert named(pair.here, "mig-peer").status == "running"
    pair.here.domain(named(pair.here, "mig-peer").uuid).destroy()
    pair.move("mig-peer", peer_to_peer=True, peer_uri=tls[1])
    assert named(pair.there, "mig-peer").status == "stopped"


@pytest.mark.slow
def test_incremental_copies_overlays_over_what_is_there(pair: Pair) -> None:
    name = "mig-base.qcow2"
    base = pair.hosts[0].layout.pools["shared"] / name
    base.write_bytes(pair.hosts[0].image_path.read_bytes())
    for host in (pair.here, pair.there):
        host.pool("shared").refresh()
    wanted = desired(pair.hosts[0], "mig-inc", "running", image=name, image_mode="backing")
    made(
        pair.here,
        dataclasses.replace(wanted, placement=dataclasses.replace(wanted.placement, pool="local", image_pool="shared")),
    )
    boot = boot_of(pair.here, "mig-inc")

    pair.move("mig-inc", storage="incremental", delete_source_disks=True)
    now = named(pair.there, "mig-inc")
    assert boot_of(pair.there, "mig-inc") == boot
    volume = pair.there.find_volume_at(str(now.disks[0].path))
    assert volume is not None
    assert volume.facts().backing_path == str(base)

    pair.there.domain(now.uuid).destroy()
    pair.move("mig-inc", back=True, storage="incremental", delete_source_disks=True)
    pair.here.domain(now.uuid).start()
    assert boot_of(pair.here, "mig-inc") != boot


@pytest.mark.slow
def test_uefi_variables_and_tpm_go_along_with_a_vm_that_runs_only(pair: Pair) -> None:
    made_here = pair.make("mig-uefi", "shared", firmware="uefi", tpm=True, memory_mb=192)
    pair.move("mig-uefi", unsafe=True)
    assert named(pair.there, "mig-uefi").status == "running"
    pair.there.domain(made_here.uuid).destroy()
    for check in (True, False):
        with pytest.raises(Unsupported, match="has UEFI variables and a TPM, whose content goes along only while"):
            pair.move("mig-uefi", back=True, check=check)


@pytest.mark.parametrize("state", ["stopped", "running"])
def test_a_raw_disk_is_never_believed_to_be_what_its_guest_has_written_into_it(
    pair: Pair, tmp_path: Path, state: str
) -> None:
    made_here = pair.make("mig-raw", "local", "stopped")
    name = str(made_here.disks[0].path).rpartition("/")[2]
    here, there = (host.layout.pools_outside["local"] / name for host in pair.hosts)
    secret = tmp_path / "secret"
    secret.write_bytes(b"of the host's" * 4096)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, here, "1M")
    written = here.read_bytes()
    domain = pair.here.domain(made_here.uuid)
    pair.here.redefine(domain.xml(inactive=True, secure=True).replace("type='qcow2'", "type='raw'"))
    if state == "running":
        domain.start()

    pair.move("mig-raw", storage="copied")

    assert there.read_bytes().rstrip(b"\0") == written.rstrip(b"\0")


def test_what_another_vm_there_has_already_and_what_is_nowhere_is_said(pair: Pair) -> None:
    made_here = pair.make("mig-taken", "shared", "stopped")
    uuid = made_here.uuid
    xml = pair.here.domain(uuid).xml(inactive=True)
    others = {
        "another VM named 'mig-taken'": xml.replace(uuid, "11111111-2222-4333-8444-555555555555"),
        "is that of VM 'mig-other'": xml.replace(uuid, "11111111-2222-4333-8444-555555555556").replace(
            "<name>mig-taken", "<name>mig-other"
        ),
        "is on both hosts, stopped on": xml,
    }
    for says, other in others.items():
        domain = pair.there.define(other)
        for check in (True, False):
            with pytest.raises((NameTaken, WrongState), match=says):
                pair.move("mig-taken", check=check)
        domain.undefine()
    with pytest.raises(MachineNotFound, match="not found on either host"):
        pair.move("mig-nobody")


def test_networks_that_are_not_there_are_named(pair: Pair) -> None:
    name = pair.hosts[0].layout.bridge  # of the first host's own network
    pair.make("mig-net", "shared", "stopped")
    domain = pair.here.find_domain_named("mig-net")
    assert domain is not None
    xml = domain.xml(inactive=True, secure=True)
    pair.here.redefine(xml.replace("network='default'", "network='mig-nowhere'"))
    with pytest.raises(HostlerError, match="no network 'mig-nowhere'") as caught:
        pair.move("mig-net")
    assert caught.value.field == "destination_uri"
    assert name


def test_a_vm_does_not_leave_what_was_written_to_its_disk_after_it_was_copied(pair: Pair) -> None:
    vm = pair.make("mig-moody", "local", "present")
    path = str(vm.disks[0].path)
    volume = pair.here.find_volume_at(path)
    assert volume is not None
    moving = MigrateOffline(vm.uuid, None, ((path, volume.facts().modified),))
    volume.upload(volume.head(512))  # as its guest writes, if the VM is started and goes off again meanwhile

    with pytest.raises(WrongState, match="was written to while the VM's disks were copied"):
        migrate_offline(pair.there, pair.here, moving)

    assert [name in names for names in pair.names() for name in ("mig-moody",)] == [True, False]
    migrate_offline(pair.there, pair.here, MigrateOffline(vm.uuid, None, ((path, volume.facts().modified),)))
