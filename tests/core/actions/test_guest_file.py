# SPDX-License-Identifier: GPL-3.0-or-later
"""What names no file of a guest, and what is shown of one. Real files are in tests/collection."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_file import (
    Placed,
    read_file,
    validate_mode,
    validate_path,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.core.actions.guests import named
from tests.core.actions.in_guest import booted, said


@pytest.mark.parametrize("path", ["", "x", "./x", "~/x", "-rf", "/a\0b", "C:x"])
def test_a_path_that_depends_on_where_the_agent_stands_is_refused(path: str) -> None:
    with pytest.raises(InvalidSpec, match="path: must be absolute"):
        validate_path(path)


@pytest.mark.parametrize("path", ["/", "/-rf $(id)", "C:\\x", "c:/x"])
def test_a_full_path_is_taken_as_it_is(path: str) -> None:
    assert validate_path(path) == path


@pytest.mark.parametrize("mode", ["", "u+x", "644 ", "9", "777777", "0o644"])
def test_permissions_are_octal_digits(mode: str) -> None:
    with pytest.raises(InvalidSpec, match="mode: must be octal digits"):
        validate_mode(mode)


def test_permissions_are_compared_without_leading_zeros() -> None:
    assert [validate_mode(mode) for mode in ("0644", "644", "04755")] == ["644", "644", "4755"]


def test_a_diff_shows_text_and_counts_what_is_none() -> None:
    assert Placed(None, b"a\n", None, "644").diff() == {
        "before": {"content": None, "mode": None},
        "after": {"content": "a\n", "mode": "644"},
    }
    assert Placed(b"\xff", bytes(70000), "644", "644").diff() == {
        "before": {"content": "(1 bytes)"},
        "after": {"content": "(70000 bytes)"},
    }
    assert not Placed(b"a", b"a", "644", "644").changed


@pytest.mark.lab
@pytest.mark.slow
def test_a_file_without_end_is_not_read_for_ever(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = booted(hypervisor, lab_host, "endless")
    said(hypervisor, vm.uuid, "ln -s /dev/zero /root/small")
    domain = hypervisor.domain(named(hypervisor, "endless").uuid)

    with pytest.raises(OperationFailed, match="/root/small: it has more than 65536 bytes"):
        read_file(domain, "/root/small", most=65536)
    assert said(hypervisor, vm.uuid, "echo listens").strip() == "listens"
    domain.destroy()
