# SPDX-License-Identifier: GPL-3.0-or-later
"""One disk of a domain is read, added, changed and taken away; all else in the document stays as it was."""

import dataclasses
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import (
    Drive,
    Limits,
    drive_address,
    drive_xml,
    read_drives,
    with_drive,
    with_medium,
    with_medium_at,
    with_settings,
    without_drive,
)
from tests.core.domain_xml.documents import FOREIGN, difference, element

WHOLE = Drive(
    "disk", "sdc", bus="scsi", path="/d/<&'\".raw", format="raw", read_only=True, shareable=True, discard="unmap",
    serial="data-1", cache="none", io="native", limits=Limits(read_bytes_sec=5, write_iops_sec=7), place=(0, 3),
)  # fmt: skip
XML = """<domain type='qemu' xmlns:x='urn:x'><name>n</name><devices><emulator>/q</emulator>
  <disk type='file' device='disk' snapshot='external' x:kept='1'><!-- theirs -->
    <driver name='qemu' type='qcow2' queues='4' cache='default' detect_zeroes='on'/><source file='/d/vda.qcow2'/>
    <target dev='vda' bus='virtio'/>
    <iotune><total_iops_sec>9</total_iops_sec><total_iops_sec_max>90</total_iops_sec_max></iotune>
    <boot order='1'/><x:foreign/></disk>
  <disk type='file' device='cdrom'><source file='/d/a.iso' startupPolicy='optional'/><target dev='sda' bus='sata'/>
    <readonly/><address type='drive' controller='1' bus='0' target='0' unit='2'/></disk>
  <disk type='block'><driver name='qemu' type='raw'/><source dev='/dev/vg/lv'/><target dev='vdb' bus='virtio'/></disk>
  <interface type='user'/></devices></domain>"""


def drive_of(xml: str, target: str) -> Drive:
    (found,) = [drive for drive in read_drives(xml) if drive.target == target]
    return found


def test_all_that_a_drive_is_is_read() -> None:
    vda, sda, vdb = read_drives(XML)

    assert vda == Drive(
        "disk", "vda", bus="virtio", path="/d/vda.qcow2", format="qcow2", limits=Limits(total_iops_sec=9)
    )
    assert (sda.device, sda.place, sda.read_only) == ("cdrom", (1, 2), True)
    assert (vdb.is_block, vdb.path) == (True, "/dev/vg/lv")


@pytest.mark.parametrize(
    "drive", [WHOLE, dataclasses.replace(WHOLE, is_block=True, path="/dev/x"), Drive("disk", "vdz")]
)
def test_a_drive_that_is_added_is_read_as_it_was_and_comes_after_the_others(drive: Drive) -> None:
    xml = with_drive(XML, drive)

    assert read_drives(xml)[:3] == read_drives(XML)
    assert read_drives(xml)[3] == drive
    assert all(line.startswith("+ /domain/devices/disk") for line in difference(XML, xml))


def test_a_drive_of_a_domain_without_devices_and_one_that_needs_a_controller() -> None:
    xml = with_drive("<domain/>", WHOLE, controller=2)

    assert read_drives(xml) == (WHOLE,)
    (controller,) = element(xml).findall("devices/controller")
    assert controller.attrib == {"type": "scsi", "index": "2", "model": "virtio-scsi"}


def test_an_address_is_that_of_the_other_side() -> None:
    address = ElementTree.Element("address", {"type": "pci", "bus": "0x05"})
    drive = Drive("disk", "vdz", bus="virtio", path="/x")

    xml = with_drive(XML, drive, address)

    found = drive_address(xml, "vdz")
    assert found is not None
    assert found.attrib == address.attrib
    assert drive_address(xml, "vda") is None
    assert drive_address(xml, "vdx") is None


def test_settings_are_changed_and_nothing_else() -> None:
    wanted = dataclasses.replace(
        drive_of(XML, "vda"), cache="none", io="native", serial="s", read_only=True, limits=Limits(total_bytes_sec=3)
    )

    changes = difference(XML, with_settings(XML, wanted, ("cache", "io", "serial", "read_only", "shareable", "limits")))

    disk = "/domain/devices/disk"
    assert sorted(changes) == sorted([
        f"- {disk}/driver cache='default' detect_zeroes='on' name='qemu' queues='4' type='qcow2'",
        f"+ {disk}/driver cache='none' detect_zeroes='on' io='native' name='qemu' queues='4' type='qcow2'",
        f"- {disk}/iotune/total_iops_sec", f"- {disk}/iotune/total_iops_sec says '9'",
        f"+ {disk}/iotune/total_bytes_sec", f"+ {disk}/iotune/total_bytes_sec says '3'",
        f"+ {disk}/readonly", f"+ {disk}/serial", f"+ {disk}/serial says 's'",
    ])  # fmt: skip
    names = ("cache", "io", "discard", "serial", "read_only", "shareable", "limits")
    back = with_settings(with_drive("<domain/>", WHOLE), Drive("disk", "sdc"), names)
    bare = Drive("disk", "sdc", bus="scsi", path=WHOLE.path, format="raw", place=(0, 3))
    assert read_drives(back) == (bare,)
    assert element(back).find("devices/disk/iotune") is None


@pytest.mark.parametrize("name", FOREIGN)
def test_what_others_wrote_survives_a_disk_that_comes_and_goes(name: str) -> None:
    xml = with_drive(FOREIGN[name], WHOLE)
    assert all(line.startswith("+ /domain/devices") for line in difference(FOREIGN[name], xml))

    gone = without_drive(xml, WHOLE.target)

    assert [line for line in difference(FOREIGN[name], gone) if line != "+ /domain/devices"] == []
    assert difference(FOREIGN[name], without_drive(FOREIGN[name], "vdx")) == []


def test_a_medium_is_put_in_and_taken_out_and_the_drive_stays() -> None:
    empty = with_medium_at(XML, "sda", None)
    assert difference(XML, empty) == ["- /domain/devices/disk/source file='/d/a.iso' startupPolicy='optional'"]

    other = with_medium_at(empty, "sda", "/dev/sr0", is_block=True, kind="raw")
    drive = drive_of(other, "sda")
    assert (drive.path, drive.is_block, drive.format, drive.place) == ("/dev/sr0", True, "raw", (1, 2))

    alone = drive_xml(XML, "sda")
    assert alone is not None
    assert element(with_medium(alone, "/b.iso", kind="raw")).find("source[@file='/b.iso']") is not None
    assert drive_xml(XML, "sdx") is None


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), min_size=1
    )
)
def test_any_path_and_serial_are_data(text: str) -> None:
    drive = Drive("disk", "vdb", bus="virtio", path="/" + text, format="raw", serial="s" + text.strip())

    assert read_drives(with_drive("<domain/>", drive)) == (
        dataclasses.replace(drive, serial=(drive.serial or "").strip()),
    )
