# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for ``ansible-playbook``: ``launcher.py FOLDER PROGRAM [ARGUMENT …]``.

Started for each run, by its path and without site-packages, so it imports next to nothing (`_socket`: `socket` takes as
long as Python itself). The server and it speak in whole packets: the request with the three standard descriptors,
`READY`, `GO`, numbers of signals, and in the end the run's wait status. Until it has said `GO` it can still become the
program itself; from then on the run is the server's.
"""

from __future__ import annotations

import os
import sys
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socket
from typing import NoReturn

SOCKET = "socket"  # its name in FOLDER
READY = b"ready"
GO = b"go"
PATIENCE = 5.0  # seconds that either side waits for the other before the run has begun


def address(folder: int) -> str:
    """Answer the socket's address in the open ``folder``: a path may be longer than the 107 bytes allowed."""
    return f"/proc/self/fd/{folder}/{SOCKET}"


def pack(arguments: list[bytes], folder: bytes, variables: dict[bytes, bytes]) -> bytes:
    """Answer the request: the arguments, the working folder and the environment, none of which can hold a NUL."""
    parts = [str(len(arguments)).encode(), *arguments, folder]
    return b"\0".join([*parts, *(name + b"=" + value for name, value in variables.items())])


def unpack(request: bytes) -> tuple[list[bytes], bytes, dict[bytes, bytes]]:
    """Undo `pack`."""
    length, *parts = request.split(b"\0")
    arguments, (folder, *variables) = parts[: int(length)], parts[int(length) :]
    pairs = (variable.partition(b"=") for variable in variables)
    return arguments, folder, {name: value for name, _, value in pairs}


def main() -> NoReturn:
    """Run the program, warm or cold, and end as it ends."""
    folder, program, *arguments = sys.argv[1:]
    connection = _hand_over(folder, [program, *arguments])
    if connection is None:
        os.execv(program, [program, *arguments])  # noqa: S606 - that is what it stands for
    _stand_in(connection)


def _hand_over(folder: str, arguments: list[str]) -> socket | None:
    """Answer the connection to a server that is ready for the run, or None."""
    here = os.getcwdb()  # noqa: PTH109 - pathlib takes longer to import than all else
    request = pack([os.fsencode(argument) for argument in arguments], here, dict(os.environb))
    descriptors = b"".join(descriptor.to_bytes(4, sys.byteorder) for descriptor in range(3))
    connection = socket(AF_UNIX, SOCK_SEQPACKET)
    try:
        connection.settimeout(PATIENCE)
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            connection.connect(address(opened))
        finally:
            os.close(opened)
        connection.sendmsg([request], [(SOL_SOCKET, SCM_RIGHTS, descriptors)])
        if connection.recv(len(READY)) == READY:
            return connection
    except OSError:
        pass  # none is there, or it has ended: the run starts cold
    connection.close()
    return None


def _stand_in(connection: socket) -> NoReturn:
    """Let the run begin, pass signals on to it, and end as it ends."""
    _leave_terminal()
    connection.settimeout(None)
    connection.send(GO)
    import signal  # the run goes on meanwhile

    def pass_on(number: int, _: object) -> None:
        try:
            connection.send(bytes([number]))
        except OSError:
            pass  # it has just ended

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, pass_on)
    try:
        answer = connection.recv(8)
    except OSError:
        answer = b""
    # without an answer whoever knew it was killed, and the run with it
    status = int.from_bytes(answer, sys.byteorder) if answer else signal.SIGKILL
    if os.WIFSIGNALED(status):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what there was to dump, the run has dumped
        if os.WTERMSIG(status) != signal.SIGKILL:
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _leave_terminal() -> None:
    """Give up the terminal, which ansible-runner makes for each run, so that the run can have it."""
    import fcntl
    import termios

    try:
        fcntl.ioctl(0, termios.TIOCNOTTY)
    except OSError:
        pass  # it is none


if __name__ == "__main__":
    main()
