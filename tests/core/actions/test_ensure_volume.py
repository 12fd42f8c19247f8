# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume is brought to what is wanted, once; what somebody needs, or what might be hostile, is refused."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_volume import ensure_volume
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_volumes import (
    VolumeInquiry,
    gather_volumes,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    OperationFailed,
    PoolNotFound,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_volume import WantedVolume
from lab.commands import run
from lab.host import Host
from tests.core.actions.guests import desired, made
from tests.core.actions.pools import hanging, pools_swept
from tests.core.machines import GIB, MIB

pytestmark = pytest.mark.lab


def ensured(hypervisor: Hypervisor, name: str, **options: Any) -> dict[str, Any]:
    """What a run answers, which check mode has foretold and after which another run has nothing to do."""
    request = WantedVolume(name, **options)
    foretold = ensure_volume(hypervisor, request, check=True)
    done = ensure_volume(hypervisor, request)
    assert {key: foretold[key] for key in ("changed", "diff", "plan")} == {
        key: done[key] for key in ("changed", "diff", "plan")
    }
    assert not ensure_volume(hypervisor, request)["changed"]
    return done


def qemu_img(path: str) -> dict[str, Any]:
    """What qemu-img says of a file, another witness than libvirt."""
    told: dict[str, Any] = json.loads(run("qemu-img", "info", "--output=json", path))
    return told


def test_a_volumes_life(hypervisor: Hypervisor) -> None:
    volume = ensured(hypervisor, "life.qcow2", size_gb=1.0)["volume"]
    assert (volume["capacity"], volume["format"], volume["backing_path"]) == (GIB, "qcow2", None)
    assert volume["allocation"] < MIB

    assert ensured(hypervisor, "life.qcow2", size_gb=2.0)["volume"]["capacity"] == 2 * GIB
    assert qemu_img(volume["path"])["virtual-size"] == 2 * GIB
    gone = ensured(hypervisor, "life.qcow2", state="absent")
    assert (gone["changed"], gone["volume"]) == (True, None)
    assert not Path(volume["path"]).exists()


@pytest.mark.parametrize(
    ("form", "preallocation", "least", "most"),
    [
        ("qcow2", "none", 0, 1),
        ("qcow2", "full", 16, 17),
        ("raw", "none", 0, 0),
        ("raw", "full", 16, 16),
    ],
)
def test_what_is_set_aside_is_what_was_asked_for(
    hypervisor: Hypervisor, form: str, preallocation: str, least: int, most: int
) -> None:
    volume = ensured(hypervisor, f"set-aside.{form}", size_gb=1 / 64, format=form, preallocation=preallocation)[
        "volume"
    ]

    assert volume["format"] == form
    assert least * MIB <= Path(volume["path"]).stat().st_blocks * 512 <= most * MIB


def test_preallocated_tables_are_there(hypervisor: Hypervisor) -> None:
    volume = ensured(hypervisor, "tables.qcow2", size_gb=1.0, preallocation="metadata")["volume"]

    extents = json.loads(run("qemu-img", "map", "--output=json", volume["path"]))
    assert sum(extent["length"] for extent in extents if "offset" in extent) == GIB


def test_it_shrinks_where_that_is_allowed(hypervisor: Hypervisor) -> None:
    ensured(hypervisor, "less.raw", size_gb=1.0, format="raw")

    with pytest.raises(InvalidSpec, match="allow_shrink"):
        ensure_volume(hypervisor, WantedVolume("less.raw", size_gb=0.5))
    volume = ensured(hypervisor, "less.raw", size_gb=0.5, allow_shrink=True)["volume"]
    assert Path(volume["path"]).stat().st_size == GIB // 2


def test_libvirts_reason_why_it_cant_shrink_reaches_people(hypervisor: Hypervisor) -> None:
    ensured(hypervisor, "full.raw", size_gb=1 / 64, format="raw", preallocation="full")

    with pytest.raises(HostlerError, match="can't shrink capacity below existing allocation"):
        ensure_volume(hypervisor, WantedVolume("full.raw", size_gb=1 / 128, allow_shrink=True))


def test_copies_and_overlays_are_told_of_and_what_is_built_upon_stays(hypervisor: Hypervisor) -> None:
    image = hypervisor.pool("images").find_volume("tiny.qcow2")
    assert image is not None
    copy = ensured(hypervisor, "copy.qcow2", source="tiny.qcow2", source_pool="images")["volume"]
    overlay = ensured(
        hypervisor, "over.qcow2", source="copy.qcow2", source_mode="backing", size_gb=2.0
    )["volume"]  # fmt: skip
    assert run("qemu-img", "compare", image.path, copy["path"])
    assert (overlay["backing_path"], overlay["capacity"]) == (copy["path"], 2 * GIB)
    assert qemu_img(overlay["path"])["backing-filename-format"] == "qcow2"

    with pytest.raises(WrongState, match=r"'copy\.qcow2' .* in use by volume 'over\.qcow2' in storage pool 'default'"):
        ensure_volume(hypervisor, WantedVolume("copy.qcow2", state="absent"))
    with pytest.raises(InvalidSpec, match=r"source: the qcow2 has a backing file; .*; trust_source takes"):
        ensure_volume(hypervisor, WantedVolume("third.qcow2", source="over.qcow2"))
    flat = ensured(hypervisor, "third.qcow2", source="over.qcow2", trust_source=True)["volume"]
    assert "backing-filename" not in qemu_img(flat["path"])

    told = {one["name"]: one for one in gather_volumes(hypervisor, VolumeInquiry(pool=("default",))).volumes}
    assert told["copy.qcow2"]["overlays"] == [{"pool": "default", "name": "over.qcow2"}]
    assert told["over.qcow2"]["overlays"] == []


def test_a_raw_disk_that_a_guest_has_made_look_like_an_overlay_reads_no_file_of_the_host(
    hypervisor: Hypervisor, lab_host: Host, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the host's own")
    hostile = lab_host.layout.pools["default"] / "guests.raw"
    run("qemu-img", "create", "-f", "qcow2", "-u", "-b", secret, "-F", "raw", hostile, "1M")
    try:
        for mode in ("copy", "backing"):
            with pytest.raises(InvalidSpec, match="source: the qcow2 has a backing file"):
                ensure_volume(hypervisor, WantedVolume("loot.qcow2", source="guests.raw", source_mode=mode))
    finally:
        hostile.unlink()
        hypervisor.pool("default").refresh()


def test_what_a_vm_has_is_neither_deleted_nor_resized_while_it_runs_nor_built_upon(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "volume-user", state="running"))
    name = Path(str(vm.disks[0].path)).name
    user = "VM 'volume-user'"

    for options, says in (
        ({"state": "absent"}, f"in use by {user}"),
        ({"size_gb": 2.0}, f"in use by {user}, which runs"),
    ):
        with pytest.raises(WrongState, match=says):
            ensure_volume(hypervisor, WantedVolume(name, **options))  # type: ignore[arg-type]
    for mode in ("copy", "backing"):
        with pytest.raises(WrongState, match=f"in use by {user}, which may write to it"):
            ensure_volume(hypervisor, WantedVolume("other.qcow2", source=name, source_mode=mode))
    (told,) = gather_volumes(hypervisor, VolumeInquiry(name=(name,))).volumes
    assert told["vms"] == ["volume-user"]

    hypervisor.domain(vm.uuid).destroy()
    with pytest.raises(WrongState, match=f"in use by {user}"):
        ensure_volume(hypervisor, WantedVolume(name, state="absent"))
    assert ensured(hypervisor, name, size_gb=2.0)["volume"]["capacity"] == 2 * GIB
    assert ensured(hypervisor, "other.qcow2", source=name)["changed"]
    with pytest.raises(WrongState, match="which may write to it"):
        ensure_volume(hypervisor, WantedVolume("third.qcow2", source=name, source_mode="backing"))


def test_wiping_leaves_nothing_of_what_it_held_also_where_it_has_holes(hypervisor: Hypervisor, lab_host: Host) -> None:
    """Who still has the file open sees what became of its blocks."""
    volume = ensured(hypervisor, "secret.raw", size_gb=1 / 64, format="raw")["volume"]
    words = b"the password is " * 4096
    with Path(volume["path"]).open("r+b") as file:
        file.seek(4 * MIB)
        file.write(words)
        file.flush()
        os.fsync(file.fileno())
        assert file.seek(0) == 0

        assert ensured(hypervisor, "secret.raw", state="absent", wipe=True)["changed"]

        content = file.read()
        assert len(content) == 16 * MIB
        assert not any(content)
        assert os.fstat(file.fileno()).st_blocks * 512 >= len(words)
    assert not Path(volume["path"]).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a user can't have a file system hang")
def test_a_pool_that_hangs_keeps_nobody_waiting(hypervisor: Hypervisor, lab_host: Host) -> None:
    folder = lab_host.layout.pools["default"].parent / "hanging-volumes"
    folder.mkdir()
    lab_host.virsh("pool-create-as", "hanging", "dir", "--target", folder)
    silence = pytest.raises(OperationFailed, match=r"look into storage pool 'hanging': no answer within 1 s")
    with pools_swept(lab_host.uri), hanging(lab_host, folder), silence:
        ensure_volume(hypervisor, WantedVolume("new.qcow2", pool="hanging", size_gb=1.0, timeout=1))
    folder.rmdir()


@pytest.mark.parametrize(
    ("options", "kind", "field"),
    [
        ({"pool": "nowhere", "size_gb": 1.0}, PoolNotFound, "pool"),
        ({"source": "nothing"}, VolumeNotFound, "source"),
        ({"source": "x", "source_pool": "nowhere"}, PoolNotFound, "source_pool"),
        ({}, VolumeNotFound, "size_gb"),
    ],
)
def test_what_is_not_there_is_named(
    hypervisor: Hypervisor, options: dict[str, Any], kind: type[HostlerError], field: str
) -> None:
    with pytest.raises(kind) as caught:
        ensure_volume(hypervisor, WantedVolume("new.qcow2", **options))
    assert caught.value.field == field
