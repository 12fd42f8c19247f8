# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for a guest's shell, with standard input and output of any size, over its agent.

One message to the agent carries little, and libvirt loses an agent whose answer is too large. So what is larger lies
for a moment in a folder of the guest that only the agent's user (root) looks into.
"""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass
from typing import Any, Dict

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_exec import Ended, ended, run_to_its_end
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_transfer import (
    fill_file,
    pieces_in,
    pieces_of_file,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.agent import MOST_SENT
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain

_FOLDER = "/run/hostler-agent"
_MOST_PRINTED = 1024 * 1024

# Arguments: what the files are called, "stdin" if there is a file of it, the shell, its line. An agent has no home as a
# rule, and maybe no PATH. find looks for what is larger than may be printed, in units of 512 bytes.
_SCRIPT = f"""
[ -d {_FOLDER} ] || mkdir -m 700 -p {_FOLDER} || exit 126
f={_FOLDER}/$1
[ -z "$2" ] || exec <"$f.stdin"
case ${{HOME-}} in "" | /) HOME=~root ;; esac
: "${{PATH:=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}}"
export HOME PATH
"$3" -c "$4" >"$f.out" 2>"$f.err"
code=$?
large=
if [ -s "$f.out" ] || [ -s "$f.err" ]; then
    large=$(find "$f.out" "$f.err" -size +{_MOST_PRINTED // 512})
fi
if [ -n "$large" ]; then
    echo large
else
    echo
    [ ! -s "$f.out" ] || cat "$f.out"
    [ ! -s "$f.err" ] || cat "$f.err" >&2
    rm -f "$f.out" "$f.err" "$f.stdin" </dev/null >/dev/null 2>&1 &
fi
exit $code
"""
_MAKE_FOLDER = f"mkdir -m 700 -p {_FOLDER}"
_FORGET = 'rm -f "$1.out" "$1.err" "$1.stdin"'


@dataclass(frozen=True)
class ShellLine:
    """A line for a shell of the guest, ``/bin/sh`` or one like it.

    ``timeout`` is in seconds, 0 for as long as it takes; ``patience``, in seconds, is for each answer of the agent.
    """

    line: str
    stdin: bytes = b""
    shell: str = "/bin/sh"
    timeout: float = 0
    patience: int = 20


def run_line(domain: Domain, wanted: ShellLine) -> Ended:
    """Run it, and wait for its end. All that it printed is there.

    Raises what `ask_agent` does, `GuestTimeout` for one that takes longer (it runs on), and `OperationFailed` for a
    guest in which nothing can be put aside, and for a line of more than `MOST_SENT` bytes.
    """
    token = uuid.uuid4().hex
    room = MOST_SENT - len(json.dumps(wanted.line))
    if room < 0:
        raise OperationFailed(f"The line is too long for the guest's agent: it has more than {MOST_SENT // 1024} KiB")
    beside = len(wanted.stdin) > room
    if beside:
        _put_aside(domain, token, wanted)
    arguments: Dict[str, Any] = {
        "path": "/bin/sh",
        "arg": ["-c", _SCRIPT, "sh", token, "stdin" if beside else "", wanted.shell, wanted.line],
        "capture-output": True,
    }
    if wanted.stdin and not beside:
        arguments["input-data"] = base64.b64encode(wanted.stdin).decode()
    status = run_to_its_end(domain, arguments, wanted.timeout, wanted.patience)
    return _outputs(domain, token, ended(status), wanted)


def _outputs(domain: Domain, token: str, told: Ended, wanted: ShellLine) -> Ended:
    mark, newline, stdout = told.stdout.partition(b"\n")
    if not newline:  # not even the folder could be made
        reason = told.stderr.decode(errors="replace").strip() or f"exit code {told.exit_code}"
        raise OperationFailed(f"Failed to run anything in the guest: {reason}")
    if not mark:
        return Ended(told.exit_code, stdout, told.stderr)
    try:
        kept = [b"".join(pieces_of_file(domain, f"{_FOLDER}/{token}.{name}")) for name in ("out", "err")]
    finally:
        _quietly(domain, wanted, _FORGET, f"{_FOLDER}/{token}")
    return Ended(told.exit_code, kept[0], kept[1])


def _put_aside(domain: Domain, token: str, wanted: ShellLine) -> None:
    path = f"{_FOLDER}/{token}.stdin"
    try:
        fill_file(domain, path, pieces_in(wanted.stdin))
    except OperationFailed:  # the folder is not there: this is the first line since the guest was started
        made = _quietly(domain, wanted, _MAKE_FOLDER)
        if made:
            raise OperationFailed(f"Failed to put anything aside in the guest: {made}") from None
        fill_file(domain, path, pieces_in(wanted.stdin))


def _quietly(domain: Domain, wanted: ShellLine, *argv: str) -> str:
    """Run a line with arguments, and answer what was wrong with it, "" for nothing."""
    script, rest = argv[0], argv[1:]
    arguments: Dict[str, Any] = {"path": "/bin/sh", "arg": ["-c", script, "sh", *rest], "capture-output": True}
    try:
        told = ended(run_to_its_end(domain, arguments, wanted.timeout, wanted.patience))
    except HostlerError as error:
        return error.message
    return "" if told.exit_code == 0 else told.stderr.decode(errors="replace").strip() or f"exit code {told.exit_code}"
