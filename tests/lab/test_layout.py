# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and places follow from the lab's folder, and keep the limits of the kernel."""

from pathlib import Path

from lab.layout import SOCKET_PATH_LIMIT, LabLayout

DEEP = Path("/home/somebody", *(["a-rather-deep-folder"] * 12))
INTERFACE_NAME_LIMIT = 15


def test_sockets_of_a_users_guests_fit_however_deep_the_lab_is() -> None:
    for index in (1, 9):
        assert len(str(LabLayout(DEEP, uid=60000).host(index).longest_socket)) <= SOCKET_PATH_LIMIT


def test_socket_of_roots_host_fits_however_deep_the_lab_is() -> None:
    assert len(str(LabLayout(DEEP, uid=0).host(9).socket)) <= SOCKET_PATH_LIMIT


def test_uri_is_of_the_system_for_root_and_of_the_session_for_a_user() -> None:
    assert LabLayout(Path("/lab"), uid=0).host(1).uri.startswith("qemu:///system?socket=/run/hostler-")
    assert LabLayout(Path("/lab"), uid=1000).host(1).uri.startswith("qemu:///session?socket=/tmp/hostler-")


def test_bridge_names_fit_and_differ_by_lab_and_by_host() -> None:
    hosts = [LabLayout(Path(folder), uid=0).host(index) for folder in ("/a", "/b") for index in (1, 9)]
    names = {host.bridge for host in hosts}
    assert len(names) == len(hosts)
    assert all(len(name) <= INTERFACE_NAME_LIMIT for name in names)


def test_labs_of_two_users_in_one_folder_share_nothing() -> None:
    one, other = (LabLayout(Path("/shared"), uid).host(1) for uid in (1000, 1001))
    assert one.runtime != other.runtime
    assert one.uuid != other.uuid


def test_a_host_keeps_its_uuid() -> None:
    assert LabLayout(Path("/lab"), uid=0).host(2).uuid == LabLayout(Path("/lab"), uid=0).host(2).uuid
