# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parser does with documents that try something, and that an untouched one comes out as it went in."""

from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, SubElement
from xml.parsers.expat import ExpatError

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited, parse, serialize

BILLION_LAUGHS = (
    "<!DOCTYPE domain [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
    + "]><domain><name>&a9;</name></domain>"
)


def nothing(_root: Element) -> None:
    """Change nothing."""


def parse_all(xml: str) -> str:
    return "".join(parse(xml).itertext())


def edit_all(xml: str) -> str:
    return edited(xml, nothing)


both = pytest.mark.parametrize("read", [parse_all, edit_all])


@both
def test_an_external_entity_is_never_fetched(read: Callable[[str], str], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")

    try:
        found = read(f"<!DOCTYPE domain [<!ENTITY x SYSTEM '{secret.as_uri()}'>]><domain><name>&x;</name></domain>")
    except ParseError:
        found = ""

    assert "s3cret" not in found


@both
def test_an_external_document_type_is_never_fetched(read: Callable[[str], str], tmp_path: Path) -> None:
    secret = tmp_path / "types"
    secret.write_text("<!ENTITY x 's3cret'>")

    try:
        found = read(f"<!DOCTYPE domain SYSTEM '{secret.as_uri()}'><domain><name>&x;</name></domain>")
    except ParseError:
        found = ""

    assert "s3cret" not in found


@both
def test_entities_that_multiply_are_refused_before_they_fill_the_memory(read: Callable[[str], str]) -> None:
    with pytest.raises((ParseError, ExpatError), match="amplification"):
        read(BILLION_LAUGHS)


@both
def test_what_is_no_xml_is_refused(read: Callable[[str], str]) -> None:
    for text in ("", "<domain>", "<domain/><domain/>", "<domain>\x00</domain>", "<p:domain", "domain"):
        with pytest.raises((ParseError, ExpatError)):
            read(text)


def test_names_are_read_by_their_namespace_whatever_the_prefix() -> None:
    for xml in ("<d xmlns:a='urn:x'><a:b/></d>", "<d xmlns:c='urn:x'><c:b/></d>", "<d><b xmlns='urn:x'/></d>"):
        assert parse(xml).find("{urn:x}b") is not None


@pytest.mark.parametrize(
    "xml",
    [
        '<d xmlns:a="urn:x" xmlns:b="urn:x"><a:b b:c="1" /></d>',
        '<d><ns1:b xmlns:ns1="urn:y"><ns1:c xmlns:ns1="urn:z" /></ns1:b></d>',
        '<d><xml:b xml:lang="de" xml:space="preserve"> ü </xml:b></d>',
        "<d>a<!-- b -->c<?d e?>f<g />h</d>",
        '<d a="&lt;&amp;&quot;\'&gt;&#10;">&lt;&amp;"\'&gt;]]&gt;&#13;\n</d>',
        "<d>😀\x85\u2028</d>",
    ],
)
def test_what_is_not_changed_is_written_as_it_was(xml: str) -> None:
    assert edited(xml, nothing).replace("&#09;", "\t") == xml


def test_a_change_is_made_at_the_root() -> None:
    assert edited("<d/>", lambda root: SubElement(root, "e", {"f": '"<&>'}).clear()) == "<d><e /></d>"


def test_text_and_attributes_are_escaped_and_line_ends_kept() -> None:
    root = Element("d", {"a": "<&\"'\n>"})
    root.text = "</d>&amp;\r\n\r"

    again = parse(serialize(root))

    assert again.attrib == root.attrib
    assert again.text == root.text
    assert len(again) == 0
