# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules network, network_info and host_info, run by Ansible on a real host."""

import os
from typing import Any

import pytest

from lab.host import Host
from tests.collection.conftest import Tasks
from tests.core.networks import further_network
from tests.core.test_python_floor import oldest_python

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts have no network")]


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """What check mode and a run have to agree on."""
    return {key: answer[key] for key in ("changed", "diff", "plan", "next_start")}


@pytest.mark.slow  # the core's own tests and the integration target do the same
def test_a_network_is_foretold_by_check_mode_made_once_and_removed_once(tasks: Tasks, lab_host: Host) -> None:
    with further_network(lab_host) as further:
        make = further.nat(state="active")
        remove = {"name": further.name, "state": "absent"}
        told = tasks(
            module="network",
            make_foretold={**make, "check_mode": True, "diff": True},
            make={**make, "diff": True},
            make_again=make,
            kept={"name": further.name, "dhcp_hosts": [{"mac": "52:54:00:57:00:10", "ip": f"{further.prefix}.10"}]},
            refused={"name": further.name, "dhcp_hosts": [{"mac": "52:54:00:57:00:11", "ip": "203.0.113.10"}]},
            remove_foretold={**remove, "check_mode": True, "diff": True},
            remove={**remove, "diff": True},
            remove_again=remove,
        )

    for what in ("make", "remove"):
        assert said(told[what]) == said(told[f"{what}_foretold"])
        assert told[what]["changed"]
        assert not told[f"{what}_again"]["changed"]
    assert told["kept"]["plan"][-1]["applies"] == "now"
    assert (told["refused"]["code"], told["refused"]["field"]) == ("invalid_spec", "dhcp_hosts.0.ip")
    assert told["remove"]["network"] is None


@pytest.mark.slow
def test_networks_and_the_host_are_told_of(tasks: Tasks, lab_host: Host) -> None:
    (found,) = tasks(module="network_info", look={"name": ["default"], "gather": ["spec"]})["look"]["networks"]
    host = tasks(module="host_info", look={"gather": ["capacity", "networks"]})["look"]

    assert found["bridge"] == lab_host.layout.bridge
    assert host["capacity"]["cpus"] == os.cpu_count()
    assert [(network["name"], network["bridge"]) for network in host["networks"]] == [("default", found["bridge"])]


@pytest.mark.slow
@pytest.mark.parametrize("module", ["network", "network_info", "host_info"])
def test_a_host_without_the_library_is_told_what_to_install(tasks: Tasks, module: str) -> None:
    python = oldest_python()
    if python is None:
        pytest.skip("there is no Python without libvirt on this machine")
    options = {"name": "default"} if module == "network" else {}

    answer = tasks(interpreter=python, module=module, run=options)["run"]

    assert answer["failed"] is True
    assert "libvirt-python" in answer["msg"]
