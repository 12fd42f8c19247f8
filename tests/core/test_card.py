# SPDX-License-Identifier: GPL-3.0-or-later
"""Network cards: the first, in network_config, and the further ones, in nics; each error names its card."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.spec import (
    CARD_MODELS,
    NetworkConfig,
    cards_of,
    spec_from,
)
from tests.core.test_spec import LEAST, wrong_fields

MAC = "52:54:00:12:34:56"


def test_a_further_card_has_the_defaults_of_the_first() -> None:
    spec = spec_from({**LEAST, "nics": [{}, {"type": "bridge", "bridge_name": "br0", "model": None}]})

    assert spec.nics == (NetworkConfig("nat"), NetworkConfig("bridge", "br0"))
    assert {card.model for card in spec.nics} == {"virtio"}


@pytest.mark.parametrize(
    ("nics", "wrong"),
    [
        ([{"type": "bridge"}], ["nics.0.bridge_name"]),
        ([{}, {"type": "network"}], ["nics.1.network_name"]),
        ([{"bridge_name": "br0"}, {"type": "bridge", "bridge_name": "br0"}], ["nics.0.bridge_name"]),
        ([{"type": "bridge", "bridge_name": "a b"}], ["nics.0.bridge_name"]),
        ([{"type": "none"}], ["nics.0.type"]),
        ([{"type": "x"}], ["nics.0.type"]),
        ([{"model": "ne2k_pci"}], ["nics.0.model"]),
        ([{"model": 5}], ["nics.0.model"]),
        ([{"typ": "nat"}, {"mac": MAC}], ["nics.0.typ", "nics.1.mac"]),
        ([{}, "nat"], ["nics.1"]),
        ([None], ["nics.0"]),
        ({"type": "nat"}, ["nics"]),
        ("nat", ["nics"]),
        ([{}] * 16, ["nics"]),
        ([{}] * 15, []),
    ],
)  # fmt: skip
def test_each_error_names_the_card_and_its_field(nics: Any, wrong: list[str]) -> None:
    assert wrong_fields(nics=nics) == wrong


@pytest.mark.parametrize("model", CARD_MODELS)
def test_models_are_those_that_guests_have_drivers_for(model: str) -> None:
    assert wrong_fields(network_config={"model": model}) == []


@pytest.mark.parametrize("address", [MAC, "02:00:00:00:00:01", "AA:BB:CC:DD:EE:0F", "fc:54:00:12:34:56"])
def test_an_address_of_one_card_is_taken(address: str) -> None:
    assert wrong_fields(network_config={"mac_address": address}) == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "52:54:00:12:34",
        "52:54:00:12:34:56:78",
        "52-54-00-12-34-56",
        "525400123456",
        "52:54:00:12:34:5g",
        f" {MAC}",
        f"{MAC}\n",
        "５2:54:00:12:34:56",  # noqa: RUF001  a full-width digit
        "01:00:5e:00:00:01",  # multicast
        "53:54:00:12:34:56",
        "ff:ff:ff:ff:ff:ff",
        "00:00:00:00:00:00",
        "fe:54:00:12:34:56",  # libvirt starts no guest with it
        "FE:54:00:12:34:56",
    ],
)
def test_any_other_address_is_refused(address: str) -> None:
    assert wrong_fields(network_config={"mac_address": address}) == ["network_config.mac_address"]
    assert wrong_fields(nics=[{"mac_address": address}]) == ["nics.0.mac_address"]


@given(st.text("0123456789abcdefABCDEF:", max_size=18))
def test_an_address_that_is_taken_is_six_bytes(address: str) -> None:
    if not wrong_fields(network_config={"mac_address": address}):
        assert len(bytes.fromhex(address.replace(":", ""))) == 6


def test_an_address_of_no_card_is_refused() -> None:
    assert wrong_fields(network_config={"type": "none", "mac_address": MAC}) == ["network_config.mac_address"]


def test_no_two_cards_have_the_same_address_however_it_is_written() -> None:
    small, large = "52:54:00:ab:cd:ef", "52:54:00:AB:CD:EF"

    assert wrong_fields(
        network_config={"mac_address": small}, nics=[{}, {"mac_address": MAC}, {"mac_address": large}]
    ) == ["nics.2.mac_address"]


def test_a_vm_without_a_first_card_may_have_further_ones() -> None:
    spec = spec_from({**LEAST, "network_config": {"type": "none"}, "nics": [{"mac_address": MAC}]})

    assert [path for path, card in cards_of(spec)] == ["network_config", "nics.0"]
