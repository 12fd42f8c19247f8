# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk under a storage pool is full: what needs room fails with a reason, leaves nothing, and works again later."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import libvirt
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.core.actions.in_guest import listening, said
from tests.end_to_end.conftest import RunningService, eventually

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")]

POOL = "small"
MIB = 1024**2


@dataclass(frozen=True)
class SmallDisk:
    """A disk of 96 MiB under a pool, as the host sees it, who has mounts of its own."""

    host: Host
    folder: Path

    def run(self, *command: str | Path) -> str:
        (keeper,) = [one for one in self.host.processes() if "lab.keeper" in one.command]
        inside = ["nsenter", "--target", str(keeper.pid), "--mount", *command]
        done = subprocess.run(inside, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fill(self) -> None:
        """Take all the room that is left."""
        self.run("sh", "-c", f"dd if=/dev/zero of={self.folder}/ballast bs=4k 2>/dev/null || true")

    def make_room(self) -> None:
        self.run("rm", self.folder / "ballast")

    def files(self) -> set[str]:
        return set(self.run("ls", self.folder).split())


@pytest.fixture
def disk(lab_host: Host, tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / POOL
    folder.mkdir()
    tmp_path.chmod(0o755)
    disk = SmallDisk(lab_host, folder)
    disk.run("mount", "-t", "tmpfs", "-o", "size=96m,mode=755", "none", folder)
    lab_host.virsh("pool-define-as", POOL, "dir", "--target", folder)
    lab_host.virsh("pool-start", POOL)
    yield disk
    lab_host.virsh("pool-destroy", POOL)
    lab_host.virsh("pool-undefine", POOL)  # what is mounted goes with the host


def test_an_image_that_finds_no_room_is_refused_with_the_reason_and_arrives_later(
    service: RunningService, disk: SmallDisk
) -> None:
    service.command("server", "change", "lab1", "--image-pool", POOL)
    disk.fill()
    image = os.urandom(8 * MIB)

    refused = service.client.post("/api/images?server_id=1&name=large.raw", content=image)

    assert (refused.status_code, refused.json()["code"]) == (400, "not_enough_space"), refused.text
    assert disk.files() == {"ballast"}
    assert [one["name"] for one in service.get("/api/images")["items"] if one["name"] == "large.raw"] == []
    disk.make_room()
    arrived = service.client.post("/api/images?server_id=1&name=large.raw", content=image)
    assert arrived.status_code == 201, arrived.text


def test_a_guest_that_finds_no_room_is_shown_as_paused_and_goes_on_when_it_is_started(
    service: RunningService, disk: SmallDisk, lab_host: Host
) -> None:
    service.command("server", "change", "lab1", "--image-pool", "images", "--pool", POOL)
    made = service.post(
        "/api/vms", name="thirsty", server_id=1, cpu_cores=1, memory_mb=160, disk_gb=0.0625, image="tiny.qcow2",
        image_mode="backing", disks=[{"size_gb": 0.0625}], network_config={"type": "none"}, start=True,
    )  # fmt: skip
    assert made.status_code == 201, made.text
    vm = made.json()
    path = f"/api/vms/{vm['id']}"
    with Hypervisor.open(lab_host.uri) as hypervisor:
        listening(hypervisor, "thirsty")
        disk.fill()
        write = "dd if=/dev/urandom of=/dev/vdb bs=1M count=16 conv=fsync >/dev/null 2>&1 && echo written"
        with contextlib.suppress(libvirt.libvirtError):  # it may stand still before it answers
            said(hypervisor, vm["uuid"], f"({write}) > /tmp/came-of-it 2>/dev/null &")

        eventually(lambda: service.get(path)["status"] == "paused", "that it stands still is shown")
        assert "no space" in lab_host.virsh("domblkerror", "thirsty")
        refused = service.post(f"{path}/resize", memory_mb=192, disk_gb=4096)
        assert refused.status_code == 400, refused.text
        assert service.get(path)["status"] == "paused"

        disk.make_room()
        assert service.post(f"{path}/start").status_code == 200

        eventually(lambda: service.get(path)["status"] == "running", "it goes on")
        eventually(lambda: said(hypervisor, vm["uuid"], "cat /tmp/came-of-it").strip() == "written", "all is written")
    assert service.post(f"{path}/force-stop").status_code == 200
    assert service.client.delete(f"{path}").status_code == 200
    assert disk.files() == set()
