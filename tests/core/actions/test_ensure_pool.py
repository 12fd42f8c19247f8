# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool is brought to what is wanted, once; what fails is put back; what somebody needs stays."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_pool import ensure_pool, observe_pool
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    OperationFailed,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.storage_pools import StoragePools
from lab.host import Host
from tests.core.actions.guests import desired, made
from tests.core.actions.pools import hanging, pools_swept
from tests.core.machines import MIB
from tests.core.plan.test_wanted_pool import wanted

NAME = "kept"
SAID = ("changed", "diff", "plan", "next_start", "deleted_volumes")


@pytest.fixture
def folder(lab_host: Host) -> Iterator[Path]:
    """Where a pool may be made, as the host sees it, too."""
    place = lab_host.layout.pools["default"].parent / "kept"
    with pools_swept(lab_host.uri):
        yield place
    if place.exists():
        for file in place.iterdir():
            file.unlink()
        place.rmdir()


def ensured(hypervisor: Hypervisor, **options: Any) -> dict[str, Any]:
    """What a run answers, which check mode has foretold and after which another run has nothing to do."""
    request = wanted(name=NAME, **options)
    foretold = ensure_pool(hypervisor, request, check=True)
    done = ensure_pool(hypervisor, request)
    assert {key: foretold[key] for key in SAID} == {key: done[key] for key in SAID}
    again = ensure_pool(hypervisor, request)
    assert not again["changed"]
    assert again["next_start"] == done["next_start"]
    return done


@pytest.mark.lab
def test_a_pools_life(hypervisor: Hypervisor, folder: Path) -> None:
    made_pool = ensured(hypervisor, type="dir", path=str(folder), mode="0711", state="active", autostart=True)

    assert made_pool["changed"]
    pool = made_pool["pool"]
    assert (pool["state"], pool["autostart"], pool["mode"], pool["path"]) == ("active", True, "0711", str(folder))
    assert pool["capacity"] >= pool["available"] > 0
    assert folder.stat().st_mode & 0o7777 == 0o711

    (folder / "by-hand.raw").write_bytes(bytes(512))
    assert not ensured(hypervisor, refresh=True)["changed"]
    assert hypervisor.pool(NAME).volume_names() == ["by-hand.raw"]

    moved = ensured(hypervisor, path=f"{folder}-2", autostart=False)
    assert moved["next_start"] == ["path"]
    assert not moved["pool"]["autostart"]
    assert ensured(hypervisor, path=str(folder))["next_start"] == []

    assert ensured(hypervisor, state="inactive")["pool"]["capacity"] is None
    assert ensured(hypervisor, mode="0700")["changed"]
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert ensured(hypervisor, state="active")["pool"]["state"] == "active"

    gone = ensured(hypervisor, state="absent", delete_content=True)
    assert gone["pool"] is None
    assert gone["deleted_volumes"] == [str(folder / "by-hand.raw")]
    assert not folder.exists()


@pytest.mark.lab
def test_content_stays_unless_it_is_asked_for(hypervisor: Hypervisor, folder: Path) -> None:
    ensured(hypervisor, type="dir", path=str(folder), state="active")
    hypervisor.pool(NAME).create_volume("precious.qcow2", MIB, "qcow2")

    ensured(hypervisor, state="absent")

    assert [file.name for file in folder.iterdir()] == ["precious.qcow2"]


@pytest.mark.lab
def test_what_is_built_upon_goes_last_and_what_others_need_stays_with_all_the_rest(
    hypervisor: Hypervisor, folder: Path
) -> None:
    ensured(hypervisor, type="dir", path=str(folder), state="active")
    pool = hypervisor.pool(NAME)
    base = pool.create_volume("a-base.qcow2", MIB, "qcow2")
    overlay = pool.create_volume("b-overlay.qcow2", MIB, "qcow2", backing=base.facts())
    outside = hypervisor.pool("default").create_volume("outside.qcow2", MIB, "qcow2", backing=base.facts())
    request = wanted(name=NAME, state="absent", delete_content=True)

    with pytest.raises(
        WrongState, match=r"a-base\.qcow2, which volume 'outside\.qcow2' in storage pool 'default' uses"
    ):
        ensure_pool(hypervisor, request)
    assert Path(overlay.path).exists()

    outside.delete()
    assert ensure_pool(hypervisor, request, check=True)["deleted_volumes"] == [overlay.path, base.path]
    (folder / "a-folder").mkdir()
    with pytest.raises(WrongState, match="the folder 'a-folder'"):
        ensure_pool(hypervisor, request)
    (folder / "a-folder").rmdir()
    odd = folder / os.fsdecode(b"\xff.raw")
    odd.write_bytes(bytes(512))
    with pytest.raises(WrongState, match="names are no text"):
        ensure_pool(hypervisor, request)
    odd.unlink()
    assert ensured(hypervisor, state="absent", delete_content=True)["changed"]


