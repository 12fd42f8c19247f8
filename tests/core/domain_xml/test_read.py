# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains that others wrote are read as far as they are modelled, and no further."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk, Graphics, Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from tests.core.domain_xml.documents import FOREIGN

UUID = "5b0c2a1e-7d4f-4b9e-9c3e-2f6a8d1e0b33"


def domain(inner: str, os: str = "<os><type>hvm</type></os>") -> str:
    return f"<domain type='test'><name>r</name><uuid>{UUID}</uuid><memory>131072</memory>{os}{inner}</domain>"


def test_a_rich_foreign_domain() -> None:
    read = read_domain(FOREIGN["windows_spice"])

    assert read.name == 'Büro & Empfang "1" <alt>'
    assert read.type == "kvm"
    assert read.memory_kib == 8 * 1024**2
    assert (read.machine, read.architecture, read.firmware) == ("pc-q35-7.2", "x86_64", "uefi")
    assert (read.cpu_mode, read.clock, read.video) == ("host-passthrough", "localtime", "qxl")
    assert read.disks == (
        Disk("disk", "sda", bus="scsi", path="/dev/vg0/win", format="raw"),
        Disk("disk", "vdb", bus="virtio", format="raw"),
        Disk("cdrom", "sdb", bus="sata", read_only=True),
    )
    assert read.interfaces == (Interface("direct", "eno1", "52:54:00:aa:bb:cc", "e1000e"),)
    assert read.graphics == (Graphics("spice", 5900, "127.0.0.1", password="s3cr&t"),)
    assert (read.guest_agent, read.rng, read.memory_balloon, read.tablet) == (False, False, False, False)
    assert read.record is None


def test_vcpus_are_those_the_guest_has_not_those_it_could_get() -> None:
    assert read_domain(FOREIGN["windows_spice"]).vcpus == 2
    assert read_domain(FOREIGN["numa_realtime"]).vcpus == 4
    assert read_domain(FOREIGN["bare"]).vcpus == 1


@pytest.mark.parametrize(
    ("memory", "kib"),
    [
        ("<memory>131072</memory>", 131072),
        ("<memory unit='bytes'>134217728</memory>", 131072),
        ("<memory unit='b'>134217728</memory>", 131072),
        ("<memory unit='k'>131072</memory>", 131072),
        ("<memory unit='KB'>1024000</memory>", 1000000),
        ("<memory unit='M'>128</memory>", 131072),
        ("<memory unit='MiB'>128</memory>", 131072),
        ("<memory unit='MB'>1024</memory>", 1000000),
        ("<memory unit='G'>1</memory>", 1048576),
        ("<memory unit='GiB'>1</memory>", 1048576),
        ("<memory unit='GB'>1024</memory>", 1000000000),
        ("<memory unit='TiB'>1</memory>", 1024**3),
        ("<memory unit='TB'>1</memory>", 976562500),
    ],
)
def test_units_of_memory_are_read_as_libvirt_reads_them(test_driver: Hypervisor, memory: str, kib: int) -> None:
    xml = domain("").replace("<memory>131072</memory>", memory)

    assert read_domain(xml).memory_kib == kib
    assert read_domain(test_driver.define(xml).xml(inactive=True)).memory_kib == kib


@pytest.mark.parametrize(
    ("os", "firmware"),
    [
        ("<os><type>hvm</type></os>", "bios"),
        ("<os firmware='bios'><type>hvm</type></os>", "bios"),
        ("<os firmware='efi'><type>hvm</type></os>", "uefi"),
        ("<os><type>hvm</type><loader type='pflash'>/f</loader></os>", "uefi"),
        ("<os><type>hvm</type><loader type='rom'>/f</loader></os>", "bios"),
    ],
)
def test_firmware_is_recognized_in_both_spellings(os: str, firmware: str) -> None:
    assert read_domain(domain("", os)).firmware == firmware


def test_disks_of_every_source() -> None:
    read = read_domain(
        domain(
            "<devices>"
            "<disk type='file'><source file='/a/b.img'/><target dev='vda'/><shareable/></disk>"
            "<disk type='volume' device='disk'><source pool='p' volume='v'/><target dev='vdb' bus='virtio'/></disk>"
            "<disk type='block' device='lun'><source dev='/dev/sdx'/><target dev='sda' bus='scsi'/></disk>"
            "<disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>"
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/><source file='/top'/>"
            "<backingStore type='file'><format type='qcow2'/><source file='/middle'/>"
            "<backingStore type='block'><format type='raw'/><source dev='/dev/base'/><backingStore/></backingStore>"
            "</backingStore><target dev='vdc' bus='virtio'/></disk>"
            "</devices>"
        )
    )

    assert read.disks == (
        Disk("disk", "vda", path="/a/b.img", shareable=True),
        Disk("disk", "vdb", bus="virtio", pool="p", volume="v"),
        Disk("lun", "sda", bus="scsi", path="/dev/sdx"),
        Disk("floppy", "fda", bus="fdc"),
        Disk(
            "disk", "vdc", bus="virtio", path="/top", format="qcow2", discard="unmap",
            backing_paths=("/middle", "/dev/base"),
        ),
    )  # fmt: skip


