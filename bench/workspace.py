# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks of a run share: a folder, the VMs' databases, a libvirt host; made when first asked for."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from bench import fleet
from bench.postgres import Postgres
from lab.cache import REPOSITORY
from lab.host import Host
from lab.lab import Lab


class Workspace:
    """A folder of the run's, in a ``with`` block; at its end all is gone."""

    def __init__(self) -> None:
        parent = REPOSITORY / ".bench"
        parent.mkdir(exist_ok=True)
        # PostgreSQL refuses to run as root, and as another user it has to enter its folder
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        self._stack = contextlib.ExitStack()
        self._template: Path | None = None
        self._postgres: Postgres | None = None
        self._lab_that_is_up: Lab | None = None
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.close()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def state(self) -> Path:
        """The path of a new state folder."""
        self._number += 1
        return self.folder / f"state-{self._number}"

    def fleet_state(self) -> Path:
        """A new state folder whose SQLite file has the 100,000 VMs."""
        if self._template is None:
            template = self.state()
            fleet.fill(fleet.settings_for(template))
            self._template = template / "hostler.sqlite3"
        state = self.state()
        state.mkdir(mode=0o700)
        shutil.copy(self._template, state / self._template.name)
        return state

    def postgres_with_fleet(self) -> str:
        """The URL of a PostgreSQL database that has the 100,000 VMs."""
        if self._postgres is None:
            self._postgres = self._stack.enter_context(Postgres())
            fleet.fill(fleet.settings_for(self.state(), self._postgres.url))
        return self._postgres.url

    def host(self) -> Host:
        """A private libvirt host with the tiny guest image."""
        return self._lab().hosts[0]

    def two_hosts(self) -> tuple[Host, Host]:
        """Two such hosts."""
        self._lab().up(hosts=2)
        first, second, *_ = self._lab().hosts
        return first, second

    def debian_host(self) -> Host:
        """The same, with the Debian guest image, too."""
        self._lab().up(debian=True)
        return self.host()

    def _lab(self) -> Lab:
        if self._lab_that_is_up is None:
            self._lab_that_is_up = self._stack.enter_context(Lab(self.folder / "lab"))
        return self._lab_that_is_up
