# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a domain has room for one more: ports, units, names."""

from xml.etree import ElementTree

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.sockets import (
    Place,
    free_place,
    free_ports,
    free_target,
    has_controller,
    is_free,
)


def domain(devices: str) -> str:
    return f"<domain><devices>{devices}</devices></domain>"


def port(index: int, bus: int = 0) -> str:
    return (
        f"<controller type='pci' index='{index}' model='pcie-root-port'>"
        f"<address type='pci' bus='0x{bus:02x}' slot='0x02' function='0x{index}'/></controller>"
    )


def disk(target: str, bus: str, controller: int, unit: int) -> str:
    return (
        f"<disk><target dev='{target}' bus='{bus}'/>"
        f"<address type='drive' controller='{controller}' bus='0' target='0' unit='{unit}'/></disk>"
    )


def scsi(index: int, model: str = "virtio-scsi") -> str:
    return f"<controller type='scsi' index='{index}' model='{model}'/>"


ROOT = "<controller type='pci' index='0' model='pcie-root'/>"
IN_PORT_1 = "<interface><address type='pci' bus='0x01' slot='0x00' function='0x0'/></interface>"


@pytest.mark.parametrize(
    ("devices", "free"),
    [
        (ROOT, 0),
        (ROOT + port(1) + port(2), 2),
        (ROOT + port(1) + port(2) + IN_PORT_1, 1),
        (ROOT + port(1) + IN_PORT_1, 0),
        (ROOT + "<controller type='pci' index='1' model='pcie-to-pci-bridge'/>", 0),
        ("<controller type='pci' index='0' model='pci-root'/>", None),
        ("", None),
    ],
)
def test_ports_are_free_that_no_device_is_in(devices: str, free: int | None) -> None:
    assert free_ports(domain(devices)) == free


def test_a_port_behind_a_port_counts_as_what_it_is() -> None:
    """A switch's downstream ports are ports; the one that it is in is taken."""
    up = "<controller type='pci' index='2' model='pcie-switch-upstream-port'>"
    up += "<address type='pci' bus='0x01'/></controller>"
    down = up.replace("index='2'", "index='3'").replace("upstream", "downstream").replace("0x01", "0x02")

    assert free_ports(domain(ROOT + port(1) + up + down)) == 1


def test_the_first_unit_that_neither_side_has_is_taken() -> None:
    defined = domain(scsi(0) + disk("sda", "scsi", 0, 0) + disk("sdb", "sata", 0, 1))
    running = domain(scsi(0) + disk("sda", "scsi", 0, 0) + disk("sdc", "scsi", 0, 1))

    assert free_place([defined, running], "scsi") == Place(0, 2)
    assert free_place([defined], "sata") == Place(0, 0, is_new=True)
    assert free_place([defined], "virtio") is None
    host_device = "<hostdev type='scsi'><address type='drive' controller='0' unit='0'/></hostdev>"
    assert free_place([domain(scsi(0) + host_device)], "scsi") == Place(0, 1)


def test_a_full_controller_leads_to_the_next_and_to_a_new_one() -> None:
    full = "".join(disk(f"sd{unit}", "scsi", 0, unit) for unit in range(7))

    assert free_place([domain(scsi(0) + full)], "scsi") == Place(0, 7)
    assert free_place([domain(scsi(0, "lsilogic") + full)], "scsi") == Place(1, 0, is_new=True)
    assert free_place([domain(scsi(0, "lsilogic") + scsi(1) + full)], "scsi") == Place(1, 0)
    sata = "<controller type='sata' index='0'/>"
    six = "".join(disk(f"sd{unit}", "sata", 0, unit) for unit in range(6))
    assert free_place([domain(sata + six)], "sata") == Place(1, 0, is_new=True)
    # one that was plugged in while it runs has an index, too
    assert free_place([domain(""), domain(scsi(0))], "scsi") == Place(1, 0, is_new=True)


def test_controllers_and_names() -> None:
    xml = domain(scsi(1) + disk("sda", "scsi", 1, 0) + disk("vda", "virtio", 0, 0))

    assert has_controller(xml, "scsi", 1)
    assert not has_controller(xml, "scsi", 0)
    assert free_target([xml], "virtio") == "vdb"
    assert free_target([xml, domain(disk("sdb", "scsi", 1, 1))], "scsi") == "sdc"
    all_letters = domain("".join(disk(f"vd{letter}", "virtio", 0, 0) for letter in "abcdefghijklmnopqrstuvwxyz"))
    assert free_target([all_letters], "virtio") == "vdaa"


def test_an_address_is_free_where_its_port_is_and_nothing_is_in_it() -> None:
    def address(bus: int) -> ElementTree.Element:
        return ElementTree.Element("address", {"type": "pci", "bus": f"0x{bus:02x}", "slot": "0x00", "function": "0x0"})

    xml = domain(ROOT + port(1) + port(2) + IN_PORT_1)

    assert not is_free(xml, address(1))
    assert is_free(xml, address(2))
    assert not is_free(xml, address(3))
    assert is_free(xml, ElementTree.Element("address", {"type": "drive", "unit": "1"}))
