# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of sizes changes the sizes, what can't stay as it was with them, and nothing else."""

import threading
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import SizeEdit, resized
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


def test_fewer_vcpus_take_their_settings_and_a_scaled_topology_along() -> None:
    changes = difference(FOREIGN["windows_spice"], resized(FOREIGN["windows_spice"], SizeEdit(vcpus=4)))

    assert changes == [
        "- /domain/vcpu cpuset='0-7' current='2' placement='static'",
        "- /domain/vcpu says '8'",
        "- /domain/vcpus",
        "- /domain/vcpus/vcpu enabled='yes' hotpluggable='no' id='0' order='1'",
        "- /domain/vcpus/vcpu enabled='yes' hotpluggable='no' id='1' order='2'",
        "- /domain/vcpus/vcpu enabled='no' hotpluggable='yes' id='2'",
        "+ /domain/vcpu cpuset='0-7' placement='static'",
        "+ /domain/vcpu says '4'",
        "- /domain/cputune/vcpupin cpuset='5' vcpu='5'",
        "- /domain/cpu/topology cores='4' dies='1' sockets='1' threads='2'",
        "+ /domain/cpu/topology cores='2' dies='1' sockets='1' threads='2'",
    ]


def test_a_topology_that_can_not_multiply_to_the_vcpus_goes() -> None:
    changes = difference(FOREIGN["windows_spice"], resized(FOREIGN["windows_spice"], SizeEdit(vcpus=7)))

    assert "- /domain/cpu/topology cores='4' dies='1' sockets='1' threads='2'" in changes
    assert not [line for line in changes if line.startswith("+ /domain/cpu")]


def test_units_follow_the_new_size_and_a_limit_of_hotplug_grows_with_it() -> None:
    xml = resized(FOREIGN["numa_realtime"], SizeEdit(memory_kib=9 * 1024**2))

    assert difference(FOREIGN["numa_realtime"], xml) == [
        "- /domain/maxMemory slots='16' unit='GiB'",
        "- /domain/maxMemory says '8'",
        "- /domain/memory dumpCore='off' unit='GiB'",
        "- /domain/memory says '4'",
        "- /domain/currentMemory unit='MiB'",
        "- /domain/currentMemory says '4096'",
        "+ /domain/maxMemory slots='16' unit='KiB'",
        "+ /domain/maxMemory says '9437184'",
        "+ /domain/memory dumpCore='off' unit='KiB'",
        "+ /domain/memory says '9437184'",
        "+ /domain/currentMemory unit='KiB'",
        "+ /domain/currentMemory says '9437184'",
    ]
    assert not [line for line in difference(xml, resized(xml, SizeEdit(memory_kib=1024**2))) if "maxMemory" in line]


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
