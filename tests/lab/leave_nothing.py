# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a lab up and down in every state that it can be in, and look for what it leaves on the machine.

A program, not a test: `test_lab` runs it in PID, network and mount namespaces of its own, so that whatever is new in
them is this lab's.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

from lab.commands import run
from lab.host import Host
from lab.lab import Lab
from tests.lab.guests import Guest


def machine(lab: Lab) -> dict[str, object]:
    """Answer what a lab could leave behind."""
    rules = (run("iptables-save") + run("ip6tables-save")).splitlines()
    return {
        "processes": processes(),
        "mounts": Path("/proc/self/mounts").read_text().splitlines(),
        "links": sorted(name for _, name in socket.if_nameindex()),
        # the kernel's own chains stay: they hold no rule
        "rules": [line for line in rules if line.startswith("-A") or line.split(" ")[1:2] == ["-"]],
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "runtime": lab.layout.runtime.exists(),
        "folder": lab.layout.folder.exists(),
        "listening": listening(),
        "homes": [file.name for file in Path.home().iterdir()],
        "logs": {name: stamp(Path("/var/log", name)) for name in ("btmp", "lastlog", "wtmp")},
    }


def listening() -> list[str]:
    """Answer the addresses and ports of TCP on which somebody listens."""
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path("/proc/net", table).read_text().splitlines()]
    return [fields[1] for fields in lines if fields[3] == "0A"]


def stamp(file: Path) -> int | None:
    """Answer when the file was last written, None if there is none."""
    return file.stat().st_mtime_ns if file.exists() else None


def processes() -> list[str]:
    """Answer the command lines of all processes but this one, which is the namespace's first and reaps the others."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                break
        except ChildProcessError:
            break
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name != str(os.getpid()):
            found.append((folder / "cmdline").read_text().replace("\0", " ") or (folder / "comm").read_text())
    return sorted(found)


def kill_one_and_pause_another(hosts: list[Host]) -> None:
    """Leave a guest and a further network without their libvirtd, and a libvirtd that hangs."""
    further = hosts[0].status()["network"]["further"]
    definition = hosts[0].layout.runtime / "further.xml"
    address = ip_network(further["subnet"])[1]
    definition.write_text(
        f"<network><name>further</name><forward mode='nat'/><bridge name='{further['bridge']}'/>"
        f"<ip address='{address}' prefix='24'/></network>"
    )
    hosts[0].virsh("net-define", definition)
    hosts[0].virsh("net-start", "further")
    hosts[0].kill_libvirtd()
    hosts[1].pause_libvirtd()


def log_in_and_kill_sshd(hosts: list[Host]) -> None:
    """Leave somebody logged in, with a terminal, on a host whose sshd is gone; and libvirtd listening on TCP."""
    Lab(hosts[0].layout.lab.folder).up(tcp=True)
    ssh = str(hosts[0].layout.lab.ssh)
    with subprocess.Popen([ssh, "-tt", "host1", "echo ready; exec sleep 1000"], stdout=subprocess.PIPE) as session:
        assert session.stdout
        assert session.stdout.readline().strip() == b"ready"
        session.kill()
    # Ansible's modules may leave processes and files behind
    run(ssh, "host2", "mkdir -p ~/.ansible/tmp; touch $TMPDIR/left; setsid -f sleep 1000 >/dev/null 2>&1 </dev/null")
    for process in hosts[1].processes():
        if "listener" in process.command[0]:
            process.signal(signal.SIGKILL)


def kill_the_keepers(hosts: list[Host]) -> None:
    """Kill the hosts' first processes."""
    for host in hosts:
        for process in host.processes():
            if "lab.keeper" in process.command:
                process.signal(signal.SIGKILL)


def boot_again(hosts: list[Host]) -> None:
    """Do to a lab what a reboot of the machine does: processes, links and rules are gone, and so is /run."""
    kill_the_keepers(hosts)
    for host in hosts:
        run("ip", "link", "delete", host.layout.bridge)
        shutil.rmtree(host.layout.lab.runtime, ignore_errors=True)
    for command in ("iptables", "ip6tables"):
        for table in ("filter", "nat", "mangle"):
            run(command, "-t", table, "-F")
            run(command, "-t", table, "-X")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")


def come_up_again(lab: Lab) -> None:
    """Bring up what was disturbed, and see that it works."""
    lab.up()
    for host in lab.status()["hosts"]:
        assert host["network"]["active"], host
        assert all(pool["active"] for pool in host["pools"].values()), host
    servers = [process for process in processes() if "dnsmasq" in process and "leaseshelper" in process]
    # each network has two: one serves, one does for it what needs root
    assert len(servers) == 2 * len(lab.hosts), servers


def check(lab: Lab, disturb: Callable[[list[Host]], None], again: bool) -> None:
    """Bring the lab up, disturb it, bring it up again if asked to, and down; see what is left."""
    before = machine(lab)
    lab.up(hosts=2)
    with tempfile.TemporaryDirectory() as folder:
        Guest(lab.hosts[0], "left-running", Path(folder)).start()
        groups = {Path(f"/proc/{process.pid}/cgroup").read_text() for process in lab.hosts[0].processes()}
        assert groups == {Path("/proc/self/cgroup").read_text()}, f"cgroups of their own: {groups}"
        disturb(lab.hosts)
        if again:
            come_up_again(lab)
        lab.down()
    after = machine(lab)
    for what, was in before.items():
        assert after[what] == was, f"{what} after {disturb.__name__}: {after[what]}, before: {was}"


def main() -> None:
    """Try each state; end with a message and exit code 1 if one leaves something."""
    # the machine's labs keep their notes in /run, and the last of them restores what the first one found
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    run("ip", "link", "set", "lo", "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    lab = Lab(sys.argv[1])
    check(lab, kill_one_and_pause_another, again=False)
    check(lab, log_in_and_kill_sshd, again=False)
    check(lab, kill_the_keepers, again=True)
    check(lab, boot_again, again=True)


if __name__ == "__main__":
    main()
