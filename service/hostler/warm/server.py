# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that has Ansible imported: ``python -P -m hostler.warm.server FOLDER [VARIABLE …]``.

It listens in FOLDER and forks for each run. What it is started with is the environment of all runs (Ansible reads its
configuration when it is imported); the VARIABLEs are those that differ from run to run. It reads nothing that a run
sends, so no run can leave anything in it. Standard input is a pipe from the service: it ends with that.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path

from hostler.warm.keeper import keep
from hostler.warm.launcher import address
from hostler.warm.playbook import forget_the_server, load_ansible, run_playbook


def main() -> None:
    """Serve until the service ends."""
    folder, *of_run = sys.argv[1:]
    shared = {name: value for name, value in os.environb.items() if os.fsdecode(name) not in of_run}
    load_ansible()
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        sys.exit("Something that Ansible imports has started a thread: forking would not be safe.")
    gc.collect()
    gc.freeze()  # a fork's collector would copy every page that it looks at
    _rehearse()
    connection = _fork_for_runs(Path(folder))
    try:
        request = keep(connection, shared)
    except BaseException:  # noqa: BLE001 - its own end, and not the server's
        traceback.print_exc()
        os._exit(1)
    run_playbook(request)


def _rehearse() -> None:
    """End the server if this version of Ansible can't be made as if just started."""
    rehearsal = os.fork()
    if rehearsal == 0:
        try:
            forget_the_server()
        except BaseException:  # noqa: BLE001 - told of on standard error, which the service reads
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(rehearsal, 0)
    if status:
        sys.exit("A fork can't be made fresh with this version of Ansible.")


def _fork_for_runs(folder: Path) -> socket.socket:
    """Accept connections; answer each in a fork of its own, and never in the server itself."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    listener.bind(address(opened))
    os.close(opened)
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the keepers
    events = select.poll()
    events.register(listener, select.POLLIN)
    events.register(sys.stdin, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in events.poll()]
        if sys.stdin.fileno() in ready:
            sys.exit()  # the service has ended
        connection, _ = listener.accept()
        try:
            if os.fork() == 0:
                listener.close()
                return connection
        except OSError as error:  # no memory, or too many processes: the run starts cold
            print(error, file=sys.stderr)  # noqa: T201 - the service keeps what is said there
        connection.close()


if __name__ == "__main__":
    main()
