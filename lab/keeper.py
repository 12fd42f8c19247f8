# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's first process: it makes the host's private world, starts libvirtd in it and reaps what libvirtd leaves.

As root the world is a PID, mount and UTS namespace, and the keeper is the PID namespace's first process: when it ends,
however it ends, the kernel ends every process of the host and with the last one the mounts go. For a user the keeper is
only the subreaper of libvirtd and its guests. Either way orphans are reaped at once, which libvirt waits for when it
destroys a guest.

Started by `lab.host` as ``python -m lab.keeper``; SIGHUP makes it start libvirtd when that does not run, SIGTERM (the
machine shuts down) makes it end.
"""

import argparse
import ctypes
import os
import signal
import socket
import subprocess
from pathlib import Path

from lab.commands import program, run

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWPID = 0x00020000, 0x04000000, 0x20000000  # linux/sched.h
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

_KEPT_OF_RUN = ("NetworkManager", "resolvconf", "systemd/resolve", "udev", "xtables.lock")
"""What of the machine's /run the host goes on seeing: name servers, devices, the firewall's lock. Not the system bus:
over it libvirt would register its guests with the machine's systemd."""

_AWAITED = {signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM}


def main() -> None:
    """Become the keeper, as the arguments say. The calling process ends at once; the keeper is its child."""
    parser = argparse.ArgumentParser(prog="lab.keeper")
    parser.add_argument("--runtime", type=Path, required=True, help="the host's folder of sockets")
    parser.add_argument("--folder", type=Path, required=True, help="what the host keeps")
    parser.add_argument("--hostname", help="of a host with namespaces of its own")
    arguments = parser.parse_args()
    libc = ctypes.CDLL(None, use_errno=True)
    if arguments.hostname:
        _call(libc.unshare, _CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWPID)
    if os.fork():
        return
    # signals that came before the loop waits for them must not be lost
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    if arguments.hostname:
        socket.sethostname(arguments.hostname)
        _make_mounts(arguments.runtime, arguments.folder)
        configuration = Path("/etc/libvirt/libvirtd.conf")
    else:
        _call(libc.prctl, _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        configuration = Path(os.environ["XDG_CONFIG_HOME"]) / "libvirt/libvirtd.conf"
    _keep([program("libvirtd"), "--config", str(configuration), "--pid-file", str(arguments.runtime / "libvirtd.pid")])


def _call(function: "ctypes._NamedFuncPointer", *arguments: int) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), function.__name__)


def _make_mounts(runtime: Path, folder: Path) -> None:
    """Put the host's own folders in the places where libvirt's stand, seen from here on by nobody else."""
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "proc", "proc", "/proc")
    machine = os.open("/run", os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(machine, True)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in (runtime.parent.name, *_KEPT_OF_RUN):
        source, target = Path(f"/proc/self/fd/{machine}/{name}"), Path("/run", name)
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                target.mkdir()
            else:
                target.touch()
            # mount would make the source's path /run/… again, which is something else by now
            command = [program("mount"), "--no-canonicalize", "--bind", str(source), str(target)]
            subprocess.run(command, pass_fds=[machine], check=True)
    os.close(machine)
    # libvirtd locks the serial console there that it opens for somebody
    Path("/run/lock").mkdir()
    Path("/run/libvirt").mkdir()
    for own, place in (
        (runtime, "/run/libvirt"),
        (folder / "etc", "/etc/libvirt"),
        (folder / "lib", "/var/lib/libvirt"),
        (folder / "cache", "/var/cache/libvirt"),
        (folder / "log", "/var/log/libvirt"),
        (folder / "swtpm-log", "/var/log/swtpm"),
        (folder / "swtpm-ca", "/var/lib/swtpm-localca"),
    ):
        if Path(place).is_dir():
            own.mkdir(exist_ok=True)
            run("mount", "--bind", own, place)
    # libvirtd makes folders of its own in every hugetlbfs that it finds, and those are the machine's
    for mount in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = mount.split()
        if kind == "hugetlbfs":
            run("umount", place)


def _keep(libvirtd: list[str]) -> None:
    """Start libvirtd, reap every child, start libvirtd again on SIGHUP if it has ended; return on SIGTERM."""
    daemon: int | None = _start(libvirtd)
    while True:
        received = signal.sigwait(_AWAITED)
        while (ended := _reap()) is not None:
            if ended == daemon:
                daemon = None
        if received == signal.SIGTERM:
            return
        if received == signal.SIGHUP and daemon is None:
            daemon = _start(libvirtd)


def _start(command: list[str]) -> int:
    return os.posix_spawn(command[0], command, os.environ, setsigmask=())


def _reap() -> int | None:
    """Reap one child that has ended and answer its id, None if there is none."""
    try:
        pid, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return pid or None


if __name__ == "__main__":
    main()
