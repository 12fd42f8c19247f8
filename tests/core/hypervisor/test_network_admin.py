# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks by libvirt's own test driver: listed, looked up, started, stopped, removed."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network_admin import (
    define_network,
    managed_network,
    network_rows,
)

XML = "<network><name>another</name><ip address='10.99.1.1' prefix='24'/></network>"


def test_a_network_through_its_life(test_driver: Hypervisor) -> None:
    network = define_network(test_driver, XML)
    try:
        network.set_autostart(True)
        assert [(row.network.name, row.active, row.persistent, row.autostart) for row in network_rows(test_driver)] == [
            ("another", False, True, True),
            ("default", True, True, False),
        ]
        network.start()
        assert network.is_active()
        with pytest.raises((WrongState, OperationFailed), match="start network 'another'"):
            network.start()
        network.stop()
    finally:
        network.undefine()
    assert managed_network(test_driver, "another") is None


def test_a_driver_that_keeps_no_account_of_cards_has_none(test_driver: Hypervisor) -> None:
    network = managed_network(test_driver, "default")

    assert network is not None
    assert network.ports() == []
    assert network.lease_details() == []
