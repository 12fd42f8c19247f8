# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: some private libvirt hosts in one folder."""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.accelerator import virt_type
from lab.cache import REPOSITORY, locked
from lab.debian.build import debian_image
from lab.errors import LabError
from lab.folders import remove_folder
from lab.host import Host
from lab.image.build import tiny_image
from lab.layout import LabLayout
from lab.machine import restore_machine
from lab.network import addresses_held
from lab.record import Record
from lab.secure_shell import write_client
from lab.storage import DEBIAN, TINY

DEFAULT_FOLDER = REPOSITORY / ".lab"

_REPLACED_FOR_HOSTS = ("/run", "/proc", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/etc/libvirt")


class Lab:
    """The lab in a folder, up or down. As a context manager it is up inside, and down after.

    Safe to use from several processes at once: one brings it up, the others wait and find it up.
    """

    def __init__(self, folder: Path | str = DEFAULT_FOLDER):
        self.layout = LabLayout(Path(folder).resolve(), os.geteuid())

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def hosts(self) -> list[Host]:
        """The lab's hosts; none while it is down."""
        record = Record.read(self.layout.record)
        return [self._host(index) for index in range(1, record.hosts + 1)] if record else []

    def host(self, name: str) -> Host:
        """Answer the host of that name. Raises LabError if the lab has none."""
        for host in self.hosts:
            if host.name == name:
                return host
        names = ", ".join(host.name for host in self.hosts)
        raise LabError(f"there is no host {name}; the lab has {names}" if names else "the lab is down; first: lab up")

    def up(self, hosts: int | None = None, *, tcp: bool = False, debian: bool = False) -> None:
        """Bring the lab up with that many hosts, by default as many as it has, or one.

        What runs is kept, what is missing is started; hosts beyond `hosts` stay, and so does `tcp`, with which the
        hosts' libvirtds let in everybody on the machine. With `debian` they get the Debian image, too. Raises LabError.
        """
        if tcp and not self.layout.privileged:
            raise LabError("a plain user's hosts are reached by their sockets only: TCP, TLS and SSH need root's")
        self._check_folder()
        tiny = tiny_image()
        images = {TINY: tiny} | ({DEBIAN: debian_image()} if debian else {})
        with self._held():
            record = Record.read(self.layout.record)
            count = max(hosts or 1, record.hosts if record else 0)
            self._make_folder()
            record = Record(hosts=count, virt_type=virt_type(tiny), tcp=tcp or bool(record and record.tcp))
            record.write(self.layout.record)
            if self.layout.privileged:
                self.layout.keys.mkdir(mode=0o700, exist_ok=True)
            for index in range(1, count + 1):
                self._host(index).up(images)
            if self.layout.privileged:
                write_client(self.layout, {h.layout: h.access.ports.ssh for h in self.hosts if h.access})

    def down(self) -> None:
        """End everything and remove everything, in whatever state it is; without a lab, do nothing. Raises LabError."""
        with self._held():
            # what is there counts, not what the record says: it may be damaged, or its folder removed by hand
            found = {folder.name for folder in self.layout.runtime.iterdir()}
            # but without a record such folders are somebody else's
            if self.layout.record.exists():
                found |= {folder.name.removeprefix("host") for folder in (self.layout.folder / "hosts").glob("host*")}
            for index in sorted(int(name) for name in found if name.isdecimal()):
                self._host(index).down()
            if self.layout.privileged:
                with addresses_held():
                    restore_machine(self.layout.runtime)
            if self.layout.record.exists():
                for folder in (self.layout.shared, self.layout.ssh.parent):
                    remove_folder(folder)
            remove_folder(self.layout.keys)
            self.layout.record.unlink(missing_ok=True)
            for folder in (self.layout.folder / "hosts", self.layout.folder):
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()

    def status(self) -> dict[str, Any]:
        """Answer what the lab has, for JSON: ``dir``, ``up`` and ``hosts``."""
        hosts = [host.status() for host in self.hosts]
        return {
            "dir": str(self.layout.folder),
            "up": bool(hosts) and all(host["state"] == "up" for host in hosts),
            "hosts": hosts,
        }

    def _host(self, index: int) -> Host:
        return Host(self.layout.host(index))

    def _check_folder(self) -> None:
        """Refuse a folder that hosts could not see, and one that is in use for something else."""
        folder = self.layout.folder
        if self.layout.privileged:
            for place in map(Path, _REPLACED_FOR_HOSTS):
                if folder == place or place in folder.parents:
                    raise LabError(f"the lab can't be in {folder}: hosts see something else at {place}")
        if folder.exists() and not self.layout.record.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise LabError(f"{folder} is no lab and not empty: choose another folder (--dir)")

    def _make_folder(self) -> None:
        try:
            self.layout.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise LabError(f"no folder for the lab: {error}") from None

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the lab for this process: one brings it up or down at a time. The runtime folder is the lock."""
        runtime = self.layout.runtime
        while True:
            with ExitStack() as held:
                try:
                    self._make_runtime()
                    made = runtime.stat().st_ino
                    held.enter_context(locked(runtime))
                    found = runtime.stat().st_ino
                except FileNotFoundError:
                    continue
                if found != made:
                    continue  # a `down` that was waited for has removed what is locked here
                try:
                    yield
                finally:
                    if not any(runtime.iterdir()):
                        runtime.rmdir()
                return

    def _make_runtime(self) -> None:
        runtime = self.layout.runtime
        try:
            runtime.mkdir(mode=0o700)
        except FileExistsError:
            found = runtime.lstat()
            # in /tmp anybody may have made it
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.layout.uid or found.st_mode & 0o077:
                raise LabError(f"{runtime} is not a private folder of yours: remove it") from None
