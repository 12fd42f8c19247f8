# SPDX-License-Identifier: GPL-3.0-or-later
"""A change changes what it is about, what can't stay as it was with that, and nothing else."""

import dataclasses
import threading
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import (
    SizeEdit,
    card_xml,
    connected,
    disconnected,
    named,
    resized,
    with_nvram,
    with_vnc,
    without_vnc,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from tests.core.domain_xml.documents import FOREIGN, difference, element


@pytest.mark.parametrize("name", FOREIGN)
def test_an_edit_of_nothing_changes_nothing(name: str) -> None:
    assert difference(FOREIGN[name], resized(FOREIGN[name], SizeEdit())) == []


def test_memory_alone_is_changed_in_a_domain_full_of_things_that_nobody_models() -> None:
    assert difference(FOREIGN["windows_spice"], resized(FOREIGN["windows_spice"], SizeEdit(memory_kib=6291456))) == [
        "- /domain/memory says '8388608'",
        "+ /domain/memory says '6291456'",
        "- /domain/currentMemory says '4194304'",
        "+ /domain/currentMemory says '6291456'",
    ]


def test_a_domain_with_room_for_more_vcpus_keeps_it() -> None:
    changes = difference(FOREIGN["windows_spice"], resized(FOREIGN["windows_spice"], SizeEdit(vcpus=4)))

    assert changes == [
        "- /domain/vcpu cpuset='0-7' current='2' placement='static'",
        "+ /domain/vcpu cpuset='0-7' current='4' placement='static'",
        "- /domain/vcpus",
        "- /domain/vcpus/vcpu enabled='yes' hotpluggable='no' id='0' order='1'",
        "- /domain/vcpus/vcpu enabled='yes' hotpluggable='no' id='1' order='2'",
        "- /domain/vcpus/vcpu enabled='no' hotpluggable='yes' id='2'",
    ]
    used_up = difference(FOREIGN["windows_spice"], resized(FOREIGN["windows_spice"], SizeEdit(vcpus=8)))
    assert "+ /domain/vcpu cpuset='0-7' placement='static'" in used_up
    more = resized(FOREIGN["windows_spice"], SizeEdit(vcpus=16))
    assert "+ /domain/vcpu says '16'" in difference(FOREIGN["windows_spice"], more)


def test_fewer_vcpus_take_their_settings_and_a_scaled_topology_along() -> None:
    all_used = FOREIGN["windows_spice"].replace(" current='2'", "")
    changes = difference(all_used, resized(all_used, SizeEdit(vcpus=4)))

    assert changes == [
        "- /domain/vcpu says '8'",
        "- /domain/vcpus",
        "- /domain/vcpus/vcpu enabled='yes' hotpluggable='no' id='0' order='1'",
        "- /domain/vcpus/vcpu enabled='yes' hotpluggable='no' id='1' order='2'",
        "- /domain/vcpus/vcpu enabled='no' hotpluggable='yes' id='2'",
        "+ /domain/vcpu says '4'",
        "- /domain/cputune/vcpupin cpuset='5' vcpu='5'",
        "- /domain/cpu/topology cores='4' dies='1' sockets='1' threads='2'",
        "+ /domain/cpu/topology cores='2' dies='1' sockets='1' threads='2'",
    ]


def test_a_topology_that_can_not_multiply_to_the_vcpus_goes() -> None:
    all_used = FOREIGN["windows_spice"].replace(" current='2'", "")
    changes = difference(all_used, resized(all_used, SizeEdit(vcpus=7)))

    assert "- /domain/cpu/topology cores='4' dies='1' sockets='1' threads='2'" in changes
    assert not [line for line in changes if line.startswith("+ /domain/cpu")]


def test_units_follow_the_new_size() -> None:
    xml = resized(FOREIGN["numa_realtime"], SizeEdit(memory_kib=6 * 1024**2))

    assert difference(FOREIGN["numa_realtime"], xml) == [
        "- /domain/memory dumpCore='off' unit='GiB'",
        "- /domain/memory says '4'",
        "- /domain/currentMemory unit='MiB'",
        "- /domain/currentMemory says '4096'",
        "+ /domain/memory dumpCore='off' unit='KiB'",
        "+ /domain/memory says '6291456'",
        "+ /domain/currentMemory unit='KiB'",
        "+ /domain/currentMemory says '6291456'",
    ]


@pytest.mark.parametrize("gib", [8, 9])
def test_a_limit_for_memory_modules_that_is_reached_without_one_goes(gib: int) -> None:
    """QEMU starts no domain that has it."""
    changes = difference(
        FOREIGN["numa_realtime"], resized(FOREIGN["numa_realtime"], SizeEdit(memory_kib=gib * 1024**2))
    )

    assert "- /domain/maxMemory slots='16' unit='GiB'" in changes
    assert not [line for line in changes if line.startswith("+ /domain/maxMemory")]
    with_modules = resized(FOREIGN["one_cell"], SizeEdit(memory_kib=gib * 1024**2))
    assert f"+ /domain/maxMemory says '{gib * 1024**2}'" in difference(FOREIGN["one_cell"], with_modules) or gib == 8
    assert read_domain(with_modules).max_memory_kib == gib * 1024**2


@pytest.mark.parametrize(
    ("vcpus", "changes"),
    [
        (8, []),
        (4, []),
        (
            3,
            [
                "- /domain/cputune/vcpupin cpuset='3' vcpu='3'",
                "- /domain/cputune/vcpusched priority='1' scheduler='fifo' vcpus='0,2-3'",
                "+ /domain/cputune/vcpusched priority='1' scheduler='fifo' vcpus='0,2'",
            ],
        ),
        (
            1,
            [
                "- /domain/cputune/vcpupin cpuset='3' vcpu='3'",
                "- /domain/cputune/vcpusched priority='1' scheduler='fifo' vcpus='0,2-3'",
                "- /domain/cputune/vcpusched priority='2' scheduler='rr' vcpus='1'",
                "+ /domain/cputune/vcpusched priority='1' scheduler='fifo' vcpus='0'",
            ],
        ),
    ],
)
def test_pins_and_schedules_of_vcpus_that_are_gone_go_and_the_others_keep_theirs(
    vcpus: int, changes: list[str]
) -> None:
    found = difference(FOREIGN["numa_realtime"], resized(FOREIGN["numa_realtime"], SizeEdit(vcpus=vcpus)))

    assert [line for line in found if "cputune" in line] == changes


def test_a_domain_without_the_elements_gets_them() -> None:
    xml = resized(FOREIGN["bare"], SizeEdit(vcpus=3, memory_kib=262144))

    assert difference(FOREIGN["bare"], xml) == [
        "- /domain/memory",
        "- /domain/memory says '131072'",
        "+ /domain/memory unit='KiB'",
        "+ /domain/memory says '262144'",
        "+ /domain/vcpu",
        "+ /domain/vcpu says '3'",
    ]


def topology(sockets: int, dies: int, clusters: int, cores: int, threads: int) -> dict[str, str]:
    counts = {"sockets": sockets, "dies": dies, "clusters": clusters, "cores": cores, "threads": threads}
    return {name: str(count) for name, count in counts.items()}


@pytest.mark.parametrize(
    ("before", "vcpus", "fitted"),
    [
        (topology(1, 1, 1, 2, 1), 6, topology(1, 1, 1, 6, 1)),
        (topology(2, 1, 1, 1, 1), 4, topology(2, 1, 1, 2, 1)),
        (topology(1, 2, 1, 2, 2), 4, topology(1, 2, 1, 1, 2)),
        (topology(1, 1, 2, 2, 1), 8, topology(1, 1, 2, 4, 1)),
        (topology(2, 1, 1, 1, 1), 3, None),
        (topology(4, 1, 1, 1, 1), 2, None),
    ],
)
def test_a_topology_is_fitted_by_its_cores(before: dict[str, str], vcpus: int, fitted: dict[str, str] | None) -> None:
    domain = element(FOREIGN["bare"])
    ElementTree.SubElement(ElementTree.SubElement(domain, "cpu"), "topology", before)

    found = element(resized(ElementTree.tostring(domain, encoding="unicode"), SizeEdit(vcpus=vcpus))).find(
        "cpu/topology"
    )

    assert (None if found is None else found.attrib) == fitted


@given(
    sockets=st.integers(1, 4), dies=st.integers(1, 2), cores=st.integers(1, 4), threads=st.integers(1, 2),
    wanted=st.integers(1, 64),
)  # fmt: skip
def test_libvirt_takes_every_resized_topology(
    test_driver: Hypervisor, sockets: int, dies: int, cores: int, threads: int, wanted: int
) -> None:
    domain = element(FOREIGN["bare"])
    ElementTree.SubElement(domain, "vcpu").text = str(sockets * dies * cores * threads)
    ElementTree.SubElement(
        ElementTree.SubElement(domain, "cpu"),
        "topology",
        {"sockets": str(sockets), "dies": str(dies), "cores": str(cores), "threads": str(threads)},
    )
    defined = test_driver.define(ElementTree.tostring(domain, encoding="unicode"))

    test_driver.redefine(resized(defined.xml(inactive=True), SizeEdit(vcpus=wanted)))

    assert read_domain(defined.xml(inactive=True)).vcpus == wanted


def test_documents_are_edited_side_by_side_in_threads() -> None:
    """Prefixes are the document's own: two that bind the same one to different namespaces don't meet."""
    documents = [
        f"<domain><metadata><p:a xmlns:p='urn:{n}'/></metadata><memory>{n}</memory></domain>" for n in range(4)
    ]
    wrong: list[str] = []

    def work(xml: str) -> None:
        try:
            for _ in range(500):
                wrong.extend(difference(xml, resized(xml, SizeEdit())))
        except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
            wrong.append(repr(error))

    threads = [threading.Thread(target=work, args=(xml,)) for xml in documents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


# Memory in one NUMA cell, with modules


def test_a_cell_takes_what_no_module_holds_and_room_for_more_stays() -> None:
    assert difference(FOREIGN["one_cell"], resized(FOREIGN["one_cell"], SizeEdit(3, 4 * 1024**2))) == [
        "- /domain/memory says '3145728'",
        "+ /domain/memory says '4194304'",
        "- /domain/currentMemory says '3145728'",
        "+ /domain/currentMemory says '4194304'",
        "- /domain/vcpu current='2' placement='static'",
        "+ /domain/vcpu current='3' placement='static'",
        "- /domain/cpu/numa/cell cpus='0-3' id='0' memAccess='shared' memory='2' unit='GiB'",
        "+ /domain/cpu/numa/cell cpus='0-3' id='0' memAccess='shared' memory='3145728' unit='KiB'",
    ]


def test_a_cell_has_all_vcpus_there_can_be() -> None:
    changes = difference(FOREIGN["one_cell"], resized(FOREIGN["one_cell"], SizeEdit(vcpus=6)))

    assert changes == [
        "- /domain/vcpu current='2' placement='static'",
        "- /domain/vcpu says '4'",
        "+ /domain/vcpu placement='static'",
        "+ /domain/vcpu says '6'",
        "- /domain/cpu/topology cores='4' dies='1' sockets='1' threads='1'",
        "+ /domain/cpu/topology cores='6' dies='1' sockets='1' threads='1'",
        "- /domain/cpu/numa/cell cpus='0-3' id='0' memAccess='shared' memory='2' unit='GiB'",
        "+ /domain/cpu/numa/cell cpus='0-5' id='0' memAccess='shared' memory='2' unit='GiB'",
    ]


@pytest.mark.parametrize(
    ("mib", "modules", "cell_mib"), [(3072, 2, 2048), (2816, 1, 2304), (2560, 1, 2048), (1024, 1, 512)]
)
def test_less_memory_takes_plain_modules_away_first_and_others_never(mib: int, modules: int, cell_mib: int) -> None:
    domain = element(resized(FOREIGN["one_cell"], SizeEdit(memory_kib=mib * 1024)))

    left = domain.findall("devices/memory")
    assert (len(left), left[-1].find("source") is not None) == (modules, True)
    cell = domain.find("cpu/numa/cell")
    assert cell is not None
    assert int(cell.get("memory", "")) == cell_mib * 1024


# Displays


@pytest.mark.parametrize("name", FOREIGN)
def test_a_display_that_comes_and_goes_leaves_nothing_behind(name: str) -> None:
    before = without_vnc(FOREIGN[name])

    shown = with_vnc(before, "127.0.0.1")

    assert [line for line in difference(before, shown) if "/graphics" not in line and line != "+ /domain/devices"] == []
    assert read_domain(shown).graphics[-1].listen == "127.0.0.1"
    assert [line for line in difference(before, without_vnc(shown)) if line != "+ /domain/devices"] == []


def test_a_display_of_others_keeps_its_password_and_where_it_listens() -> None:
    assert difference(FOREIGN["one_cell"], with_vnc(FOREIGN["one_cell"], "127.0.0.1")) == []


def test_only_vnc_displays_go() -> None:
    assert difference(FOREIGN["windows_spice"], without_vnc(FOREIGN["windows_spice"])) == []
    assert {line.split()[1] for line in difference(FOREIGN["one_cell"], without_vnc(FOREIGN["one_cell"]))} == {
        "/domain/devices/graphics", "/domain/devices/graphics/listen",
    }  # fmt: skip
    assert read_domain(without_vnc(FOREIGN["one_cell"])).graphics[0].type == "spice"


# Network cards

OVS = Interface("bridge", "ovs0", "52:54:00:aa:bb:01", "e1000e")


def test_a_card_that_is_plugged_in_so_already_is_left_alone() -> None:
    assert difference(FOREIGN["one_cell"], connected(FOREIGN["one_cell"], OVS)) == []


def test_what_belongs_to_the_old_source_goes_with_it_and_all_else_stays() -> None:
    card = Interface("network", "blue & <white>", OVS.mac_address, OVS.model)

    assert difference(FOREIGN["one_cell"], connected(FOREIGN["one_cell"], card)) == [
        "- /domain/devices/interface type='bridge'",
        "+ /domain/devices/interface type='network'",
        "+ /domain/devices/interface/source network='blue & <white>'",
        "- /domain/devices/interface/source bridge='ovs0'",
        "- /domain/devices/interface/virtualport type='openvswitch'",
        "- /domain/devices/interface/virtualport/parameters interfaceid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'",
        "- /domain/devices/interface/vlan trunk='yes'",
        "- /domain/devices/interface/vlan/tag id='42' nativeMode='untagged'",
        "- /domain/devices/interface/vlan/tag id='47'",
    ]


def test_another_address_or_model_leaves_the_card_where_it_is() -> None:
    card = Interface("bridge", "ovs0", "52:54:00:aa:bb:09", "rtl8139")

    assert difference(FOREIGN["one_cell"], connected(FOREIGN["one_cell"], card)) == [
        "- /domain/devices/interface/mac address='52:54:00:aa:bb:01'",
        "+ /domain/devices/interface/mac address='52:54:00:aa:bb:09'",
        "- /domain/devices/interface/model type='e1000e'",
        "+ /domain/devices/interface/model type='rtl8139'",
    ]


def test_the_first_card_goes_and_the_second_stays() -> None:
    left = read_domain(disconnected(FOREIGN["one_cell"])).interfaces

    assert [card.mac_address for card in left] == ["52:54:00:aa:bb:02"]
    assert difference(FOREIGN["bare"], disconnected(FOREIGN["bare"])) == []


def test_a_domain_without_a_card_gets_one() -> None:
    card = Interface("bridge", "br0", None, "virtio")

    assert read_domain(connected(FOREIGN["bare"], card)).interfaces == (card,)


def test_the_card_of_a_running_domain_is_found_by_its_address() -> None:
    card = dataclasses.replace(OVS, source="br1")

    found = card_xml(FOREIGN["one_cell"], OVS.mac_address, card)

    assert found is not None
    interface = element(found)
    assert interface.find("source[@bridge='br1']") is not None
    assert interface.find("alias[@name='ua-first']") is not None
    assert card_xml(FOREIGN["one_cell"], "52:54:00:00:00:00", card) is None
    as_it_is = card_xml(FOREIGN["one_cell"], OVS.mac_address)
    assert as_it_is is not None
    assert element(as_it_is).find("source[@bridge='ovs0']") is not None


# UEFI variables


def test_a_place_for_the_variables_is_named_where_none_was() -> None:
    assert difference(FOREIGN["one_cell"], with_nvram(FOREIGN["one_cell"], "/nvram/a & b.fd")) == [
        "+ /domain/os/nvram says '/nvram/a & b.fd'"
    ]
    assert difference(FOREIGN["windows_spice"], with_nvram(FOREIGN["windows_spice"], "/other.fd")) == []
    assert read_domain(with_nvram(FOREIGN["bare"], "/x.fd")).nvram == "/x.fd"


# The name


@pytest.mark.parametrize("name", FOREIGN)
def test_a_name_is_changed_and_nothing_that_is_called_so_within(name: str) -> None:
    changes = difference(FOREIGN[name], named(FOREIGN[name], 'a "<new>" & name'))

    assert [line.split()[1] for line in changes] == ["/domain/name", "/domain/name"]
    assert read_domain(named(FOREIGN[name], 'a "<new>" & name')).name == 'a "<new>" & name'
