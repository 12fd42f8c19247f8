# SPDX-License-Identifier: GPL-3.0-or-later
"""Pool XML that a user brings: refused by what is wrong with it, and compared by what it says."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_xml.own_pool import differences, own_pool

GIVEN = (
    "<pool type='netfs'><name>n</name><source><host name='a'/><dir path='/e/'/></source>"
    "<target><path>/mnt//n/</path></target></pool>"
)
LIBVIRTS = """<pool type='netfs'>
  <name>n</name><uuid>8528dc99-beea-4160-b69e-0ef078bb45a7</uuid>
  <capacity unit='bytes'>1</capacity><allocation unit='bytes'>1</allocation><available unit='bytes'>0</available>
  <source><host name='a'/><dir path='/e'/><format type='auto'/></source>
  <target><path>/mnt/n</path><permissions><mode>0755</mode><owner>0</owner><group>0</group></permissions></target>
</pool>"""


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        ("no XML", "can't be read"),
        ("<!DOCTYPE pool><pool/>", "document type declaration"),
        ("<domain type='qemu'><name>x</name></domain>", "its root is <domain>"),
        ("<pool type='dir'/>", "has no <name>"),
        ("<pool><name>x</name></pool>", "says no type"),
        ("<pool type='dir'><name>x</name><uuid>1</uuid></pool>", "has a <uuid> that is none"),
        ("<pool type='iscsi'><name>x</name><source><auth passwd='p'/></source></pool>", "holds a password"),
        (f"<pool type='dir'><name>{'x' * 2**20}</name></pool>", "is longer than"),
    ],
)
def test_what_describes_no_pool_is_refused(xml: str, says: str) -> None:
    with pytest.raises(InvalidSpec, match=f"^xml: .*{says}") as caught:
        own_pool(xml)
    assert caught.value.field == "xml"


def test_what_libvirt_fills_in_is_no_difference() -> None:
    assert differences(LIBVIRTS, GIVEN) == ([], [])


def test_differences_are_told_statement_by_statement() -> None:
    wanted = GIVEN.replace("'a'", "'b'").replace("</target>", "<permissions><mode>0700</mode></permissions></target>")

    gone, new = differences(LIBVIRTS, wanted)

    assert gone == ["source/host@name = a", "target/permissions/mode = 0755"]
    assert new == ["source/host@name = b", "target/permissions/mode = 0700"]


def test_what_the_xml_no_longer_has_is_a_difference() -> None:
    had = LIBVIRTS.replace("</source>", "<initiator><iqn name='x'/></initiator></source>")

    assert differences(had, GIVEN) == (["source/initiator/iqn@name = x"], [])


def test_options_of_a_mount_may_be_secret_and_are_not_shown() -> None:
    space = "http://libvirt.org/schemas/storagepool/fs/1.0"
    wanted = GIVEN.replace(
        "</pool>",
        f"<o:mount_opts xmlns:o='{space}'><o:option name='password=hunter2'/></o:mount_opts></pool>",
    )

    gone, new = differences(LIBVIRTS, wanted)

    assert (gone, len(new)) == ([], 1)
    assert "hunter2" not in str(new)


def test_the_pools_own_uuid_takes_the_place_of_none() -> None:
    given = own_pool(GIVEN)

    assert (given.name, given.type, given.uuid) == ("n", "netfs", None)
    assert own_pool(given.as_of("8528dc99-beea-4160-b69e-0ef078bb45a7")).uuid == "8528dc99-beea-4160-b69e-0ef078bb45a7"
