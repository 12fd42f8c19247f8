# SPDX-License-Identifier: GPL-3.0-or-later
"""CD-ROM drives of VMs on a real host: filled, emptied, taken away; while they are off, and while a guest uses them."""

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import drives as operations
from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_cdrom import ensure_cdrom
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    Unsupported,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.cdrom import WantedCdrom
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import DefineMedium
from ansible_collections.hostler.libvirt.plugins.module_utils.seed import SeedContent, seed_image
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from lab.host import Host
from tests.core.actions.guests import SEED, desired, made
from tests.core.actions.in_guest import booted, said
from tests.core.actions.test_ensure_disk import drives, folder_of
from tests.core.actions.test_resize import defined
from tests.core.domain_xml.documents import FOREIGN, difference

pytestmark = pytest.mark.lab


def ensured(hypervisor: Hypervisor, name: str, **fields: Any) -> dict[str, Any]:
    """Plan it, do it, and see that both say the same and that it is not done again; what doing it answered."""
    which, wanted = OneMachine(name), WantedCdrom(**fields)
    planned = ensure_cdrom(hypervisor, which, wanted, check=True)
    answer = ensure_cdrom(hypervisor, which, wanted)
    for key in ("changed", "diff", "plan", "next_boot"):
        assert planned[key] == answer[key], key
    again = ensure_cdrom(hypervisor, which, wanted)
    assert (again["changed"], again["diff"], again["plan"]) == (False, {"before": {}, "after": {}}, [])
    return answer


@pytest.fixture
def isos(hypervisor: Hypervisor) -> list[Path]:
    """Two media with a file each, which says a or b."""
    pool = hypervisor.pool("default")
    for name in ("a", "b"):
        image = seed_image(SeedContent(f"{{says: {name}}}\n", "#cloud-config\n", None))
        pool.create_volume(f"{name}.iso", len(image), "raw").upload(image)
    return [folder_of(hypervisor) / f"{name}.iso" for name in ("a", "b")]


def test_a_drive_comes_is_filled_emptied_and_goes_while_the_vm_is_off(
    hypervisor: Hypervisor, lab_host: Host, isos: list[Path]
) -> None:
    vm = made(hypervisor, desired(lab_host, "cold-cd", cloud_init=SEED))
    before = hypervisor.domain(vm.uuid).xml(inactive=True)

    answer = ensured(hypervisor, "cold-cd", volume="a.iso")
    assert answer["cdrom"] == {
        "target": "sdb", "bus": "scsi", "medium": str(isos[0]), "defined": True, "running": False,
    }  # fmt: skip
    assert ensured(hypervisor, "cold-cd", path=str(isos[1]))["diff"]["after"] == {"medium": str(isos[1])}
    assert ensured(hypervisor, "cold-cd", state="ejected")["cdrom"]["medium"] is None
    power.start(hypervisor, vm.uuid)  # which sees whether QEMU takes it
    power.force_stop(hypervisor, vm.uuid)
    ensured(hypervisor, "cold-cd", state="absent")
    assert difference(before, hypervisor.domain(vm.uuid).xml(inactive=True)) == []
    ensured(hypervisor, "cold-cd", target="sda", state="absent")  # the seed's, which is named
    assert "sda" not in drives(hypervisor, "cold-cd")[0]
    assert all(iso.exists() for iso in isos)

    with pytest.raises(VolumeNotFound, match=r"'nowhere\.iso' not found") as caught:
        ensure_cdrom(hypervisor, OneMachine("cold-cd"), WantedCdrom(volume="nowhere.iso"))
    assert caught.value.field == "volume"


def test_a_vm_of_others_keeps_all_that_is_not_the_medium(hypervisor: Hypervisor, isos: list[Path]) -> None:
    domain = defined(hypervisor, FOREIGN["windows_spice"])
    before = domain.xml(inactive=True, secure=True)
    (target,) = [target for target, drive in drives(hypervisor, domain.name)[0].items() if drive.device == "cdrom"]

    ensured(hypervisor, domain.name, target=target, path=str(isos[0]))
    changed = difference(before, domain.xml(inactive=True, secure=True))
    assert {line.split()[1] for line in changed} <= {"/domain/devices/disk", "/domain/devices/disk/source"}, changed
    ensured(hypervisor, domain.name, target=target, state="ejected")
    assert drives(hypervisor, domain.name)[0][target].path is None
    assert "s3cr&amp;t" in domain.xml(inactive=True, secure=True)


