# SPDX-License-Identifier: GPL-3.0-or-later
"""The XML of a clone: what tells two machines apart is new, and all else stays as its author wrote it."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.clone import Medium, Twin, cloned
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import MOVE_NAMESPACE
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.snapshot import SERIES_NAMESPACE
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import NAMESPACE, Record
from tests.core.domain_xml.documents import FOREIGN, difference, element
from tests.core.machines import OTHER_UUID, UUID

RECORD = Record(OTHER_UUID, "2024-05-06T07:08:09Z", tags=("<&>",), cloned_from=UUID)
TWIN = Twin("twin", OTHER_UUID, RECORD)


def domain(devices: str = "", more: str = "") -> str:
    return (
        f"<domain type='kvm'><name>first</name><uuid>{UUID}</uuid><memory>65536</memory><vcpu>1</vcpu>"
        f"<os><type>hvm</type></os>{more}<devices>{devices}</devices></domain>"
    )


def changed(devices: str = "", more: str = "", twin: Twin = TWIN) -> list[str]:
    """What differs beside the name, the UUID and the record."""
    xml = domain(devices, more)
    lines = difference(xml, cloned(xml, twin))
    return [line for line in lines if not line[2:].startswith(("/domain/name", "/domain/uuid", "/domain/metadata"))]


@pytest.mark.parametrize("name", FOREIGN)
def test_what_others_wrote_is_in_the_clone_too(name: str) -> None:
    lines = difference(FOREIGN[name], cloned(FOREIGN[name], TWIN))
    expected = (
        "name", "uuid", "metadata", "genid", "sysinfo", "os/nvram", "devices/interface", "devices/graphics",
        "devices/serial/source", "devices/serial/log", "devices/parallel/source", "devices/vsock/cid",
    )  # fmt: skip
    assert [line for line in lines if not line[2:].startswith(tuple(f"/domain/{path}" for path in expected))] == []


def test_the_record_is_the_clones_and_what_others_say_of_it_stays() -> None:
    old = (
        f"<metadata><a:b xmlns:a='urn:others'>kept</a:b>"
        f"<h:vm xmlns:h='{NAMESPACE}' version='1'><h:uuid>{UUID}</h:uuid></h:vm>"
        f"<s:series xmlns:s='{SERIES_NAMESPACE}' snapshot='x'>y</s:series>"
        f"<m:move xmlns:m='{MOVE_NAMESPACE}' source='a' destination='b'><m:copied>/x</m:copied></m:move></metadata>"
    )
    xml = cloned(domain(more=old), TWIN)
    assert read_domain(xml).record == RECORD
    theirs, _ours = element(xml).findall("metadata/*")
    assert (theirs.tag, theirs.text) == ("{urn:others}b", "kept")


def test_cards_get_other_addresses_and_hosts_ends() -> None:
    cards = "".join(
        f"<interface type='bridge'><mac address='52:54:00:00:00:0{number}'/><source bridge='br0'/>"
        f"<target dev='web{number}'/>"
        "<virtualport type='openvswitch'><parameters interfaceid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f' profileid='p'/>"
        "</virtualport><model type='virtio'/></interface>"
        for number in (1, 2)
    )
    lines = changed(cards, twin=Twin("twin", OTHER_UUID, RECORD, mac_addresses=("52:54:00:AA:00:01",)))
    assert "+ /domain/devices/interface/mac address='52:54:00:aa:00:01'" in lines
    assert sum(line.startswith("+ /domain/devices/interface/mac") for line in lines) == 1  # libvirt chooses the other
    assert sum(line.startswith("- /domain/devices/interface/target") for line in lines) == 2
    assert "+ /domain/devices/interface/virtualport/parameters profileid='p'" in lines
    assert not any(line.startswith("- /domain/devices/interface/model") for line in lines)


def test_disks_of_its_own_keep_all_that_is_not_about_their_file() -> None:
    disk = (
        "<disk type='volume' device='disk' snapshot='external'>"
        "<driver name='qemu' type='raw' cache='none' io='native'/>"
        "<source pool='p' volume='v'/><backingStore type='file'><format type='raw'/><source file='/b'/></backingStore>"
        "<target dev='vda' bus='virtio'/><serial>4711</serial><boot order='1'/></disk>"
        "<disk type='file' device='cdrom'><source file='/iso'/><target dev='sda' bus='sata'/><readonly/></disk>"
    )
    lines = changed(disk, twin=Twin("twin", OTHER_UUID, RECORD, {"vda": Medium("/new.qcow2", "qcow2")}))
    assert [line for line in lines if line.startswith("+")] == [
        "+ /domain/devices/disk device='disk' type='file'",
        "+ /domain/devices/disk/driver cache='none' io='native' name='qemu' type='qcow2'",
        "+ /domain/devices/disk/source file='/new.qcow2'",
    ]
    read = read_domain(cloned(domain(disk), Twin("twin", OTHER_UUID, RECORD, {"vda": Medium("/new.qcow2", "qcow2")})))
    assert [(one.path, one.format, one.backing_paths) for one in read.disks] == [
        ("/new.qcow2", "qcow2", ()),
        ("/iso", None, ()),
    ]


def test_displays_with_a_port_of_their_own_take_a_free_one() -> None:
    lines = changed(
        "<graphics type='vnc' port='5901' autoport='no' websocket='5701' listen='0.0.0.0' passwd='s'/>"
        "<graphics type='spice' port='-1' autoport='yes'/>"
        "<graphics type='vnc'><listen type='socket' socket='/run/first.sock'/></graphics>"
    )
    assert lines == [
        "- /domain/devices/graphics autoport='no' listen='0.0.0.0' passwd='s' port='5901' type='vnc' websocket='5701'",
        "+ /domain/devices/graphics autoport='yes' listen='0.0.0.0' passwd='s' type='vnc' websocket='-1'",
        "- /domain/devices/graphics/listen socket='/run/first.sock' type='socket'",
        "+ /domain/devices/graphics/listen type='socket'",
    ]


def test_what_a_firmware_keeps_is_new_and_what_it_tells_is_right() -> None:
    lines = changed(
        more=f"<genid>{UUID}</genid><sysinfo type='smbios'><system><entry name='uuid'>{UUID}</entry>"
        f"<entry name='serial'>kept</entry><entry name='sku'>{UUID}</entry></system></sysinfo>"
    )
    assert lines == [
        f"- /domain/genid says '{UUID}'",
        f"- /domain/sysinfo/system/entry says '{UUID}'",
        f"+ /domain/sysinfo/system/entry says '{OTHER_UUID}'",
        f"- /domain/sysinfo/system/entry says '{UUID}'",
        f"+ /domain/sysinfo/system/entry says '{OTHER_UUID}'",
    ]
    xml = domain().replace("</os>", "<nvram type='file' template='/t'><source file='/first_VARS.fd'/></nvram></os>")
    assert read_domain(cloned(xml, TWIN)).nvram is None
    assert element(cloned(xml, TWIN)).findall("os/nvram/source") == []


def test_a_short_name_is_no_part_of_another_word() -> None:
    xml = domain("<serial type='file'><source path='/log/a-app.a.log'/></serial>").replace("first", "a")
    read = element(cloned(xml, TWIN)).find("devices/serial/source")
    assert read is not None
    assert read.get("path") == "/log/twin-app.twin.log"


def test_files_and_sockets_that_bear_the_old_name_bear_the_new_one() -> None:
    lines = changed(
        "<serial type='file'><source path='/first/first.log'/><log file='/first/of-first' append='on'/></serial>"
        "<channel type='unix'><source mode='bind' path='/run/agent'/></channel>"
    )
    assert lines == [
        "- /domain/devices/serial/source path='/first/first.log'",
        "- /domain/devices/serial/log append='on' file='/first/of-first'",
        "+ /domain/devices/serial/source path='/first/twin.log'",
        "+ /domain/devices/serial/log append='on' file='/first/of-twin'",
    ]


def test_a_vsock_address_that_was_fixed_is_one_that_is_free() -> None:
    assert changed("<vsock model='virtio'><cid auto='no' address='9'/></vsock>") == [
        "- /domain/devices/vsock/cid address='9' auto='no'",
        "+ /domain/devices/vsock/cid auto='yes'",
    ]
