# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's first process: it makes the host's private world, starts its daemons in it and reaps what they leave.

As root the world is a PID, mount and UTS namespace, and the keeper is the PID namespace's first process: when it ends,
however it ends, the kernel ends every process of the host and with the last one the mounts go. For a user the keeper is
only the subreaper of libvirtd and its guests. Either way orphans are reaped at once, which libvirt waits for when it
destroys a guest.

Started by `lab.host` as ``python -m lab.keeper``; SIGHUP makes it start libvirtd and sshd where they do not run,
SIGTERM (the machine shuts down) makes it end.
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
        _make_accounts()
        configuration = Path("/etc/libvirt/libvirtd.conf")
    else:
        _call(libc.prctl, _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        configuration = Path(os.environ["XDG_CONFIG_HOME"]) / "libvirt/libvirtd.conf"
    libvirtd = [program("libvirtd"), "--config", str(configuration)]
    libvirtd += ["--pid-file", str(arguments.runtime / "libvirtd.pid")]
    daemons = [libvirtd]
    if arguments.hostname:
        libvirtd.append("--listen")
        log = str(arguments.folder / "log/sshd.log")
        daemons.append([program("sshd"), "-D", "-f", str(arguments.folder / "etc/sshd_config"), "-E", log])
    _keep(daemons)


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
    # sshd shuts those in there who have not shown their key yet
    Path("/run/sshd").mkdir()
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


def _make_accounts() -> None:
    """Give the host a root of its own to log in as, with a home in memory, and its own records of who logged in.

    The machine's root may have no shell, a locked account, or a home in which Ansible would leave its folders.
    """
    home, own = Path("/run/root"), Path("/run/own")
    home.mkdir(mode=0o700)
    own.mkdir(mode=0o700)
    others = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith("root:")]
    for place, content, mode in (
        ("/etc/passwd", "\n".join([f"root:x:0:0:root:{home}:/bin/sh", *others, ""]), 0o644),
        ("/etc/shadow", "root:*:19000:0:99999:7:::\n", 0o600),
        ("/var/log/btmp", "", 0o600),
        ("/var/log/lastlog", "", 0o600),
        ("/var/log/wtmp", "", 0o600),
    ):
        if Path(place).exists():
            file = own / Path(place).name
            file.write_text(content)
            file.chmod(mode)
            run("mount", "--bind", file, place)


def _keep(daemons: list[list[str]]) -> None:
    """Start the daemons, reap every child, start daemons that have ended again on SIGHUP; return on SIGTERM."""
    running = {_start(command): command for command in daemons}
    while True:
        received = signal.sigwait(_AWAITED)
        while (ended := _reap()) is not None:
            running.pop(ended, None)
        if received == signal.SIGTERM:
            return
        if received == signal.SIGHUP:
            for command in daemons:
                if command not in running.values():
                    running[_start(command)] = command


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
