# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests of the lab's own tests: their definition, their seed, and what to wait for."""

import base64
import io
import json
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pycdlib

from lab.commands import run
from lab.errors import LabError
from lab.host import Host

AGENT = "org.qemu.guest_agent.0"


@dataclass
class Guest:
    """A guest that runs from an overlay over the tiny image, with a log of its serial console."""

    host: Host
    name: str
    folder: Path
    """For its files; outside of the pools, but a place that the host sees."""
    firmware: str = "bios"
    machine: str = "q35"
    disk_bus: str = "virtio"
    mac: str | None = None
    """Of its NIC; None is one that libvirt chooses."""
    seed: Mapping[str, str] = field(default_factory=dict)
    """The seed's files by name; without any, the guest has no seed."""
    disk: Path | None = None
    """Its disk as the host sees it, a qcow2 that is there; None is a new overlay over the tiny image."""
    memory_mib: int | None = None
    """None is what the tiny image needs."""

    @property
    def console(self) -> str:
        """What the guest has written on its serial console since it was last started."""
        file = self.folder / f"{self.name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Define and start the guest."""
        disk = self.disk or self.folder / f"{self.name}.qcow2"
        if self.disk is None:
            run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", self.host.image_path, disk)
        definition = self.folder / f"{self.name}.xml"
        definition.write_text(ElementTree.tostring(self._domain(disk), encoding="unicode"))
        self.host.virsh("define", definition)
        self.host.virsh("start", self.name)

    def remove(self) -> None:
        """End the guest and take it away from the host, whatever state it is in."""
        if self.name in self.host.virsh("list", "--name").split():
            self.host.virsh("destroy", self.name)
        if self.name in self.host.virsh("list", "--all", "--name").split():
            self.host.virsh("undefine", "--nvram", self.name)

    def state(self) -> str:
        """Answer libvirt's word for what the guest does, such as ``running`` or ``shut off``."""
        return self.host.virsh("domstate", self.name)

    def agent(self, command: str, **arguments: str | int) -> Any:
        """Call the guest agent and answer what it returned. Raises LabError while there is none."""
        call = json.dumps({"execute": command, "arguments": arguments})
        answer = self.host.virsh("qemu-agent-command", self.name, call, timeout=20)
        return json.loads(answer)["return"]

    def agent_answers(self) -> bool:
        """Answer whether the guest agent answers."""
        try:
            return bool(self.agent("guest-ping") == {})
        except LabError:
            return False

    def boot_id(self) -> str:
        """Answer the name that the guest's kernel has given to this boot: another after each."""
        handle = self.agent("guest-file-open", path="/proc/sys/kernel/random/boot_id")
        content = self.agent("guest-file-read", handle=handle, count=100)["buf-b64"]
        self.agent("guest-file-close", handle=handle)
        return base64.b64decode(content).decode().strip()

    def _domain(self, disk: Path) -> ElementTree.Element:
        domain = ElementTree.Element("domain", type=self.host.virt_type)
        ElementTree.SubElement(domain, "name").text = self.name
        # under UEFI the kernel unpacks itself into 52 MiB in one piece, beside the firmware
        memory = self.memory_mib or (160 if self.firmware == "uefi" else 128)
        ElementTree.SubElement(domain, "memory", unit="MiB").text = str(memory)
        firmware = {"firmware": "efi"} if self.firmware == "uefi" else {}
        boot = ElementTree.SubElement(domain, "os", firmware)
        ElementTree.SubElement(boot, "type", arch="x86_64", machine=self.machine).text = "hvm"
        if firmware:
            ElementTree.SubElement(
                ElementTree.SubElement(boot, "firmware"), "feature", enabled="no", name="secure-boot"
            )
        ElementTree.SubElement(ElementTree.SubElement(domain, "features"), "acpi")
        devices = ElementTree.SubElement(domain, "devices")
        ElementTree.SubElement(devices, "controller", type="scsi", model="virtio-scsi")
        letter = "vda" if self.disk_bus == "virtio" else "sdb"
        self._disk(devices, "disk", "qcow2", disk, letter, self.disk_bus)
        if self.seed:
            seed = self.folder / f"{self.name}.iso"
            seed.write_bytes(seed_disc(self.seed))
            self._disk(devices, "cdrom", "raw", seed, "sda", "scsi")
        if self.host.network:
            network = ElementTree.SubElement(devices, "interface", type="network")
            ElementTree.SubElement(network, "source", network="default")
        else:
            network = ElementTree.SubElement(devices, "interface", type="user")
        if self.mac:
            ElementTree.SubElement(network, "mac", address=self.mac)
        ElementTree.SubElement(network, "model", type="virtio")
        serial = ElementTree.SubElement(devices, "serial", type="file")
        ElementTree.SubElement(serial, "source", path=str(self.folder / f"{self.name}.log"), append="off")
        # a second one, for who wants to open it
        ElementTree.SubElement(devices, "serial", type="pty")
        channel = ElementTree.SubElement(devices, "channel", type="unix")
        ElementTree.SubElement(channel, "target", type="virtio", name=AGENT)
        return domain

    @staticmethod
    def _disk(devices: ElementTree.Element, device: str, kind: str, file: Path, target: str, bus: str) -> None:
        disk = ElementTree.SubElement(devices, "disk", type="file", device=device)
        ElementTree.SubElement(disk, "driver", name="qemu", type=kind)
        ElementTree.SubElement(disk, "source", file=str(file))
        ElementTree.SubElement(disk, "target", dev=target, bus=bus)


@contextmanager
def running(guest: Guest) -> Iterator[Guest]:
    """Run a guest until the end of the block."""
    try:
        guest.start()
        yield guest
    finally:
        guest.remove()


def seed_disc(files: Mapping[str, str]) -> bytes:
    """Answer a NoCloud seed: a CD-ROM with the label cidata and these files."""
    disc = pycdlib.PyCdlib()
    disc.new(vol_ident="cidata", rock_ridge="1.09", joliet=3)
    for number, (name, text) in enumerate(files.items()):
        content = text.encode()
        disc.add_fp(io.BytesIO(content), len(content), f"/F{number}.;1", rr_name=name, joliet_path=f"/{name}")
    written = io.BytesIO()
    disc.write_fp(written)
    disc.close()
    return written.getvalue()


def wait_until(happened: Callable[[], bool], what: str, timeout: float = 90) -> None:
    """Wait until `happened` answers true; fail with `what` if it does not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(0.1)
