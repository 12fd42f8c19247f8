# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of the lab: a private libvirtd with a network, two storage pools and the guest image."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab import network, storage
from lab.access import HostAccess
from lab.cache import REPOSITORY
from lab.config import write_configuration
from lab.errors import LabError
from lab.folders import remove_folder
from lab.image.build import Image
from lab.layout import HostLayout
from lab.network import HostNetwork
from lab.processes import Process, end_processes_with, processes_with
from lab.record import Record
from lab.storage import HostStorage
from lab.subnets import further_subnet, taken_subnets
from lab.virsh import active, answers, virsh

START_SECONDS = 30


class Host:
    """A host of a lab. What it answers is looked up each time: another process may have changed it."""

    def __init__(self, layout: HostLayout):
        self.layout = layout
        self.storage = HostStorage(layout)
        self.network = HostNetwork(layout) if layout.lab.privileged else None
        """None for a user's host: its guests use QEMU's user-mode networking."""
        self.access = HostAccess(layout) if layout.lab.privileged else None
        """None for a user's host: it is reached by its socket only."""

    @property
    def name(self) -> str:
        """The host's name, such as ``host1``."""
        return self.layout.name

    @property
    def uri(self) -> str:
        """The libvirt URI, good for the lab's user anywhere on the machine."""
        return self.layout.uri

    @property
    def image_path(self) -> Path:
        """The tiny image's volume, at the same path for libvirt and for all else. Never boot from it: it is a base."""
        return self.storage.image_path(storage.TINY)

    @property
    def debian_path(self) -> Path:
        """The Debian image's volume; it is there if the lab was brought up with it."""
        return self.storage.image_path(storage.DEBIAN)

    @property
    def uris(self) -> dict[str, str]:
        """The libvirt URIs by transport: ``unix``; of root's hosts ``tls`` and ``ssh``, and ``tcp`` if asked for."""
        return {"unix": self.uri} | (self.access.uris(tcp=self._record.tcp) if self.access else {})

    def uri_by(self, transport: str) -> str:
        """Answer the libvirt URI by one transport. Raises LabError if the host is not reached by that."""
        if transport not in (uris := self.uris):
            raise LabError(f"{self.name} is not reached by {transport}, but by {', '.join(uris)}")
        return uris[transport]

    @property
    def virt_type(self) -> str:
        """The domain type that really runs guests here, ``kvm`` or ``qemu``. Raises LabError while the lab is down."""
        return self._record.virt_type

    @property
    def _record(self) -> Record:
        if record := Record.read(self.layout.lab.record):
            return record
        raise LabError(f"there is no lab in {self.layout.lab.folder}; first: lab up")

    # The whole host

    def up(self, images: Mapping[str, Image]) -> None:
        """Start what does not run, make what is missing, and keep the rest; `images` are by name. Raises LabError."""
        if self._keeper() is None:
            # what an earlier keeper left can't be taken over
            self._clear()
            self._start()
        elif self._write_configuration():
            self.restart_libvirtd()
        self.start_libvirtd()
        self._start_sshd()
        if self.network:
            self.network.start()
        self.storage.start()
        for name, image in images.items():
            self.storage.put_image(name, image)

    def down(self) -> None:
        """End every process of the host and remove all it had, in whatever state it is. Raises LabError."""
        self._clear()
        remove_folder(self.layout.folder)

    def status(self) -> dict[str, Any]:
        """Answer what the host has, for JSON; ``active`` is false all over while libvirtd does not answer."""
        up = answers(self.uri)
        subnet = self.network.subnet if self.network else None
        return {
            "name": self.name,
            "uuid": str(self.layout.uuid),
            "uri": self.uri,
            "uris": self.uris if self._keeper() else {},
            "virt_type": self.virt_type,
            "state": "up" if up else "libvirtd does not answer" if self._keeper() else "down",
            "pools": {
                name: {"path": str(path), "active": up and active(self.uri, "pool", name)}
                for name, path in self.layout.pools.items()
            },
            "network": {
                "name": network.NAME,
                "bridge": self.layout.bridge,
                "subnet": str(subnet) if subnet else None,
                "active": up and active(self.uri, "net", network.NAME),
                "further": {
                    "bridge": f"{self.layout.further_bridge}x",
                    "subnet": str(further_subnet(self.layout.lab.id, taken_subnets())),
                },
            }
            if self.network
            else None,
            "images": {
                name: {
                    "pool": storage.IMAGE_POOL,
                    "volume": storage.volume_of(name),
                    "path": str(self.storage.image_path(name)),
                    "recipe": recipe,
                }
                for name in (storage.TINY, storage.DEBIAN)
                if (recipe := self.storage.image_recipe(name))
            },
            "guests": self.virsh("list", "--name").split() if up else [],
        }

    # Its libvirtd

    def start_libvirtd(self) -> None:
        """Start libvirtd, or let a paused one go on, and wait until it answers. Raises LabError if it does not."""
        self.continue_libvirtd()
        if self._keeper() is None:
            raise LabError(f"{self.name} is down; first: lab up")
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.uri):
            keeper = self._keeper()
            if keeper is None or time.monotonic() > deadline:
                raise LabError(f"{self.name}: libvirtd does not start; {self._last_words()}")
            # each time, for it may not have heard yet that the one before has ended
            keeper.signal(signal.SIGHUP)
            time.sleep(0.02)

    def restart_libvirtd(self) -> None:
        """End libvirtd in order, if it runs, and start it again. Guests run on. Raises LabError."""
        self.continue_libvirtd()
        self._signal_libvirtd(signal.SIGTERM)
        try:
            _wait(lambda: self._libvirtd() is None, f"{self.name}: libvirtd does not end")
        except LabError:
            self.kill_libvirtd()
        self.start_libvirtd()

    def kill_libvirtd(self) -> None:
        """Kill libvirtd as a crash would (SIGKILL), and wait until it is gone. Guests run on."""
        self._signal_libvirtd(signal.SIGKILL)
        _wait(lambda: self._libvirtd() is None, f"{self.name}: libvirtd can't be killed")

    def pause_libvirtd(self) -> None:
        """Make libvirtd hang (SIGSTOP): its socket still takes connections, but nobody answers."""
        self._signal_libvirtd(signal.SIGSTOP)

    def continue_libvirtd(self) -> None:
        """End what `pause_libvirtd` began (SIGCONT)."""
        self._signal_libvirtd(signal.SIGCONT)

    def virsh(self, *arguments: str | Path, timeout: float = 60) -> str:
        """Run a virsh command on the host and answer what it printed; `timeout` is in seconds. Raises LabError."""
        return virsh(self.uri, *arguments, timeout=timeout)

    def processes(self) -> list[Process]:
        """Answer the host's processes, its guests' among them, with their ids as this process sees them."""
        return processes_with(self.layout.marker)

    def guest_process(self, name: str) -> Process:
        """Answer the QEMU process of a running guest. Raises LabError if no such guest runs."""
        for process in self.processes():
            if any(word.startswith(f"guest={name},") for word in process.command):
                return process
        raise LabError(f"{self.name} runs no guest {name}")

    def _keeper(self) -> Process | None:
        return next((process for process in self.processes() if "lab.keeper" in process.command), None)

    def _libvirtd(self) -> Process | None:
        keeper = self._keeper()
        # a child that libvirtd has just forked looks like it, but is not the keeper's child
        return next(
            (p for p in self.processes() if p.program == "libvirtd" and keeper and p.parent == keeper.pid), None
        )

    def _signal_libvirtd(self, number: signal.Signals) -> None:
        if daemon := self._libvirtd():
            daemon.signal(number)

    def _clear(self) -> None:
        """End every process of the host, and remove what it has outside of its folder."""
        end_processes_with(self.layout.marker)
        if self.network:
            with network.addresses_held():
                self.network.remove()
            self.network.hold_back()
        remove_folder(self.layout.runtime)

    def _start(self) -> None:
        """Start the host's first process and libvirtd."""
        if self.access is None:
            self._write_configuration()
            self._start_keeper()
            return
        # until libvirtd listens, another lab could choose the same ports
        with network.addresses_held():
            self.layout.folder.joinpath("etc").mkdir(parents=True, exist_ok=True)
            self.access.prepare()
            self._write_configuration()
            self._start_keeper()
            self.start_libvirtd()

    def _start_sshd(self) -> None:
        """Start sshd if it does not run. Raises LabError if it does not start."""
        deadline = time.monotonic() + START_SECONDS
        while self.access and not self.access.sshd_listens():
            keeper = self._keeper()
            if keeper is None or time.monotonic() > deadline:
                raise LabError(f"{self.name}: sshd does not start; {self.layout.folder}/log/sshd.log says why")
            keeper.signal(signal.SIGHUP)
            time.sleep(0.02)

    def _start_keeper(self) -> None:
        layout = self.layout
        command = ["-m", "lab.keeper", "--runtime", str(layout.runtime), "--folder", str(layout.folder)]
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(layout.folder),
            "TMPDIR": layout.marker,
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if layout.lab.privileged:
            command += ["--hostname", layout.hostname]
        else:
            environment |= {name: str(folder) for name, folder in layout.xdg.items()}
        with self._keeper_log.open("ab") as log:
            # it forks and ends: the keeper itself is nobody's child
            started = subprocess.run(
                [sys.executable, *command],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                check=False,
            )
        if started.returncode:
            raise LabError(f"{self.name} does not start; {self._last_words()}")

    def _write_configuration(self) -> bool:
        """Write the configuration of the host's daemons, and answer whether libvirt's has changed."""
        return write_configuration(self.layout, self.access.ports if self.access else None, tcp=self._record.tcp)

    @property
    def _keeper_log(self) -> Path:
        return self.layout.folder / "log/keeper.log"

    def _last_words(self) -> str:
        """Answer what the logs end with."""
        words = []
        for log in (self._keeper_log, self.layout.folder / "log/libvirtd.log"):
            if log.exists() and (lines := log.read_text(errors="replace").strip().splitlines()):
                words.append(f"{log} ends with: {lines[-1]}")
        return "; ".join(words) or f"nothing stands in {self._keeper_log}"


def _wait(until: Callable[[], bool], complaint: str, timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not until():
        if time.monotonic() > deadline:
            raise LabError(complaint)
        time.sleep(0.02)
