# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of a host that nobody who runs these tests may have: libvirt's XML of each, as its documentation has it."""

from ansible_collections.hostler.libvirt.plugins.module_utils.host_devices import devices

GPU = """<device><name>pci_0000_65_00_0</name>
  <parent>pci_0000_64_00_0</parent><driver><name>vfio-pci</name></driver>
  <capability type='pci'><class>0x030000</class><domain>0</domain><bus>101</bus><slot>0</slot><function>0</function>
    <product id='0x2230'>GA102GL</product><vendor id='0x10de'>NVIDIA Corporation</vendor>
    <iommuGroup number='12'><address domain='0x0000' bus='0x65' slot='0x00' function='0x0'/></iommuGroup>
    <numa node='1'/>
    <capability type='mdev_types'><type id='nvidia-11'><name>GRID M60-0B</name><deviceAPI>vfio-pci</deviceAPI>
      <availableInstances>16</availableInstances></type></capability>
  </capability></device>"""
FUNCTION = """<device><name>pci_0000_03_10_1</name><parent>pci_0000_00_01_0</parent>
  <capability type='pci'><class>0x020000</class><domain>0</domain><bus>3</bus><slot>16</slot><function>1</function>
    <product id='0x10ca'/><vendor id='0x8086'/>
    <capability type='phys_function'><address domain='0x0000' bus='0x03' slot='0x00' function='0x1'/></capability>
  </capability></device>"""
CARD = """<device><name>pci_0000_03_00_1</name><parent>pci_0000_00_01_0</parent>
  <capability type='pci'><class>0x020000</class><domain>0</domain><bus>3</bus><slot>0</slot><function>1</function>
    <product id='0x10c9'/><vendor id='0x8086'/>
    <capability type='virt_functions' maxCount='7'/>
  </capability></device>"""
KEY = """<device><name>usb_1_4</name><parent>usb_usb1</parent><driver><name>usb</name></driver>
  <capability type='usb_device'><bus>1</bus><device>6</device>
    <product id='0x0407'>Yubikey</product><vendor id='0x1050'>Yubico</vendor></capability></device>"""
INTERFACE = """<device><name>net_eth0_52_54</name><parent>pci_0000_03_00_1</parent>
  <capability type='net'><interface>eth0</interface><address>52:54:00:12:34:56</address>
    <link speed='10000' state='up'/></capability></device>"""
BRIDGE = """<device><name>net_br0</name><parent>computer</parent>
  <capability type='net'><interface>br0</interface><address>52:54:00:12:34:57</address>
    <link speed='4294967295' state='up'/></capability></device>"""
MEDIATED = """<device><name>mdev_c2177883_f1bb_47f0_914d_32a22e3a8804_0000_65_00_0</name>
  <parent>pci_0000_65_00_0</parent>
  <capability type='mdev'><type id='nvidia-11'/><uuid>c2177883-f1bb-47f0-914d-32a22e3a8804</uuid>
    <iommuGroup number='13'/></capability></device>"""
DISK = "<device><name>block_vda</name><capability type='storage'><block>/dev/vda</block></capability></device>"


def test_pci_devices_have_what_giving_them_away_needs() -> None:
    function, card, gpu = sorted(
        devices([GPU, FUNCTION, CARD])["pci"], key=lambda one: (one["gpu"], one["virtual_functions"] is not None)
    )

    assert gpu == {
        "address": "0000:65:00.0",
        "class": "0x030000",
        "vendor_id": "0x10de",
        "vendor": "NVIDIA Corporation",
        "product_id": "0x2230",
        "product": "GA102GL",
        "driver": "vfio-pci",
        "iommu_group": 12,
        "numa_cell": 1,
        "gpu": True,
        "virtual_functions": None,
        "physical_function": None,
    }
    assert (function["address"], function["physical_function"]) == ("0000:03:10.1", "0000:03:00.1")
    assert (function["vendor"], function["driver"], function["iommu_group"]) == (None, None, None)
    assert (card["virtual_functions"], card["gpu"]) == (7, False)


def test_devices_are_in_the_order_of_their_addresses_and_names() -> None:
    assert [one["address"] for one in devices([GPU, FUNCTION, CARD])["pci"]] == [
        "0000:03:00.1",
        "0000:03:10.1",
        "0000:65:00.0",
    ]
    assert [one["name"] for one in devices([INTERFACE, BRIDGE])["interfaces"]] == ["br0", "eth0"]


def test_usb_devices_have_their_maker_s_numbers() -> None:
    assert devices([KEY])["usb"] == [
        {
            "address": "001:006",
            "bus": 1,
            "device": 6,
            "vendor_id": "0x1050",
            "vendor": "Yubico",
            "product_id": "0x0407",
            "product": "Yubikey",
        }
    ]


def test_interfaces_have_their_speed_where_it_is_known_and_the_device_that_they_are() -> None:
    bridge, card = devices([INTERFACE, BRIDGE])["interfaces"]

    assert card == {
        "name": "eth0",
        "mac_address": "52:54:00:12:34:56",
        "link": "up",
        "speed_mbit": 10000,
        "device": "0000:03:00.1",
    }
    assert (bridge["speed_mbit"], bridge["device"]) == (None, None)


def test_mediated_devices_that_are_there_and_that_can_be_made() -> None:
    possible, present = sorted(devices([GPU, MEDIATED])["mediated"], key=lambda one: one["uuid"] is not None)

    assert possible == {
        "uuid": None,
        "type": "nvidia-11",
        "name": "GRID M60-0B",
        "available": 16,
        "parent": "0000:65:00.0",
        "iommu_group": None,
    }
    assert (present["uuid"], present["iommu_group"]) == ("c2177883-f1bb-47f0-914d-32a22e3a8804", 13)


def test_what_concerns_no_guest_is_left_out() -> None:
    assert devices([DISK]) == {"pci": [], "usb": [], "mediated": [], "interfaces": []}
