# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps one run: takes what the launcher gives, forks the playbook, tells the launcher how it ended.

The service finds a run's processes by their environment (`hostler.runner.processes`), and a fork shows the one that the
server was started with. So the keeper writes the run's over it, in its own memory, before anything of the run begins;
what it forks inherits that. Were the run to be ended in between, the launcher would be dead and never say `GO`.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostler.warm.launcher import GO, PATIENCE, READY, unpack

_LARGEST = 1024 * 1024  # bytes of a request; an environment of ours is about two thousand


@dataclass(frozen=True, slots=True)
class Request:
    """What the launcher was started with."""

    arguments: list[str]
    folder: bytes  # the working folder
    descriptors: list[int]  # standard input, output and error
    umask: int
    ignored: frozenset[int]  # signals
    variables: Mapping[bytes, bytes] = field(repr=False)


def keep(connection: socket.socket, shared: Mapping[bytes, bytes]) -> Request:
    """Answer the request in the process that is to fulfil it; the caller's never returns from here.

    :param shared: the variables that are the same in all runs.
    :raises OSError, ValueError: this is no run for a fork of the server; it starts cold.
    """
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)  # the pipe from the service
    os.close(null)
    connection.settimeout(PATIENCE)
    request = _receive(connection)
    if shared.items() - request.variables.items():
        raise ValueError("The run's environment is not the one that Ansible was imported with.")
    _take_environment(request.variables)
    connection.send(READY)
    if connection.recv(len(GO)) != GO:
        os._exit(1)  # the launcher is dead
    keeper = os.getpid()
    playbook = os.fork()
    if playbook == 0:
        connection.close()
        _die_with(keeper)
        return request
    for descriptor in request.descriptors:  # ansible-runner waits until nobody has its terminal open
        os.close(descriptor)
    _tell_the_end(connection, playbook)
    os._exit(0)


def _receive(connection: socket.socket) -> Request:
    """Take the request; raises OSError or ValueError where it is none."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", credentials)
    if uid != os.getuid():
        raise PermissionError(f"User {uid} has no business here.")
    packet, descriptors, _, _ = socket.recv_fds(connection, _LARGEST, 3)
    arguments, folder, variables = unpack(packet)
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    ignored = int(status["SigIgn"], 16)
    return Request(
        arguments=[os.fsdecode(argument) for argument in arguments],
        folder=folder,
        descriptors=descriptors,
        umask=int(status["Umask"], 8),
        ignored=frozenset(number for number in signal.valid_signals() if ignored >> (number - 1) & 1),
        variables=variables,
    )


def _take_environment(variables: Mapping[bytes, bytes]) -> None:
    """Make ``variables`` the environment, for this process and for who looks at it in ``/proc``.

    :raises ValueError: it has no room in the one that the server was started with.
    """
    os.environb.clear()  # so that nothing refers to the old ones' memory any more
    os.environb.update(variables)
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[47]), int(fields[48])  # env_start and env_end of proc_pid_stat(5)
    block = b"".join(name + b"=" + value + b"\0" for name, value in variables.items())
    if len(block) > end - start:
        raise ValueError("The run's environment is longer than the server's.")
    memory = os.open("/proc/self/mem", os.O_WRONLY)
    try:
        os.pwrite(memory, block.ljust(end - start, b"\0"), start)
    finally:
        os.close(memory)


def _die_with(keeper: int) -> None:
    """Have this process killed when the keeper is: a run that nobody waits for would go on unseen."""
    import ctypes

    pr_set_pdeathsig = 1  # prctl(2)
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != keeper:  # it was killed before
        os._exit(1)


def _tell_the_end(connection: socket.socket, playbook: int) -> None:
    """Wait for the playbook's process; pass signals on to it, and kill it if the launcher is killed."""
    ended = os.pidfd_open(playbook)
    events = select.poll()
    events.register(ended, select.POLLIN)
    events.register(connection, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in events.poll()]
        if ended in ready:
            break
        packet = connection.recv(1)
        if not packet:
            events.unregister(connection)
        os.kill(playbook, packet[0] if packet else signal.SIGKILL)
    _, status = os.waitpid(playbook, 0)
    try:
        connection.send(status.to_bytes(8, sys.byteorder))
    except OSError:
        pass  # the launcher was killed
