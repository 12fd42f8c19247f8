# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping a process at hand that has Ansible imported (`hostler.warm`), so that runs start in a fork of it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from hostler.credentials.secrets import variables_in
from hostler.runner import environment
from hostler.runner.folder import private_folder
from hostler.warm import launcher

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger(__name__)

_PAUSE = 60.0  # seconds before one that ended by itself is started again: an ansible.cfg may be wrong

Stamp = tuple[tuple[str, int, int, int], ...]


class WarmStart:
    """At most one server, looked after by whichever run comes next; used from several threads."""

    def __init__(self, state_dir: Path, variables: Mapping[str, str]) -> None:
        """Make one; no process is started yet.

        :param variables: the environment that all runs share.
        """
        self._state_dir = state_dir
        self._variables = variables
        packages = environment.packages_folder()
        collection = environment.collections_folder() / "ansible_collections/hostler/libvirt"
        self._installed = [packages, packages / "ansible", collection / "plugins", Path("/etc/localtime")]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._made = contextlib.ExitStack()
        self._stamp: Stamp = ()
        self._not_before = 0.0  # by time.monotonic()
        self._closed = False

    def command(self, command: list[str]) -> list[str]:
        """Answer the command that runs ``command``, which is ``ansible-playbook`` with its arguments, warm."""
        self.look_after()
        program = shutil.which(command[0], path=self._variables["PATH"])
        folder = self._folder
        if program is None or folder is None:
            return command
        return [sys.executable, "-I", "-S", launcher.__file__, str(folder), program, *command[1:]]

    def look_after(self) -> None:
        """Start a server if there is none, or another in place of a stale one; waits for neither to be ready."""
        with self._lock:
            if self._closed:
                return
            stamp = _stamp([Path(self._variables["ANSIBLE_CONFIG"]), *self._installed])
            if self._process is not None:
                if self._process.poll() is not None:
                    self._tell_of_death(self._process)
                elif stamp == self._stamp:
                    return
                self._end()
            if time.monotonic() < self._not_before:
                return
            try:
                self._start(stamp)
            except OSError as error:
                self._end()
                self._tell("the warm start's process can't be started; runs start cold", reason=str(error))

    def is_ready(self) -> bool:
        """Answer whether a run would start warm."""
        with self._lock:
            alive = self._process is not None and self._process.poll() is None
            return alive and self._folder is not None and (self._folder / launcher.SOCKET).exists()

    def close(self) -> None:
        """End the server. Runs that it has forked go on."""
        with self._lock:
            self._closed = True
            self._end()

    def _start(self, stamp: Stamp) -> None:
        folder = self._made.enter_context(private_folder(self._state_dir, "warm"))
        # The forks write their run's variables over the server's, so there has to be room: the name of this folder is
        # longer than a run's.
        of_run = environment.of_run(folder, folder / "artifacts" / "run")
        of_run |= variables_in(folder / "credential")
        (folder / "tmp").mkdir(mode=0o700)
        with (folder / "said").open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "hostler.warm.server", str(folder), *of_run],
                env={**self._variables, **of_run},
                cwd=folder,
                stdin=subprocess.PIPE,  # never written to: it closes when the service ends, however it ends
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,  # Ctrl+C is for the service
            )
        self._folder, self._stamp = folder, stamp

    def _end(self) -> None:
        """End the server and delete its folder; it has nothing that it could lose."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = self._folder = None
        self._made.close()

    def _tell_of_death(self, process: subprocess.Popen[bytes]) -> None:
        said = (self._folder / "said").read_text(errors="replace").strip() if self._folder else ""
        self._tell("the warm start's process has ended; runs start cold", code=process.returncode, said=said[-1000:])

    def _tell(self, event: str, **details: object) -> None:
        log.warning(event, **details)
        self._not_before = time.monotonic() + _PAUSE


def _stamp(watched: list[Path]) -> Stamp:
    """Answer what tells whether anything that a server has read has changed since.

    A folder of packages changes when one is installed or replaced; of our own collection each file is looked at.
    """
    found = []
    for path in [*watched, *(file for folder in watched if folder.name == "plugins" for file in folder.rglob("*.py"))]:
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((str(path), status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)
