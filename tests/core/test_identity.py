# SPDX-License-Identifier: GPL-3.0-or-later
"""The record survives every way it takes through libvirt, and one that can't be believed is none."""

import dataclasses
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import resized
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.size_edit import SizeEdit
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import (
    NAMESPACE,
    Record,
    record_element,
    record_of,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.metadata import KEY_PATTERN, entries_of
from tests.core.domain_xml.documents import element
from tests.core.machines import FULL_RECORD, OTHER_UUID, RECORD, UUID

HOSTILE = [
    "</hostler:description><x/>",
    "]]>",
    "<![CDATA[x]]>",
    "<!-- -->",
    "<?php ?>",
    "&amp; &lt; &#0; &bogus;",
    "\"'",
    "{{ lookup('pipe', 'id') }} {% raw %}",
    "a\nb\tc\r\nd\re",
    "  space around  ",
    "zoë 名前 😀 \x85\u2028\x9f",
    "%s %n {0} ${HOME} `id`",
    "",
]

NOT_XML = [chr(code) for code in range(32) if chr(code) not in "\t\n\r"] + ["\ufffe", "\uffff"]
# what the spec lets through
xml_text = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters=NOT_XML), max_size=60)
records = st.builds(
    Record,
    uuid=st.just(UUID),
    created=st.just("2024-05-06T07:08:09Z"),
    id=st.none() | st.integers(0, 10**18 - 1),
    owner=st.none() | xml_text,
    os_type=st.none() | st.sampled_from(["linux", "windows"]),
    os_version=st.none() | xml_text,
    description=st.none() | xml_text,
    tags=st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/=-]{0,62}", fullmatch=True), max_size=4).map(tuple),
    metadata=st.dictionaries(st.from_regex(KEY_PATTERN, fullmatch=True), xml_text, max_size=3).map(entries_of),
    xml_given=st.none() | st.from_regex("[0-9a-f]{64}", fullmatch=True),
    xml_defined=st.none() | st.from_regex("[0-9a-f]{64}", fullmatch=True),
    protected=st.booleans(),
    revision=st.integers(1, 2**40),
    incomplete=st.booleans(),
)


def definition(record: Record | None) -> DomainDefinition:
    return DomainDefinition("record", UUID, "test", 1, 131072, record=record)


def as_read_again(test_driver: Hypervisor, record: Record | None) -> Record | None:
    """The record that the test driver's domain has after it was defined with this one."""
    return read_domain(test_driver.define(domain_xml(definition(record))).xml(inactive=True)).record


@given(records)
def test_a_record_comes_back_as_it_was_through_a_definition(test_driver: Hypervisor, record: Record) -> None:
    assert as_read_again(test_driver, record) == record


@given(records)
def test_a_record_comes_back_as_it_was_through_set_metadata(test_driver: Hypervisor, record: Record) -> None:
    domain = test_driver.define(domain_xml(definition(FULL_RECORD)))

    domain.set_record(record)

    assert read_domain(domain.xml(inactive=True)).record == record


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_is_data_in_both_ways(test_driver: Hypervisor, text: str) -> None:
    record = dataclasses.replace(RECORD, description=text, os_version=text, owner=text, tags=(text,))
    domain = test_driver.define(domain_xml(definition(record)))
    assert read_domain(domain.xml(inactive=True)).record == record

    record = dataclasses.replace(record, revision=2)
    domain.set_record(record)
    xml = domain.xml(inactive=True)
    assert read_domain(xml).record == record
    (metadata,) = element(xml).findall("metadata")
    assert [child.tag for child in metadata] == [f"{{{NAMESPACE}}}vm"]
    assert {child.tag for child in metadata.iter()} - {"metadata"} <= {
        f"{{{NAMESPACE}}}{name}"
        for name in ("vm", "uuid", "created", "owner", "osType", "osVersion", "description", "tag", "revision")
    }


