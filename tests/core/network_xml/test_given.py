# SPDX-License-Identifier: GPL-3.0-or-later
"""XML of a user's is a network's own when it is defined, and known again."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.given import (
    adopted_network,
    given_network,
    is_as_given,
    marked,
    network_fingerprint,
    persistent_xml,
    same_network,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import identity_of, read_network
from tests.core.networks import MACVTAP, NAT

GIVEN = "<network><name>internal</name><forward mode='nat'/><ip address='10.99.1.1' prefix='24'/></network>"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<network>", "can't be read"),
        ("<domain><name>n</name></domain>", "describes no network"),
        ("<network/>", "has no <name>"),
        ("<network><name>n</name><uuid>x</uuid></network>", "has a <uuid> that is none"),
    ],
)
def test_what_describes_no_network_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidSpec, match=reason) as caught:
        given_network(text)

    assert caught.value.field == "xml"


def test_uuid_bridge_and_mac_that_are_left_open_stay() -> None:
    xml = adopted_network(given_network(GIVEN), NAT)

    assert identity_of(xml) == identity_of(NAT)
    assert read_network(xml)["bridge"] == "br-int"


def test_a_bridge_without_a_name_gets_that_of_the_one_there_was() -> None:
    text = "<network><name>internal</name><bridge stp='off'/></network>"

    assert read_network(adopted_network(given_network(text), NAT))["bridge"] == "br-int"


def test_a_network_of_the_host_s_own_gets_no_bridge_of_the_old_one() -> None:
    xml = adopted_network(given_network("<network><name>n</name><forward mode='bridge' dev='eth0'/></network>"), NAT)

    assert read_network(xml)["bridge"] is None
    assert identity_of(xml)["mac_address"] is None


def test_a_definition_is_known_again_until_it_or_the_xml_changes() -> None:
    given = given_network(GIVEN)
    defined = marked(NAT, given.fingerprint, network_fingerprint(NAT))

    assert is_as_given(defined, given)
    assert not is_as_given(NAT, given)
    assert not is_as_given(defined.replace("br-int", "br-ext"), given)
    assert not is_as_given(defined, given_network(GIVEN.replace("10.99.1.1", "10.99.1.2")))


def test_the_mark_is_not_part_of_what_it_is_about() -> None:
    defined = marked(NAT, "x", "y")

    assert network_fingerprint(defined) == network_fingerprint(NAT)
    assert persistent_xml(defined) == persistent_xml(NAT)
    assert "kept" in persistent_xml(defined)


def test_a_user_s_xml_can_t_bring_the_mark_along() -> None:
    given = given_network(GIVEN)
    forged = given_network(marked(GIVEN, given.fingerprint, network_fingerprint(GIVEN)))

    assert forged.fingerprint == given.fingerprint
    assert not is_as_given(forged.xml, given)


def test_a_network_runs_as_it_is_defined_whatever_libvirt_adds_then() -> None:
    defined = NAT.replace("<nat>\n      <port start='1024' end='65535'/>\n    </nat>", "")

    assert same_network(NAT, defined)
    assert same_network(MACVTAP, MACVTAP.replace(" connections='1'", ""))
    assert not same_network(NAT, NAT.replace("internal.test", "other.test"))
