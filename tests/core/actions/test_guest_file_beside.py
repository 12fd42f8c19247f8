# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written beside a guest's file is for its owner alone: an agent gives new files the mode 0666."""

import base64
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any, cast

import libvirt_qemu
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_file import place, set_file_mode, write_file
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_transfer import send_file
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain


class _Agent:
    """QEMU's agent as far as files need it, of this machine; the modes of the files that it wrote to."""

    def __init__(self) -> None:
        self.modes: list[int] = []
        self._file: Any = None
        self._ended: dict[str, Any] = {}

    def answer(self, _handle: Any, wanted: str, _patience: int, _flags: int) -> str:
        asked = json.loads(wanted)
        return json.dumps({"return": self._do(asked["execute"], asked.get("arguments", {}))})

    def _do(self, command: str, given: dict[str, Any]) -> Any:
        if command == "guest-exec":
            done = subprocess.run([given["path"], *given["arg"]], capture_output=True, check=False)
            outputs = (("out-data", done.stdout), ("err-data", done.stderr))
            self._ended = {name: base64.b64encode(content).decode() for name, content in outputs}
            self._ended.update({"exited": True, "exitcode": done.returncode})
            return {"pid": 1}
        if command == "guest-exec-status":
            return self._ended
        if command == "guest-file-open":
            is_new = not Path(given["path"]).exists()
            if is_new and given["mode"] == "rb":
                reason = "unable to execute QEMU agent command: failed to open file: No such file or directory"
                raise OperationFailed(reason)
            self._file = Path(given["path"]).open(given["mode"])  # noqa: SIM115  closed when it is told to
            if is_new:
                os.fchmod(self._file.fileno(), 0o666)  # as its safe_open_or_create does
        if command == "guest-file-write":
            self.modes.append(stat.S_IMODE(os.fstat(self._file.fileno()).st_mode))
            return {"count": self._file.write(base64.b64decode(given["buf-b64"])), "eof": False}
        if command == "guest-file-close":
            self._file.close()
        return 1


class _Handle:
    handle = None


GUEST = cast(Domain, _Handle())


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> _Agent:
    agent = _Agent()
    monkeypatch.setattr(libvirt_qemu, "qemuAgentCommand", agent.answer)
    monkeypatch.setattr(
        "ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_file.is_windows", lambda _domain: False
    )
    return agent


@pytest.mark.parametrize("name", ["secret", "-rf $(touch pwned) 'ü"])
def test_nobody_else_reads_or_writes_what_lies_beside(agent: _Agent, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"old")
    file.chmod(0o640)

    write_file(GUEST, str(file), b"new")

    assert agent.modes == [0o600]
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"new", 0o640)
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_is_nobody_else_s_before_it_has_its_mode(
    agent: _Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    before: list[int] = []

    def setting(domain: Domain, path: str, mode: str) -> None:
        before.append(stat.S_IMODE(file.stat().st_mode))
        set_file_mode(domain, path, mode)

    monkeypatch.setattr(f"{place.__module__}.set_file_mode", setting)
    assert place(GUEST, str(file), b"secret", "0640").changed

    assert before == [0o600]
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"secret", 0o640)
    assert place(GUEST, str(tmp_path / "open"), b"no secret").changed
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) & 0o044 == 0o044


def test_a_folder_that_is_not_there_is_told(agent: _Agent, tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match=r"find the file's folder in the guest: .*No such file"):
        write_file(GUEST, str(tmp_path / "none" / "file"), b"new")

    assert agent.modes == []


def test_what_is_sent_is_a_file_that_others_do_not_write_to(agent: _Agent, tmp_path: Path) -> None:
    send_file(GUEST, [b"new"], str(tmp_path / "-x"))

    assert stat.S_IMODE((tmp_path / "-x").stat().st_mode) & 0o022 == 0
    assert agent.modes != []