def test_a_full_record_survives_a_resize_beside_metadata_of_others(test_driver: Hypervisor) -> None:
    domain = test_driver.define(domain_xml(definition(FULL_RECORD)))
    domain.handle.setMetadata(2, "<theirs>x</theirs>", "app", "urn:app", 2)

    test_driver.redefine(resized(domain.xml(inactive=True, secure=True), SizeEdit(vcpus=2)))

    assert read_domain(domain.xml(inactive=True)).record == FULL_RECORD
    assert domain.handle.metadata(2, "urn:app", 2) == "<theirs>x</theirs>"


def test_a_record_survives_a_rename_and_a_redefinition(test_driver: Hypervisor) -> None:
    domain = test_driver.define(domain_xml(definition(FULL_RECORD)))
    domain.handle.rename("record-renamed")
    test_driver.redefine(domain.xml(inactive=True))

    assert read_domain(test_driver.domain(UUID).xml(inactive=True)).record == FULL_RECORD
    domain.handle.rename("record")


@pytest.mark.lab
def test_a_full_record_makes_both_ways_through_the_real_libvirt(hypervisor: Hypervisor) -> None:
    hostile = dataclasses.replace(FULL_RECORD, description=" ".join(HOSTILE), owner="]]><x/>\r\n")
    shell = dataclasses.replace(definition(hostile), type="qemu", machine="q35", name="record-lab")
    domain = hypervisor.define(domain_xml(shell))
    assert read_domain(domain.xml(inactive=True)).record == hostile

    domain.set_record(FULL_RECORD)
    assert read_domain(domain.xml(inactive=True)).record == FULL_RECORD

    domain.start()
    domain.set_record(hostile)  # live and for the next start
    assert read_domain(domain.xml()).record == hostile
    assert read_domain(domain.xml(inactive=True)).record == hostile


def test_the_record_of_another_domain_is_none(test_driver: Hypervisor) -> None:
    assert as_read_again(test_driver, dataclasses.replace(FULL_RECORD, uuid=OTHER_UUID)) is None


def test_a_uuid_is_the_same_in_capitals(test_driver: Hypervisor) -> None:
    assert as_read_again(test_driver, dataclasses.replace(FULL_RECORD, uuid=UUID.upper())) == FULL_RECORD


def read(changes: dict[str, Any], attributes: dict[str, str] | None = None) -> Record | None:
    """What is read from a full record whose elements have these texts instead; None as a text removes the element."""
    element = record_element(FULL_RECORD)
    for name, text in changes.items():
        for child in element.findall(f"{{{NAMESPACE}}}{name}"):
            if text is None:
                element.remove(child)
            else:
                child.text = text
    element.attrib.update(attributes or {})
    return record_of(element, UUID)


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert read({}, {"version": "2", "shape": "round"}) == FULL_RECORD
    assert read({}, {"version": "999999999999999999999999"}) == FULL_RECORD


@pytest.mark.parametrize("version", ["", "one", "1.0", "-1", " 1", "²", "１"])  # noqa: RUF001  digits of other scripts
def test_a_version_that_is_no_number_makes_no_record(version: str) -> None:
    assert read({}, {"version": version}) is None


def test_no_record_without_a_version_or_a_uuid() -> None:
    element = record_element(FULL_RECORD)
    del element.attrib["version"]
    assert record_of(element, UUID) is None
    assert read({"uuid": None}) is None
    assert read({"uuid": ""}) is None
    assert record_of(None, UUID) is None


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "²", "४", "1 ", "9" * 5000, "99999999999999999999"])
def test_garbage_for_a_number_is_no_number(number: str) -> None:
    record = read({"id": number, "revision": number})

    assert record == dataclasses.replace(FULL_RECORD, id=None, revision=1)


def test_what_is_left_out_reads_as_its_default() -> None:
    least = ElementTree.Element(f"{{{NAMESPACE}}}vm", {"version": "1"})
    ElementTree.SubElement(least, f"{{{NAMESPACE}}}uuid").text = UUID

    assert record_of(least, UUID) == Record(uuid=UUID, created="")


def test_a_record_holds_no_field_that_a_reader_may_not_see() -> None:
    assert {field.name for field in dataclasses.fields(Record)} == {
        "uuid", "created", "id", "owner", "os_type", "os_version", "description", "tags", "metadata", "xml_given",
        "xml_defined", "protected", "revision", "incomplete", "cloned_from", "template", "kept",
    }  # fmt: skip
