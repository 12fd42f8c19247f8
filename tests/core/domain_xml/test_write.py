# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written is what libvirt takes, and gives back."""

import dataclasses
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import (
    Disk,
    DomainDefinition,
    Graphics,
    Interface,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.design import design
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import NetworkConfig
from tests.core.domain_xml.documents import element
from tests.core.machines import FULL_RECORD, SPEC, SURROUNDINGS, UUID


def every_field(kind: str) -> DomainDefinition:
    """A VM with something in every field, of that domain type."""
    spec = dataclasses.replace(
        SPEC, name="written", os_type="windows", tpm=True, max_cpu_cores=4, max_memory_mb=SPEC.memory_mb * 2
    )
    whole = design(spec, SURROUNDINGS, UUID, FULL_RECORD, ["/disks/a b&c<d>'\".qcow2"], "/disks/seed.iso")
    return dataclasses.replace(
        whole,
        type=kind,
        disks=(
            whole.disks[0],
            Disk("disk", "vdb", "virtio", "/disks/shared.raw", "raw", shareable=True),
            whole.disks[1],
        ),
        interfaces=(
            Interface("network", "default", "52:54:00:12:34:56", "virtio"),
            Interface("bridge", "br0", "52:54:00:12:34:57", "e1000e"),
            Interface("user", None, "52:54:00:12:34:58", "virtio"),
        ),
    )


def as_libvirt_has_it(written: DomainDefinition, read: DomainDefinition) -> DomainDefinition:
    """What was written, with what libvirt itself adds or resolves taken from what was read."""
    assert written.machine is not None
    assert read.machine is not None
    assert written.machine in read.machine  # q35 is an alias of pc-q35-7.2
    assert set(written.controllers) <= set(read.controllers) | {c._replace(model=None) for c in read.controllers}
    return dataclasses.replace(written, machine=read.machine, controllers=read.controllers)


def test_the_test_driver_gives_every_field_back(test_driver: Hypervisor) -> None:
    written = every_field("test")
    read = read_domain(test_driver.define(domain_xml(written)).xml(inactive=True))

    assert read == as_libvirt_has_it(written, read)


@pytest.mark.lab
@pytest.mark.parametrize(("firmware", "secure_boot"), [("bios", False), ("uefi", False), ("uefi", True)])
def test_the_real_libvirt_gives_every_field_back(hypervisor: Hypervisor, firmware: str, secure_boot: bool) -> None:
    written = dataclasses.replace(every_field("qemu"), firmware=firmware, secure_boot=secure_boot)
    read = read_domain(hypervisor.define(domain_xml(written)).xml(inactive=True))

    assert read == as_libvirt_has_it(written, read)


@pytest.mark.lab
@pytest.mark.parametrize("network", ["nat", "bridge", "none"])
def test_the_real_libvirt_takes_what_is_designed_and_passes_its_schema(hypervisor: Hypervisor, network: str) -> None:
    spec = dataclasses.replace(
        SPEC, name="designed", network_config=NetworkConfig(network, "br0" if network == "bridge" else None)
    )
    written = design(spec, SURROUNDINGS, UUID, FULL_RECORD, ["/disks/root.qcow2"], None)
    read = read_domain(hypervisor.define(domain_xml(written)).xml(inactive=True))  # which validates

    assert [card.type for card in read.interfaces] == {"nat": ["network"], "bridge": ["bridge"], "none": []}[network]
    assert read.graphics == (Graphics("vnc", None, "127.0.0.1"),)


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff"), min_size=1))
def test_any_text_is_a_value_and_never_markup(text: str) -> None:
    written = dataclasses.replace(
        every_field("qemu"),
        name=text,
        disks=(Disk("disk", text, text, text, text),),
        interfaces=(Interface("bridge", text, text, text),),
        record=None,
    )
    xml = domain_xml(written)
    read = read_domain(xml)

    assert (read.name, read.disks, read.interfaces) == (written.name, written.disks, written.interfaces)
    plain = domain_xml(dataclasses.replace(every_field("qemu"), record=None, disks=(Disk("disk", "x", "x", "x", "x"),),
                                           interfaces=(Interface("bridge", "x", "x", "x"),)))  # fmt: skip
    assert [e.tag for e in element(xml).iter()] == [e.tag for e in element(plain).iter()]


def test_a_graphics_port_is_free_and_nobody_else_listens_to_it() -> None:
    xml = domain_xml(every_field("qemu"))

    (graphics,) = element(xml).findall("devices/graphics")
    assert graphics.attrib == {"type": "vnc", "port": "-1", "autoport": "yes"}
    assert [listen.attrib for listen in graphics] == [{"type": "address", "address": "127.0.0.1"}]


def test_each_disk_names_its_format() -> None:
    """A raw disk whose guest writes a qcow2 header into it would else be believed, and the host's files be read."""
    drivers = element(domain_xml(every_field("qemu"))).findall("devices/disk/driver")

    assert [driver.get("type") for driver in drivers] == ["qcow2", "raw", "raw"]


def test_secure_boot_wants_keys_in_the_firmware_and_a_guard_around_them() -> None:
    secure = element(domain_xml(dataclasses.replace(every_field("qemu"), firmware="uefi", secure_boot=True)))
    plain = element(domain_xml(dataclasses.replace(every_field("qemu"), firmware="uefi")))

    def features(domain: Element) -> dict[str | None, str | None]:
        return {feature.get("name"): feature.get("enabled") for feature in domain.findall("os/firmware/feature")}

    assert features(secure) == {"secure-boot": "yes", "enrolled-keys": "yes"}
    assert [loader.get("secure") for loader in secure.findall("os/loader")] == ["yes"]
    assert [smm.get("state") for smm in secure.findall("features/smm")] == ["on"]
    assert features(plain) == {"secure-boot": "no"}
    assert plain.find("os/loader") is None
    assert plain.find("features/smm") is None


def test_room_for_memory_comes_with_the_one_numa_cell_that_libvirt_asks_for() -> None:
    domain = element(domain_xml(every_field("qemu")))

    (cell,) = domain.findall("cpu/numa/cell")
    assert cell.attrib == {"id": "0", "cpus": "0-3", "memory": domain.findtext("memory"), "unit": "KiB"}
    assert element(domain_xml(dataclasses.replace(every_field("qemu"), max_memory_kib=None))).find("cpu/numa") is None


def test_a_vm_without_a_cpu_mode_has_no_cpu_element() -> None:
    bare = dataclasses.replace(every_field("qemu"), cpu_mode=None, max_memory_kib=None)

    assert element(domain_xml(bare)).find("cpu") is None
