# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's agent is whoever owns the guest: what it answers keeps nobody waiting for ever and breaks nothing here."""

import json
from collections.abc import Callable
from typing import Any, cast

import libvirt_qemu
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_exec import Command, execute, is_windows
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_shell import ShellLine, run_line
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_transfer import fill_file, pieces_of_file
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain

HONEST = {
    "guest-exec": {"pid": 1},
    "guest-exec-status": {"exited": True, "exitcode": 0, "out-data": "Cg=="},
    "guest-file-open": 1,
    "guest-file-close": {},
    "guest-file-flush": {},
    "guest-file-write": {"count": 1, "eof": False},
    "guest-file-read": {"count": 0, "buf-b64": "", "eof": True},
}
_ENOUGH = 1000


class _Handle:
    handle = None


GUEST = cast(Domain, _Handle())


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Have the agent answer one of its commands with this text."""

    def lying(command: str, text: str) -> None:
        asked: list[str] = []

        def answer(_handle: Any, wanted: str, _patience: int, _flags: int) -> str:
            name = json.loads(wanted)["execute"]
            asked.append(name)
            assert len(asked) < _ENOUGH, "it is asked for ever"
            return text if name == command else json.dumps({"return": HONEST[name]})

        monkeypatch.setattr(libvirt_qemu, "qemuAgentCommand", answer)

    return lying


@pytest.mark.parametrize("count", [0, -1, 4, "3", None, 1.0, True])
def test_what_it_says_to_have_written_is_not_believed(lying: Any, count: Any) -> None:
    lying("guest-file-write", json.dumps({"return": {"count": count, "eof": False}}))

    with pytest.raises(OperationFailed, match="makes no sense"):
        fill_file(GUEST, "/x", [b"abc"])


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"return": 7}', '{"return": null}', "[" * 100_000])
@pytest.mark.parametrize("command", ["guest-exec", "guest-exec-status", "guest-file-read"])
def test_what_is_no_answer_is_told_as_such(lying: Any, command: str, text: str) -> None:
    lying(command, text)

    with pytest.raises(OperationFailed, match="makes no sense"):
        if command == "guest-file-read":
            list(pieces_of_file(GUEST, "/x"))
        else:
            execute(GUEST, Command(("true",)), windows=False)


@pytest.mark.parametrize(
    "status",
    [
        {"exited": True, "exitcode": "0"},
        {"exited": True, "signal": []},
        {"exited": True, "out-data": 7},
        {"exited": True, "out-data": "a"},
        {"exited": True, "err-data": "\u00fc"},
        {"exited": "yes"},
    ],
)
def test_an_end_that_can_be_none_is_told_as_such(lying: Any, status: dict[str, Any]) -> None:
    lying("guest-exec-status", json.dumps({"return": status}))

    with pytest.raises(OperationFailed, match="makes no sense"):
        run_line(GUEST, ShellLine("true"))


def test_a_system_that_can_be_none_is_told_as_such(lying: Any) -> None:
    lying("guest-get-osinfo", '{"return": []}')

    with pytest.raises(OperationFailed, match="makes no sense"):
        is_windows(GUEST)
