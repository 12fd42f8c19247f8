# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that are chosen are nobody's."""

import socket
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.ports import Ports, choose_ports, port_is_free


def test_ports_that_somebody_listens_on_are_left_out() -> None:
    assert choose_ports(5, lambda port: port not in {20005, 20007}) == Ports(ssh=20006, tls=20008, tcp=20009)


def test_after_the_last_port_comes_the_first() -> None:
    assert choose_ports(9999, lambda _: True) == Ports(ssh=29999, tls=20000, tcp=20001)


def test_no_free_port_is_an_error_that_names_the_range() -> None:
    with pytest.raises(LabError, match="no three free TCP ports from 20000 to 29999"):
        choose_ports(0, lambda port: port < 20002)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - that is what is tested
def test_port_is_taken_while_somebody_listens(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        assert not port_is_free(port)
    assert port_is_free(port)


def test_ports_are_kept_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    assert Ports.read(file) is None
    Ports(ssh=1, tls=2, tcp=3).write(file)
    assert Ports.read(file) == Ports(ssh=1, tls=2, tcp=3)
    file.write_text('{"ssh": 1}')
    with pytest.raises(LabError, match=r"ports\.json is damaged; start anew"):
        Ports.read(file)
