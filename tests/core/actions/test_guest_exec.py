# SPDX-License-Identifier: GPL-3.0-or-later
"""What can't be run in a guest is refused before its agent is asked. What can is tried in tests/collection."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_exec import Command, validate_command
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (Command(()), "argv"),
        (Command(("",)), "argv"),
        (Command(("ls", "a\0b")), "argv.1"),
        (Command(("ls", "\ud800")), "argv.1"),
        (Command(("ls",), env={"A=B": "c"}), "env"),
        (Command(("ls",), env={"": "c"}), "env"),
        (Command(("ls",), env={"A": "\0"}), "env.A"),
        (Command(("ls",), stdin=bytes(64 * 1024 + 1)), "stdin"),
        (Command(("ls",), timeout=-1), "timeout"),
    ],
)
def test_what_can_not_be_run_is_named(command: Command, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_command(command)
    assert caught.value.field == field


def test_what_only_looks_wild_is_run() -> None:
    command = Command(("echo", "$(id); {{ x }} 'ü'"), bytes(64 * 1024), {"A": "=b"})

    assert validate_command(command) == command
