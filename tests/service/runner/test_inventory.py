# SPDX-License-Identifier: GPL-3.0-or-later
"""Only plain characters reach the inventory, and a host that can't be reached is said to be."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from hostler.runner import LocalHost, PlaybookStatus, SshHost
from hostler.runner.inventory import document
from tests.service.runner.conftest import Site

TEMPLATE = "{{ lookup('pipe', 'id') }}"


@pytest.mark.parametrize("address", ["kvm1", "kvm1.example.com", "192.0.2.7", "2001:db8::7", "a-b"])
def test_takes_names_and_addresses(address: str) -> None:
    assert SshHost(address).address == address


@pytest.mark.parametrize(
    "values",
    [
        {"address": TEMPLATE},
        {"address": "-oProxyCommand=id"},
        {"address": "a b"},
        {"address": "a\n"},
        {"address": ""},
        {"address": "a", "user": TEMPLATE},
        {"address": "a", "user": "-l"},
        {"address": "a", "port": 0},
        {"address": "a", "port": 65536},
        {"address": "a", "private_key": Path("/k/{{ x }}")},
        {"address": "a", "private_key": Path("relative")},
        {"address": "a", "known_hosts": Path("/k -o ProxyCommand=id")},
        {"address": "a", "python": Path("/usr/bin/python3;id")},
    ],
)
def test_refuses_what_ansible_or_ssh_could_take_for_more(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="is no "):
        SshHost(**values)  # type: ignore[arg-type] # a value of another type would be refused by its content as well


def test_refuses_a_state_folder_that_could_be_a_template() -> None:
    with pytest.raises(ValueError, match="brace"):
        document(LocalHost(), Path("/var/{{ x }}"))


def test_nothing_in_the_inventory_is_a_template_but_our_own_constant(tmp_path: Path) -> None:
    host = SshHost("kvm1", "admin", 2222, tmp_path / "key", tmp_path / "known", Path("/opt/python3"))

    assert "{{" not in json.dumps(document(host, tmp_path))
    assert json.dumps(document(LocalHost(), tmp_path)).count("{{") == 1


@pytest.mark.anyio
async def test_a_host_that_refuses_ssh_is_unreachable(site: Site, tmp_path: Path) -> None:
    site.write("reach", "- {name: Reach, ansible.builtin.ping: }")
    with socket.socket() as free:  # bound and not listening: nobody else can take the port
        free.bind(("127.0.0.1", 0))
        host = SshHost("127.0.0.1", port=free.getsockname()[1], known_hosts=tmp_path / "known_hosts")

        outcome = await site.run("reach", host=host)

    assert outcome.status is PlaybookStatus.FAILED
    assert outcome.failure is not None
    assert outcome.failure.unreachable
    assert outcome.failure.step == "Reach"
    assert "refused" in outcome.failure.message
