# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of change to VMs as real sites have them, on a real host: what was not asked for stays as it is written.

The VMs are off. Each change is planned, done and asked for once more; the whole definition, passwords and all, is
compared before and after. What a VM can't be given is refused, and then nothing of it has changed.
"""

import re
from collections.abc import Iterator

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_cdrom import ensure_cdrom
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_clone import ensure_clone
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_disk import ensure_disk
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_nic import ensure_nic
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import ensure_snapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.card import NetworkConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.cdrom import WantedCdrom
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_wish import CloneWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import WantedDisk, WantedLimits
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_nic import (
    WantedBandwidth,
    WantedNic,
    WantedRate,
)
from lab.host import Host
from tests.core.actions.guests import swept
from tests.core.actions.theirs import (
    REFUSED,
    Ask,
    Theirs,
    added,
    addresses,
    of_each,
    outside_of_controllers,
    passwords,
    places,
)
from tests.core.domain_xml.documents import difference, element

pytestmark = [pytest.mark.lab, pytest.mark.slow]

CLONE = "the-clone"


@pytest.fixture(scope="module")
def host(lab_host: Host) -> Iterator[Hypervisor]:
    """One connection for all; what is left is removed."""
    with swept(lab_host.uri), Hypervisor.open(lab_host.uri) as opened:
        opened.pool("default").create_volume("a.iso", 2**20, "raw")
        yield opened
        opened.pool("default").refresh()  # which then knows of the snapshots' files


@pytest.fixture
def theirs(host: Hypervisor, name: str) -> Iterator[Theirs]:
    vm = Theirs(host, name)
    yield vm
    for domain in (host.find_domain(vm.uuid), host.find_domain_named(CLONE)):
        if domain is not None:
            domain.undefine()


# The VM itself


@of_each()
def test_memory_is_all_that_is_changed_for_memory(theirs: Theirs) -> None:
    present = observe(theirs.hypervisor, theirs.hypervisor.domain(theirs.uuid)).memory_kib // 1024

    more = theirs.change("memory", memory_mb=present * 2)
    assert places(more) <= {"/domain/memory", "/domain/currentMemory", "/domain/cpu/numa/cell"}
    assert bool(more) is (theirs.document not in REFUSED["memory"])
    if more:
        less = places(theirs.change("memory", memory_mb=present))
        # modules are what was plugged in last, and go first
        assert {place for place in less if not place.startswith("/domain/devices/memory")} == places(more)
        assert theirs.document in ("one_cell", "nvdimm_hotplug") or less == places(more)


@of_each()
def test_vcpus_are_all_that_is_changed_for_vcpus(theirs: Theirs) -> None:
    own = {"/domain/vcpu", "/domain/vcpus", "/domain/vcpus/vcpu", "/domain/cpu/topology", "/domain/cpu/numa/cell"}
    present = observe(theirs.hypervisor, theirs.hypervisor.domain(theirs.uuid)).cpu_cores

    more = places(theirs.change("vCPUs", cpu_cores=present * 2))
    assert "/domain/vcpu" in more
    assert more <= own
    less = theirs.change("fewer vCPUs", cpu_cores=1 if present > 1 else 3)
    assert places(less) <= {*own, "/domain/cputune", "/domain/cputune/vcpupin", "/domain/cputune/vcpusched"}


@of_each()
def test_a_name_a_record_and_autostart_change_nothing_else(theirs: Theirs) -> None:
    assert places(theirs.change("name", name="another")) == {"/domain/name"}
    assert theirs.change("autostart", autostart=True) == []
    assert theirs.hypervisor.domain(theirs.uuid).autostart()

    unrecorded = theirs.xml
    lines = theirs.change("record", description="Ours <&>", tags=("a", "b"), protected=True, os_type="linux")
    assert all(line.startswith("+ /domain/metadata") for line in lines)
    changes = theirs.change("record", description="", tags=("c",), protected=False)
    assert all(place.startswith("/domain/metadata/hostler:vm") for place in places(changes))
    theirs.hypervisor.domain(theirs.uuid).set_record(None)
    assert [line for line in difference(unrecorded, theirs.xml) if line != "+ /domain/metadata"] == []


@of_each()
def test_a_vnc_display_comes_and_goes_alone(theirs: Theirs) -> None:
    others = [display for display in element(theirs.xml).iterfind("devices/graphics") if display.get("type") != "vnc"]

    gone = theirs.change("no display", vnc_enabled=False)
    assert {place.rpartition("/domain/devices/")[2] for place in places(gone)} <= {"graphics", "graphics/listen"}
    come = theirs.change("display", vnc_enabled=True)

    # libvirt gives a VM that has none a graphics card for it
    assert added(come) <= {"/domain/devices/graphics", "/domain/devices/video"}
    displays = element(theirs.xml).findall("devices/graphics")
    assert [one.attrib for one in displays if one.get("type") != "vnc"] == [one.attrib for one in others]


# Cards


@of_each()
def test_the_first_card_is_plugged_elsewhere_and_the_others_stay(theirs: Theirs) -> None:
    before = addresses(theirs.xml)

    lines = theirs.change("plugged elsewhere", network_config=NetworkConfig("nat"))
    of_the_connection = {"source", "virtualport", "virtualport/parameters", "vlan", "vlan/tag", "ip"}
    new = {"mac", "model", "address"} if not before else set()
    allowed = {"/domain/devices/interface"} | {f"/domain/devices/interface/{part}" for part in of_the_connection | new}
    assert places(lines) <= allowed
    assert addresses(theirs.xml)[: len(before)] == before

    lines = theirs.change("no card", network_config=NetworkConfig("none"))
    if lines:
        assert {line[0] for line in lines} == {"-"}
        assert all(place.startswith("/domain/devices/interface") for place in places(lines))
        assert addresses(theirs.xml) == []


@of_each("<interface")
def test_settings_of_the_first_card_are_all_that_changes_of_it(theirs: Theirs) -> None:
    before = theirs.xml
    bandwidth = WantedBandwidth(WantedRate(1000, 2000, 3000), WantedRate(10))

    lines = theirs.device(ensure_nic, WantedNic(index=0, link="down", bandwidth=bandwidth, alias="first"))

    own = {"alias", "bandwidth", "bandwidth/inbound", "bandwidth/outbound", "link"}
    assert places(lines) <= {f"/domain/devices/interface/{part}" for part in own}
    assert addresses(theirs.xml) == addresses(before)


@of_each()
def test_another_card_comes_changes_and_goes(theirs: Theirs) -> None:
    before = theirs.xml

    assert added(theirs.device(ensure_nic, WantedNic(alias="ours", model="e1000e"))) == {"/domain/devices/interface"}
    theirs.device(ensure_nic, WantedNic(alias="ours", link="down", bandwidth=WantedBandwidth(WantedRate(5))))
    assert added(outside_of_controllers(before, theirs.xml)) == {"/domain/devices/interface"}
    assert addresses(theirs.xml)[:-1] == addresses(before)
    theirs.device(ensure_nic, WantedNic(alias="ours", state="absent"))

    assert outside_of_controllers(before, theirs.xml) == []


# Disks and drives


@of_each()
def test_another_disk_comes_changes_and_goes(theirs: Theirs) -> None:
    before = theirs.xml
    limits = WantedLimits(read_iops_sec=9)

    come = theirs.device(ensure_disk, WantedDisk(serial="ours", size_gb=0.001, bus="scsi", limits=limits))
    assert added(come) == {"/domain/devices/disk"}
    theirs.device(ensure_disk, WantedDisk(serial="ours", cache="none", limits=WantedLimits(read_iops_sec=0)))
    assert added(outside_of_controllers(before, theirs.xml)) == {"/domain/devices/disk"}
    theirs.device(ensure_disk, WantedDisk(serial="ours", state="absent", delete="owned", detach_root=True))

    assert outside_of_controllers(before, theirs.xml) == []


@of_each("<disk .*device='disk'")
def test_settings_of_the_root_disk_are_all_that_changes_of_it(theirs: Theirs) -> None:
    disk = element(theirs.xml).find("devices/disk[@device='disk']/target")
    assert disk is not None
    limits = WantedLimits(read_iops_sec=9, write_bytes_sec=2**20)

    wanted = WantedDisk(target=disk.get("dev"), discard="ignore", limits=limits)
    lines = theirs.device(ensure_disk, wanted, "root disk")

    own = {"driver", "iotune", "iotune/read_iops_sec", "iotune/write_bytes_sec"}
    assert places(lines) <= {f"/domain/devices/disk/{part}" for part in own}
    for line in lines:
        if line.startswith("- /domain/devices/disk/driver "):  # it keeps what else its driver is told
            kept = [part for part in line.split()[2:] if not part.startswith("discard=")]
            assert any(set(kept) <= set(other.split()) for other in lines if other.startswith("+")), lines


@of_each()
def test_a_drive_comes_is_emptied_and_goes(theirs: Theirs) -> None:
    before = theirs.xml

    come = theirs.device(ensure_cdrom, WantedCdrom(target="sdz", path=theirs.iso))
    assert added(come) == {"/domain/devices/disk"}
    assert places(theirs.device(ensure_cdrom, WantedCdrom(target="sdz", state="ejected"))) == {
        "/domain/devices/disk/source"
    }
    theirs.device(ensure_cdrom, WantedCdrom(target="sdz", state="absent"))

    assert outside_of_controllers(before, theirs.xml) == []


@of_each("<disk .*device='cdrom'")
def test_another_medium_is_all_that_changes_of_a_drive(theirs: Theirs) -> None:
    drive = element(theirs.xml).find("devices/disk[@device='cdrom']/target")
    assert drive is not None
    own = {"/domain/devices/disk", "/domain/devices/disk/source", "/domain/devices/disk/driver"}
    of_the_web = {"host", "ssl", "cookies", "cookies/cookie", "readahead", "timeout"}

    lines = theirs.device(ensure_cdrom, WantedCdrom(target=drive.get("dev"), path=theirs.iso))
    assert places(lines) <= own | {f"/domain/devices/disk/source/{part}" for part in of_the_web}
    lines = theirs.device(ensure_cdrom, WantedCdrom(target=drive.get("dev"), state="ejected"))
    assert places(lines) == {"/domain/devices/disk/source"}


# Snapshots and clones


@of_each()
def test_a_snapshot_inside_the_disks_is_taken_reverted_to_and_removed_without_a_trace(theirs: Theirs) -> None:
    before = theirs.xml
    for wish in (
        SnapshotWish(snapshot="then"),
        SnapshotWish(snapshot="then", state="reverted"),
        SnapshotWish(snapshot="then", state="absent"),
    ):
        if wish.state == "reverted":  # which is done each time
            ensure_snapshot(theirs.hypervisor, theirs.which, wish)
        else:
            ask = snapshot_of(theirs, wish)
            assert theirs.asked("snapshot inside", ask) == []
        if theirs.document in REFUSED["snapshot inside"]:
            break

    assert difference(before, theirs.xml) == []


@of_each()
def test_a_snapshot_beside_the_disks_changes_what_they_are_made_of_and_no_more(theirs: Theirs) -> None:
    lines = theirs.asked("snapshot beside", snapshot_of(theirs, SnapshotWish(snapshot="then", external=True)))

    # with the file libvirt replaces what is the file's: its label, and its part of the cache
    of_the_file = {"source", "source/seclabel", "backingStore", "driver", "driver/metadata_cache"}
    of_the_file.add("driver/metadata_cache/max_size")
    assert places(lines) <= {f"/domain/devices/disk/{part}" for part in of_the_file}


def snapshot_of(theirs: Theirs, wish: SnapshotWish) -> Ask:
    return lambda check: bool(ensure_snapshot(theirs.hypervisor, theirs.which, wish, check)["changed"])


OF_A_CLONE = {
    "/domain/name", "/domain/uuid", "/domain/genid", "/domain/os/nvram", "/domain/os/nvram/source",
    "/domain/sysinfo/system/entry", "/domain/metadata", "/domain/devices/disk/source",
    "/domain/devices/disk/backingStore",
    "/domain/devices/disk/source/seclabel", "/domain/devices/interface/mac", "/domain/devices/interface/target",
    "/domain/devices/interface/virtualport/parameters", "/domain/devices/graphics", "/domain/devices/channel/source",
    "/domain/devices/serial/source", "/domain/devices/serial/log", "/domain/devices/console/log",
    "/domain/devices/parallel/source",
    "/domain/devices/vsock/cid",
}  # fmt: skip
"""What a clone has of its own, by what `vm_clone` says; its record besides."""

UNNAMED_LOGS = ("other_tools_metadata",)  # does not bear the VM's name
KEPT = {
    "openvswitch_macvtap": ("profileid='uplink'", "instanceid='7d444840-9dc0-11d1-b245-5ffdce74fad2'"),
    "i440fx_legacy": ("/dev/ttyS1", "service='2445'"),
}


@of_each()
def test_a_clone_differs_in_what_tells_it_apart_and_its_source_does_not_change(theirs: Theirs, name: str) -> None:
    before = theirs.xml

    def ask(check: bool) -> bool:
        return bool(ensure_clone(theirs.hypervisor, theirs.which, CloneWish(CLONE), check=check)["changed"])

    assert theirs.asked("clone", ask) == []

    clone = theirs.hypervisor.find_domain_named(CLONE)
    assert (clone is None) == (theirs.document in REFUSED["clone"])
    if clone is None:
        return
    xml = clone.xml(inactive=True, secure=True)
    record = "/domain/metadata/hostler:vm"
    differs = {place for place in places(difference(before, xml)) if not place.startswith(record)}
    assert differs <= OF_A_CLONE
    assert passwords(xml) == passwords(before)
    assert len(addresses(xml)) == len(addresses(before))
    assert not set(addresses(xml)) & set(addresses(before))
    assert element(before).findtext("uuid", "") not in re.sub("<hostler:clonedFrom>.*?</hostler:clonedFrom>", "", xml)
    theirs_alone = [
        *(
            display.get(port)
            for display in element(before).iterfind("devices/graphics")
            for port in ("port", "websocket")
        ),
        *(log.get("file") for log in element(before).iterfind("devices/serial/log") if name not in UNNAMED_LOGS),
        *(cid.get("address") for cid in element(before).iterfind("devices/vsock/cid")),
        *(port.get("interfaceid") for port in element(before).iterfind("devices/interface/virtualport/parameters")),
    ]
    values = {value for one in element(xml).iter() for value in one.attrib.values()}
    assert not values & set(theirs_alone) - {None, "-1"}
    for kept in KEPT.get(name, ()):
        assert kept in xml