@pytest.mark.lab
def test_a_running_guests_pool_is_stopped_by_force_only(hypervisor: Hypervisor, lab_host: Host, folder: Path) -> None:
    ensured(hypervisor, type="dir", path=str(folder), state="active")
    volume = hypervisor.pool(NAME).create_volume("further.raw", MIB, "raw")
    guest = made(hypervisor, desired(lab_host, "pool-user", state="running"))
    disk = (
        f"<disk type='file'><driver type='raw'/><source file='{volume.path}'/><target dev='vdb' bus='virtio'/></disk>"
    )
    hypervisor.domain(guest.uuid).handle.attachDevice(disk)

    with pytest.raises(WrongState, match="has a disk of VM 'pool-user', which runs"):
        ensure_pool(hypervisor, wanted(name=NAME, state="absent"))
    with pytest.raises(WrongState, match="has a disk of VM 'pool-user', which runs"):
        ensure_pool(hypervisor, wanted(name=NAME, state="inactive"), check=True)
    assert ensured(hypervisor, state="inactive", force=True)["changed"]
    assert hypervisor.domain(guest.uuid).is_active()


@pytest.mark.lab
def test_a_start_that_fails_leaves_a_new_pool_undefined_and_says_what_remains(
    hypervisor: Hypervisor, folder: Path
) -> None:
    """There is no such device to mount."""
    request = wanted(
        name=NAME, type="fs", path=str(folder), source={"devices": ["/dev/null"]}, state="active", autostart=True
    )

    with pytest.raises(OperationFailed, match=f"not all could be put back: {folder} stays as it was made$"):
        ensure_pool(hypervisor, request)
    assert observe_pool(hypervisor, NAME) is None


@pytest.mark.lab
def test_a_change_that_libvirt_refuses_leaves_the_definition_as_it_was(hypervisor: Hypervisor, folder: Path) -> None:
    ensured(hypervisor, type="dir", path=str(folder), autostart=False)
    before = observe_pool(hypervisor, NAME)
    blocked = folder.parent / "a-file"
    blocked.write_text("")

    try:
        with pytest.raises(HostlerError):
            ensure_pool(hypervisor, wanted(name=NAME, path=str(blocked), state="active", autostart=True))
    finally:
        blocked.unlink()

    assert observe_pool(hypervisor, NAME) == before


@pytest.mark.lab
@pytest.mark.skipif(os.geteuid() != 0, reason="a user can't have a file system hang")
def test_a_pool_whose_server_does_not_answer_keeps_nobody_waiting(
    hypervisor: Hypervisor, lab_host: Host, folder: Path
) -> None:
    folder.mkdir()
    ensured(hypervisor, type="dir", path=str(folder), build="none")
    silence = pytest.raises(OperationFailed, match=r"no answer within 1 s; libvirt may still be at it$")
    with hanging(lab_host, folder), silence:
        ensure_pool(hypervisor, wanted(name=NAME, state="active", timeout=1))

    after = observe_pool(hypervisor, NAME)
    assert after is not None
    assert after.state == "inactive"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("netfs", {"path": "/mnt/x", "source": {"hosts": ["h"], "path": "/e"}}),
        ("logical", {"source": {"name": "vg"}}),
        ("iscsi", {"source": {"hosts": ["h:3261"], "devices": ["iqn"]}}),
        ("rbd", {"source": {"hosts": ["m1", "m2"], "name": "images"}}),
    ],
)
def test_other_types_have_the_same_life_on_libvirts_own_driver(
    test_driver: Hypervisor, kind: str, options: dict[str, Any]
) -> None:
    with pools_swept(test_driver.uri):
        pool = ensured(test_driver, type=kind, state="active", autostart=True, **options)["pool"]
        assert (pool["type"], pool["state"], pool["autostart"]) == (kind, "active", True)
        assert ensured(test_driver, state="inactive")["changed"]
        if "hosts" in options["source"]:
            changed = ensured(test_driver, source={"hosts": ["other"]})["pool"]
            assert changed["source"]["hosts"] == ["other"]
        assert ensured(test_driver, state="absent")["pool"] is None


def test_own_xml_makes_a_pool_and_changes_it(test_driver: Hypervisor) -> None:
    xml = f"<pool type='dir'><name>{NAME}</name><target><path>/srv/a</path></target></pool>"
    with pools_swept(test_driver.uri):
        assert ensured(test_driver, xml=xml)["pool"]["path"] == "/srv/a"
        assert ensured(test_driver, xml=xml.replace("/a<", "/b<"))["pool"]["path"] == "/srv/b"
        assert ensured(test_driver, path="/srv/c", build="none")["pool"]["path"] == "/srv/c"
        assert StoragePools(test_driver).find(NAME) is not None
