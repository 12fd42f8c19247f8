# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain XML that a user brings: what is refused, what stays, and by what it is known again."""

import dataclasses

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.given import (
    adopted,
    definition_fingerprint,
    given_xml,
    without_record,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import NAMESPACE
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired, validate_desired
from tests.core.domain_xml.documents import FOREIGN, difference
from tests.core.machines import FULL_RECORD, OTHER_UUID, RECORD, UUID

XML = (
    "<domain type='qemu'><name>own</name><devices><interface/><interface><mac address='{}'/></interface></devices>"
    "</domain>"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no element found in line 1"),
        ("<domain>\n<name>x</name>\n</domian>", "mismatched tag in line 3, column 3"),
        ("<domain/><domain/>", "junk after document element"),
        ("<domain><name>x</name><title>\x01</title></domain>", "invalid token"),
        ("<domain><name>\ud800</name></domain>", "unpaired surrogate"),
        ("<network><name>x</name></network>", "its root is <network>"),
        ("<domain><name> </name></domain>", "has no <name>"),
        ("<domain><name>x</name><uuid>x</uuid></domain>", "a <uuid> that is none"),
        ("<!DOCTYPE d [<!ENTITY a 'b'>]><domain><name>&a;</name></domain>", "no document type declaration"),
        ("<domain><name>&bogus;</name></domain>", "undefined entity"),
        ("<domain><name>x</name>" + " " * 2**20 + "</domain>", "is longer than"),
        ("<domain>" + "<a>" * 1000 + "</a>" * 1000 + "</domain>", "more than 100 elements in one another"),
    ],
)
def test_what_describes_no_domain_is_refused_and_where(text: str, message: str) -> None:
    with pytest.raises(InvalidSpec, match=message) as caught:
        given_xml(text)
    assert caught.value.field == "xml"


@pytest.mark.parametrize("name", FOREIGN)
def test_a_vms_own_xml_is_what_was_given_with_its_record(name: str) -> None:
    given = given_xml(FOREIGN[name][FOREIGN[name].index("<domain") :])  # one has a document type
    uuid = given.uuid or UUID
    record = dataclasses.replace(RECORD, uuid=uuid)
    mine = adopted(given, uuid, record)

    assert read_domain(mine).record == record
    assert [line for line in difference(given.xml, mine) if line[0] == "-"] == []
    assert difference(adopted(given, uuid, None), without_record(mine)) == []
    assert definition_fingerprint(mine) == definition_fingerprint(adopted(given, uuid, FULL_RECORD))
    assert read_domain(adopted(given, OTHER_UUID, None)).uuid == OTHER_UUID


def test_cards_that_say_no_address_get_those_that_the_vm_has_and_nobody_else() -> None:
    given = given_xml(XML.format("52:54:00:00:00:0A"))

    def addresses(*present: str) -> list[str | None]:
        return [card.mac_address for card in read_domain(adopted(given, UUID, None, present)).interfaces]

    assert addresses("52:54:00:00:00:01", "52:54:00:00:00:02") == ["52:54:00:00:00:01", "52:54:00:00:00:0A"]
    assert addresses("52:54:00:00:00:0a", "52:54:00:00:00:02") == ["52:54:00:00:00:02", "52:54:00:00:00:0A"]
    assert addresses() == [None, "52:54:00:00:00:0A"]


def test_it_is_known_again_by_what_it_says_and_never_by_a_password() -> None:
    xml = "<domain><name>x</name><devices><graphics type='vnc' passwd='{}'/></devices></domain>"
    one, other = given_xml(xml.format("a")), given_xml(xml.format("b").replace("><", ">\n  <"))

    assert one.fingerprint == other.fingerprint
    assert (one.passwords, other.passwords) == (("a",), ("b",))
    assert one.fingerprint != given_xml(xml.format("a").replace("vnc", "spice")).fingerprint
    assert "passwd" not in repr(one)


def test_a_line_break_in_a_password_is_known_again_as_what_libvirt_makes_of_it() -> None:
    given = given_xml("<domain><name>x</name><devices><graphics passwd='a&#10;&#9;b'/><graphics/></devices></domain>")

    assert given.passwords == ("a  b", None)


def test_what_the_xml_says_is_not_said_twice() -> None:
    for name, value in (("memory_mb", 64), ("disks", []), ("firmware", "bios"), ("cloud_init", {}), ("graphics", {})):
        with pytest.raises(InvalidSpec, match=f"{name}: does not go with xml"):
            validate_desired(Desired({name: value}, xml=XML))
    for bad, field in ((Desired({"name": "other"}, xml=XML), "name"), (Desired(xml=XML.replace("own", "a/b")), "xml")):
        with pytest.raises(InvalidSpec) as caught:
            validate_desired(bad)
        assert caught.value.field == field
    assert validate_desired(Desired({"tags": ["a"]}, xml=XML, state="absent")).name == "own"


def test_a_record_that_was_brought_along_is_none_wherever_its_prefix_is_declared() -> None:
    forged = f"<metadata><h:vm version='1'><h:uuid>{UUID}</h:uuid></h:vm></metadata>"
    given = given_xml(f"<domain xmlns:h='{NAMESPACE}'><name>own</name>{forged}</domain>")
    assert read_domain(adopted(given, UUID, None)).record is None
    assert read_domain(adopted(given, UUID, RECORD)).record == RECORD
