# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that the service starts, and the collection that it and its playbooks share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from hostler import __version__
from hostler.dispatch import Action, executor_of
from hostler.doctor.finding import Finding, failed, ok
from hostler.hosts.models import AnsibleConnection, Server
from hostler.jobs.models import Executor
from hostler.runner.environment import collections_folder
from hostler.settings import Settings

_ANSIBLE_SECONDS = 30
_INSTALL = "Install Hostler anew: pip brings ansible-core and the collection along"


def search_path() -> str:
    """Where programs are looked for, as for playbooks: beside this one's Python first."""
    return os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])


def ansible(path: str) -> Finding:
    """Whether ansible-playbook is there, and starts."""
    program = shutil.which("ansible-playbook", path=path)
    if program is None:
        return failed("ansible-playbook", f"There is no ansible-playbook on PATH ({path})", _INSTALL)
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": path, "HOME": home, "ANSIBLE_HOME": home, "LANG": "C.UTF-8"}
        try:
            done = subprocess.run(
                [program, "--version"],
                env=environment,
                cwd=home,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_ANSIBLE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return failed("ansible-playbook", f"{program} does not start: {error}", _INSTALL)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return failed("ansible-playbook", f"{program} ends with {done.returncode}: {said}", _INSTALL)
    return ok("ansible-playbook", f"{program} starts ({done.stdout.splitlines()[0]})")


def our_playbooks() -> Path | None:
    """The folder of our own playbooks, None where the collection is not there."""
    try:
        folder = collections_folder() / "ansible_collections/hostler/libvirt/playbooks"
    except RuntimeError:
        return None
    return folder if folder.is_dir() else None


def collection(settings: Settings, folder: Path | None) -> Finding:
    """Whether the collection is there, with every playbook that the service runs."""
    if folder is None:
        return failed("collection", "The collection hostler.libvirt is not installed beside the service", _INSTALL)
    wanted = [action.value for action in Action if executor_of(action, settings) is Executor.PLAYBOOK]
    own = settings.playbooks_dir
    absent = [
        name
        for name in wanted
        if not (folder / f"{name}.yml").is_file() and not (own is not None and (own / f"{name}.yml").is_file())
    ]
    if absent:
        return failed("collection", f"The collection lacks the playbooks {', '.join(absent)} ({folder})", _INSTALL)
    runs = f"; by playbook: {', '.join(wanted)}" if wanted else ""
    return ok("collection", f"The collection hostler.libvirt {__version__} is in {folder.parent}{runs}")


async def tools(path: str) -> Finding:
    """Whether the programs are there that reaching the hosts takes."""
    servers = await Server.filter(enabled=True)
    by_ssh = [
        server.hostname
        for server in servers
        if "+ssh:" in server.libvirt_uri or server.ansible_connection == AnsibleConnection.SSH.value
    ]
    if not by_ssh:
        return ok("tools", "No server is reached by ssh, so no further program is needed")
    program = shutil.which("ssh", path=path)
    if program is None:
        message = f"There is no ssh on PATH, by which {', '.join(by_ssh[:5])} is reached"
        return failed("tools", message, "Install the package openssh-client")
    return ok("tools", f"{program} is there, by which servers are reached ({len(by_ssh)})")