def test_media_of_a_vm_that_runs_come_and_go(hypervisor: Hypervisor, lab_host: Host, isos: list[Path]) -> None:
    """As long as there is no guest that locks the tray."""
    made(hypervisor, desired(lab_host, "live-cd", "running", cloud_init=SEED))
    seed = {"target": "sda", "live": True}

    ensured(hypervisor, "live-cd", **seed, path=str(isos[0]))
    ensured(hypervisor, "live-cd", **seed, volume="b.iso")
    for side in drives(hypervisor, "live-cd"):
        assert side["sda"].path == str(isos[1])
    assert ensured(hypervisor, "live-cd", **seed, state="ejected")["cdrom"]["medium"] is None
    plugged = ensured(hypervisor, "live-cd", target="sdb", volume="a.iso", live=True)
    assert (plugged["next_boot"], plugged["cdrom"]["running"]) == ([], True)
    waits = ensured(hypervisor, "live-cd", target="sdc", live=True)
    assert waits["next_boot"] == ["state"]
    filled = ensured(hypervisor, "live-cd", target="sdc", volume="b.iso", live=True)  # now it can be plugged in
    assert (filled["next_boot"], filled["diff"]["after"]) == ([], {"running": True, "medium": str(isos[1])})


@pytest.mark.slow
def test_media_of_a_guest_that_runs(hypervisor: Hypervisor, lab_host: Host, isos: list[Path]) -> None:
    vm = booted(hypervisor, lab_host, "hot-cd", cloud_init=SEED)

    def read(device: str) -> str:
        return said(hypervisor, vm.uuid, f"mount -o ro /dev/{device} /mnt && cat /mnt/meta-data && umount /mnt").strip()

    def refused(**fields: Any) -> HostlerError:
        before = drives(hypervisor, "hot-cd")
        with pytest.raises(HostlerError) as caught:
            ensure_cdrom(hypervisor, OneMachine("hot-cd"), WantedCdrom(**fields))
        assert drives(hypervisor, "hot-cd") == before
        return caught.value

    assert isinstance(refused(target="sda", state="ejected"), WrongState)
    seed = {"target": "sda", "live": True}
    assert ensured(hypervisor, "hot-cd", **seed, path=str(isos[0]))["next_boot"] == []
    assert read("sr0") == "{says: a}"
    ensured(hypervisor, "hot-cd", **seed, volume="b.iso")
    assert read("sr0") == "{says: b}"
    assert drives(hypervisor, "hot-cd")[0]["sda"].path == str(isos[1])

    said(hypervisor, vm.uuid, "mount -o ro /dev/sr0 /mnt")
    locked = refused(**seed, state="ejected")
    assert (type(locked), locked.field) == (GuestTimeout, "force")
    assert "locked the tray of sda" in locked.message
    assert ensured(hypervisor, "hot-cd", **seed, state="ejected", force=True)["cdrom"]["medium"] is None

    # the emptied drive is the VM's only one; another is made by its name, and with its medium it is plugged in
    plugged = ensured(hypervisor, "hot-cd", target="sdb", path=str(isos[0]), live=True)
    assert (plugged["next_boot"], plugged["cdrom"]["running"]) == ([], True)
    said(hypervisor, vm.uuid, "umount /mnt")
    assert read("sr1") == "{says: a}"
    try:  # libvirt 9.0 can't; a newer one may
        ensured(hypervisor, "hot-cd", target="sdb", state="ejected", live=True)
    except Unsupported as error:
        assert "can't open the tray of sdb" in error.message
    ensured(hypervisor, "hot-cd", target="sdb", state="absent", live=True)
    assert "sr1" not in said(hypervisor, vm.uuid, "ls /sys/block")
    waits = ensured(hypervisor, "hot-cd", target="sdc", live=True)
    assert waits["next_boot"] == ["state"]
    assert operations.define_medium(hypervisor, DefineMedium(vm.uuid, "sdc", None)) is None  # it is so already
