# SPDX-License-Identifier: GPL-3.0-or-later
"""Displays of domains that others wrote, changed in place."""

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Graphics
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import with_graphics, without_graphics
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from tests.core.domain_xml.documents import FOREIGN, difference


def test_of_a_display_only_what_is_named_is_changed() -> None:
    spice = FOREIGN["windows_spice"]
    wanted = Graphics("spice", keymap="de", password="n3w")
    lines = difference(spice, with_graphics(spice, wanted, ["keymap", "password"]))
    assert [line[:32] for line in lines] == ["- /domain/devices/graphics autop", "+ /domain/devices/graphics autop"]
    changed = read_domain(with_graphics(spice, wanted, ["keymap", "password"])).graphics
    assert changed == (Graphics("spice", 5900, "127.0.0.1", keymap="de", password="n3w"),)
    assert difference(spice, with_graphics(spice, wanted, [])) == []


def test_a_display_of_another_type_takes_the_place_of_the_others_and_none_is_none() -> None:
    both = FOREIGN["one_cell"]
    assert {one.type for one in read_domain(both).graphics} == {"spice", "vnc"}

    assert read_domain(without_graphics(both)).graphics == ()
    alone = with_graphics(without_graphics(both), Graphics("vnc", 5901, "::1"), ["port"])
    assert read_domain(alone).graphics == (Graphics("vnc", 5901, "::1"),)
    assert [one.type for one in read_domain(with_graphics(alone, Graphics("spice"), ["port"])).graphics] == ["spice"]
