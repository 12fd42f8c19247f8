# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a program in a guest, over its agent: no network is needed, and no login."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    GuestTimeout,
    InvalidSpec,
    Unsupported,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts, field_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.agent import (
    MOST_SENT,
    ask_agent,
    said,
    said_bytes,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain

_WINDOWS = "mswindows"
_FIRST_LOOK_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.5
_PATIENCE = 10
_LEAST_SECONDS = 0.001  # one that may take no time is looked at once
_SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MOST_OUTPUT = 1024 * 1024
"""How many bytes of each output are brought."""
# libvirt loses an agent whose answer is larger than it likes (10 MiB), until the agent is started anew. So a shell
# keeps the outputs aside, and lets no more of them through than goes into an answer.
_BOUNDED = f"""
kept=$(mktemp -d) || exit 126
"$@" >"$kept/out" 2>"$kept/err"
code=$?
head -c {MOST_OUTPUT + 1} "$kept/out"
head -c {MOST_OUTPUT + 1} "$kept/err" >&2
rm -rf "$kept"
exit $code
"""
_OF_A_SIGNAL = 128  # what a shell adds to a signal's number to make an exit code of it


@dataclass(frozen=True)
class Command:
    """A program with its arguments, its standard input and what is added to its environment."""

    argv: Tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float = field(default=60, metadata=facts("How long it may take.", unit="s", minimum=0))


@dataclass(frozen=True)
class Ended:
    """How a program ended. ``exit_code`` is 128 and its number for a signal; ``truncated``: output is missing."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False


def is_windows(domain: Domain) -> bool:
    """Whether the guest's system is Windows; of one whose agent can't tell it is taken for another."""
    try:
        return said(ask_agent(domain, "guest-get-osinfo"), "id", str, "") == _WINDOWS
    except Unsupported:
        return False


def shell_line(domain: Domain, line: str) -> List[str]:
    """The arguments with which the guest's shell runs ``line``."""
    return ["cmd.exe", "/c", line] if is_windows(domain) else ["/bin/sh", "-c", line]


def validate_command(command: Command) -> Command:
    """``command`` if it can be run; raises `InvalidSpec`."""
    errors = [*field_errors(command), *_errors(command)]
    if errors:
        raise InvalidSpec(errors)
    return command


def execute(domain: Domain, command: Command, windows: Optional[bool] = None) -> Ended:
    """Run the program in the guest and wait for its end. Who knows what `is_windows` says tells it in ``windows``.

    Raises what `ask_agent` does, and `GuestTimeout` for a program that takes longer: it runs on, as the agent can't
    end it.
    """
    command = validate_command(command)
    arguments = _arguments(command, is_windows(domain) if windows is None else windows)
    told = ended(run_to_its_end(domain, arguments, command.timeout or _LEAST_SECONDS))
    cut = told.truncated or len(told.stdout) > MOST_OUTPUT or len(told.stderr) > MOST_OUTPUT
    return Ended(told.exit_code, told.stdout[:MOST_OUTPUT], told.stderr[:MOST_OUTPUT], cut)


def run_to_its_end(
    domain: Domain, arguments: Mapping[str, Any], timeout: float, patience: int = _PATIENCE
) -> Mapping[str, Any]:
    """What ``guest-exec-status`` says when the program of ``guest-exec``'s ``arguments`` has ended.

    ``timeout`` is in seconds, 0 for as long as it takes; ``patience`` for each answer of the agent. Raises what
    `execute` does.
    """
    began = time.monotonic()
    pid = said(ask_agent(domain, "guest-exec", arguments, patience), "pid", int)
    while True:
        status: Mapping[str, Any] = ask_agent(domain, "guest-exec-status", {"pid": pid}, patience)
        if said(status, "exited", bool):
            return status
        took = time.monotonic() - began
        if timeout and took >= timeout:
            raise GuestTimeout(
                f"The program did not end within {timeout:g} s; it runs on in the guest as process {pid}"
            )
        # seldom enough for a program that takes long, and soon enough for one that does not
        time.sleep(min(max(_FIRST_LOOK_SECONDS, took / 8), _LONGEST_PAUSE_SECONDS))


def _arguments(command: Command, windows: bool) -> Dict[str, Any]:
    argv = list(command.argv)
    environment = dict(command.env)
    if not windows:
        argv = ["/bin/sh", "-c", _BOUNDED, "sh", *argv]
        if environment:  # the agent would pass nothing else on
            environment = {"PATH": _SEARCHED, **environment}
    arguments: Dict[str, Any] = {"path": argv[0], "arg": argv[1:], "capture-output": True}
    if environment:
        arguments["env"] = [f"{name}={value}" for name, value in environment.items()]
    if command.stdin:
        arguments["input-data"] = base64.b64encode(command.stdin).decode()
    return arguments


def ended(status: Mapping[str, Any]) -> Ended:
    """How a program ended, by what ``guest-exec-status`` says of it."""
    signal = said(status, "signal", int, 0)
    stdout, stderr = (said_bytes(status, f"{name}-data", "") for name in ("out", "err"))
    return Ended(
        exit_code=_OF_A_SIGNAL + signal if signal else said(status, "exitcode", int, 0),
        stdout=stdout,
        stderr=stderr,
        truncated=bool(status.get("out-truncated") or status.get("err-truncated")),
    )


def _errors(command: Command) -> Iterator[FieldError]:
    if not command.argv or not command.argv[0]:
        yield FieldError("argv", "names no program")
    for index, argument in enumerate(command.argv):
        yield from _text_errors(f"argv.{index}", argument)
    for name, value in command.env.items():
        if not name or "=" in name:
            yield FieldError("env", f"'{name}' is no variable's name")
        yield from _text_errors(f"env.{name}", f"{name}={value}")
    if len(command.stdin) > MOST_SENT:
        yield FieldError("stdin", f"must be at most {MOST_SENT // 1024} KiB: more goes into a file of the guest")


def _text_errors(path: str, text: str) -> Iterator[FieldError]:
    if "\0" in text:
        yield FieldError(path, "must not hold a NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        yield FieldError(path, "must be text that can be written as UTF-8")
