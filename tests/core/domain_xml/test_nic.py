# SPDX-License-Identifier: GPL-3.0-or-later
"""One network card of a domain is read, added, changed and taken away; all else in the document stays as it was."""

import dataclasses
from xml.etree import ElementTree

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import (
    Nic,
    Rate,
    nic_address,
    nic_xml,
    read_nics,
    with_nic,
    with_nic_settings,
    without_nic,
)
from tests.core.domain_xml.documents import FOREIGN, difference, element

MAC = "52:54:00:12:34:56"
WHOLE = Nic(
    "network", "net <&'\">", "52:54:00:00:00:01", "e1000e", alias="storage", link="down", filter="clean-traffic",
    inbound=Rate(1, 2, 3), outbound=Rate(4),
)  # fmt: skip
XML = f"""<domain type='qemu' xmlns:x='urn:x'><devices><disk/>
  <interface type='bridge' x:kept='1'><!-- theirs --><mac address='{MAC.upper()}'/><source bridge='br0'/>
    <model type='virtio'/><driver queues='4'/><boot order='1'/><mtu size='9000'/><alias name='net0'/>
    <filterref filter='theirs'><parameter name='IP' value='1.2.3.4'/></filterref>
    <bandwidth><inbound average='5' floor='1'/></bandwidth><vlan><tag id='3'/></vlan></interface>
  <console/></devices></domain>"""
CARD = "/domain/devices/interface"


def test_all_that_a_card_is_is_read() -> None:
    assert read_nics(XML) == (Nic("bridge", "br0", MAC, "virtio", filter="theirs", inbound=Rate(5)),)


@pytest.mark.parametrize("nic", [WHOLE, Nic("user", None, "52:54:00:00:00:02", "virtio")])
def test_a_card_that_is_added_is_read_as_it_was_and_comes_after_the_others(nic: Nic) -> None:
    xml = with_nic(XML, nic)

    assert read_nics(xml) == (*read_nics(XML), nic)
    assert all(line.startswith(f"+ {CARD}") for line in difference(XML, xml))
    assert read_nics(with_nic("<domain/>", nic)) == (nic,)
    assert difference(XML, without_nic(xml, nic.mac_address or "")) == []


def test_settings_are_changed_and_nothing_else() -> None:
    nic = read_nics(XML)[0]
    wanted = dataclasses.replace(nic, link="down", alias="a", filter=None, inbound=Rate(9, 0, 2))

    changes = difference(XML, with_nic_settings(XML, wanted, ("link", "alias", "filter", "inbound", "outbound")))

    assert sorted(changes) == sorted([
        f"+ {CARD}/link state='down'", f"- {CARD}/alias name='net0'", f"+ {CARD}/alias name='ua-a'",
        f"- {CARD}/filterref filter='theirs'", f"- {CARD}/filterref/parameter name='IP' value='1.2.3.4'",
        f"- {CARD}/bandwidth/inbound average='5' floor='1'",
        f"+ {CARD}/bandwidth/inbound average='9' burst='2' floor='1'",
    ])  # fmt: skip
    same = with_nic_settings(XML, nic, ("link", "filter", "inbound", "outbound", "connection", "model"))
    assert difference(XML, same) == []


def test_a_card_is_plugged_in_elsewhere_with_all_that_has_nothing_to_do_with_that() -> None:
    wanted = dataclasses.replace(read_nics(XML)[0], type="network", source="lan", model="e1000e")

    changes = difference(XML, with_nic_settings(XML, wanted, ("connection", "model")))

    assert sorted(changes) == sorted([
        f"- {CARD} type='bridge' x:kept='1'", f"+ {CARD} type='network' x:kept='1'",
        f"- {CARD}/source bridge='br0'", f"+ {CARD}/source network='lan'",
        f"- {CARD}/model type='virtio'", f"+ {CARD}/model type='e1000e'",
        f"- {CARD}/vlan", f"- {CARD}/vlan/tag id='3'",
    ])  # fmt: skip


def test_every_setting_can_be_taken_away() -> None:
    bare = Nic("network", WHOLE.source, WHOLE.mac_address, "e1000e")

    xml = with_nic_settings(with_nic("<domain/>", WHOLE), bare, ("alias", "link", "filter", "inbound", "outbound"))

    assert read_nics(xml) == (bare,)
    assert [child.tag for child in element(xml).findall("devices/interface/*")] == ["mac", "source", "model"]


def test_a_card_and_its_place_are_found_by_its_address() -> None:
    address = ElementTree.Element("address", {"type": "pci", "bus": "0x05"})
    xml = with_nic(XML, WHOLE, address)

    found = nic_address(xml, WHOLE.mac_address or "")
    assert found is not None
    assert found.attrib == address.attrib
    assert nic_address(xml, MAC) is None
    assert "mtu" in (nic_xml(xml, MAC) or "")
    assert nic_xml(xml, "52:54:00:ff:ff:ff") is None


@pytest.mark.parametrize("name", FOREIGN)
def test_what_others_wrote_survives_a_card_that_comes_and_goes(name: str) -> None:
    xml = with_nic(FOREIGN[name], WHOLE)
    assert all(line.startswith("+ /domain/devices") for line in difference(FOREIGN[name], xml))

    left = difference(FOREIGN[name], without_nic(xml, WHOLE.mac_address or ""))

    assert [line for line in left if line != "+ /domain/devices"] == []