def test_cards_of_every_source() -> None:
    read = read_domain(
        domain(
            "<devices>"
            "<interface type='network'><source network='default' bridge='virbr0'/></interface>"
            "<interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>"
            "<interface type='user'><mac address='52:54:00:00:00:01'/></interface>"
            "<interface type='direct'><source dev='eth0'/></interface>"
            "<interface type='hostdev'><source><address type='pci'/></source></interface>"
            "</devices>"
        )
    )

    assert read.interfaces == (
        Interface("network", "default"),
        Interface("bridge", "br0", model="virtio"),
        Interface("user", mac_address="52:54:00:00:00:01"),
        Interface("direct", "eth0"),
        Interface("hostdev"),
    )


def test_a_port_that_is_not_there_yet_is_none() -> None:
    read = read_domain(
        domain(
            "<devices><graphics type='vnc' port='-1' autoport='yes' listen='0.0.0.0'/>"
            "<graphics type='vnc' port='5901'><listen type='address' address='127.0.0.1'/></graphics>"
            "<graphics type='vnc'><listen type='socket' socket='/s'/></graphics><graphics type='sdl'/></devices>"
        )
    )

    assert read.graphics == (
        Graphics("vnc", None, "0.0.0.0"),  # noqa: S104  nothing listens
        Graphics("vnc", 5901, "127.0.0.1"),
        Graphics("vnc"),
        Graphics("sdl"),
    )


@pytest.mark.parametrize(("state", "connected"), [("connected", True), ("disconnected", False), (None, False)])
def test_the_agent_is_connected_only_when_libvirt_says_so(state: str | None, connected: bool) -> None:
    attribute = f"state='{state}'" if state else ""
    read = read_domain(
        domain(
            "<devices><channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0' state='connected'/>"
            "</channel><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' "
            f"{attribute}/></channel></devices>"
        )
    )

    assert (read.guest_agent, read.guest_agent_connected) == (True, connected)


@pytest.mark.parametrize(
    ("current", "balloon", "kib"),
    [
        ("<currentMemory unit='MiB'>64</currentMemory>", "virtio", 64 * 1024),
        ("<currentMemory unit='MiB'>128</currentMemory>", "virtio", None),
        ("<currentMemory unit='MiB'>64</currentMemory>", "none", None),
        ("", "virtio", None),
    ],
)
def test_what_the_balloon_leaves_a_guest_is_known_where_that_is_not_all(
    current: str, balloon: str, kib: int | None
) -> None:
    read = read_domain(domain(f"{current}<devices><memballoon model='{balloon}'/></devices>"))

    assert read.current_memory_kib == kib
    assert read.memory_kib == 128 * 1024


def test_room_to_grow_is_what_the_xml_says() -> None:
    plain = read_domain(domain("<vcpu>4</vcpu>"))
    room = read_domain(domain("<maxMemory slots='8' unit='GiB'>4</maxMemory><vcpu current='2'>4</vcpu>"))

    assert (plain.vcpus, plain.max_vcpus, plain.max_memory_kib, plain.memory_slots) == (4, None, None, 0)
    assert (room.vcpus, room.max_vcpus, room.max_memory_kib, room.memory_slots) == (2, 4, 4 * 1024**2, 8)
    assert read_domain(domain("<maxMemory unit='GiB'>4</maxMemory>")).memory_slots == 0


@pytest.mark.parametrize(
    ("os", "secure"),
    [
        ("<os firmware='efi'><type>hvm</type><loader secure='yes'/></os>", True),
        ("<os><type>hvm</type><loader type='pflash' readonly='yes' secure='yes'>/x.fd</loader></os>", True),
        ("<os><type>hvm</type><loader type='pflash' readonly='yes' secure='no'>/x.fd</loader></os>", False),
        ("<os firmware='efi'><type>hvm</type></os>", False),
        ("<os><type>hvm</type></os>", False),
    ],
)
def test_secure_boot_is_what_the_loader_enforces(os: str, secure: bool) -> None:
    assert read_domain(domain("", os)).secure_boot is secure


def test_a_tpm_of_any_kind_is_one() -> None:
    assert read_domain(domain("<devices><tpm model='tpm-tis'><backend type='passthrough'/></tpm></devices>")).tpm
    assert not read_domain(domain("<devices/>")).tpm


@pytest.mark.parametrize(
    ("nvram", "place"),
    [
        ("<nvram>/vars.fd</nvram>", "/vars.fd"),
        ("<nvram type='file'><source file='/vars.fd'/></nvram>", "/vars.fd"),
        ("<nvram type='block'><source dev='/dev/vars'/></nvram>", "/dev/vars"),
        ("<nvram type='network'><source protocol='rbd' name='pool/vars'/></nvram>", "pool/vars"),
        ("<nvram template='/template.fd'/>", None),
        ("", None),
    ],
)
def test_where_the_uefi_variables_are_is_read_however_it_is_written(nvram: str, place: str | None) -> None:
    assert read_domain(domain("", f"<os><type>hvm</type>{nvram}</os>")).nvram == place


def test_a_disk_that_is_encrypted_is_known_to_be() -> None:
    secret = "<encryption format='luks'/>"
    disks = f"<disk>{secret}</disk><disk><source file='/x'>{secret}</source></disk><disk/>"

    read = read_domain(domain(f"<devices>{disks}</devices>"))

    assert [disk.encrypted for disk in read.disks] == [True, True, False]
