# SPDX-License-Identifier: GPL-3.0-or-later
"""A real service in a process of its own, whose VMs are rows that a test writes: nothing watches their servers."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from hostler.accounts import api_tokens
from hostler.accounts.models import User
from hostler.database import Database
from hostler.hosts.models import Server
from hostler.machines.models import Machine
from hostler.permission import Permission
from hostler.settings import Settings

T = TypeVar("T")


class RestService:
    """``hostler serve`` on a free port of loopback; ``token`` is one that may only read."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(state_dir=folder / "state", admin_password="an admin's password")
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.token = ""

    def start(self) -> None:
        """Start it; its first start makes the database."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HOSTLER_")}
        own = {
            "HOSTLER_STATE_DIR": str(self.settings.state_dir),
            "HOSTLER_ADMIN_PASSWORD": "an admin's password",
            "HOSTLER_WARM_START": "false",
        }
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hostler", "serve", "--port", "0"],
                env=inherited | own,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        found = (re.search(r"listening on (\S+)", line) for line in self._process.stdout)
        self.url = next((match.group(1) for match in found if match), "")
        assert self.url, (self._folder / "log").read_text()
        self.token = self.new_token(Permission.READ)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=40)
            self._process = None

    def log(self) -> str:
        """All that it has logged, a line for each request."""
        return (self._folder / "log").read_text()

    def write(self, work: Callable[[], Awaitable[T]]) -> T:
        """Write into the service's database beside it, as its commands do."""

        async def connected() -> T:
            async with Database(self.settings):
                return await work()

        return asyncio.run(connected())

    def new_token(self, *scopes: Permission) -> str:
        """A token of the administrator's with these permissions."""

        async def make() -> str:
            admin = await User.get(username="admin")
            return (await api_tokens.create_token(admin.id, str(uuid.uuid4()), scopes, list(Permission), 1))[1]

        return self.write(make)

    def put(self, hostname: str, *vms: dict[str, Any], uri: str = "qemu+ssh://root@kvm1.example.com/system") -> None:
        """Have these VMs on a server, which is made if it is not there; none of their rows' fields has to be named."""

        async def make() -> None:
            server, _made = await Server.get_or_create(
                hostname=hostname, defaults={"libvirt_uri": uri, "enabled": False}
            )
            usual = {"name": "web-1", "status": "running", "cpu_cores": 1, "memory_mb": 256, "disk_gb": 1.0}
            await Machine.bulk_create(
                Machine(server=server, **{"uuid": str(uuid.uuid4()), **usual, **fields}) for fields in vms
            )

        self.write(make)

    def clear(self) -> None:
        """Take all VMs and servers away."""

        async def empty() -> None:
            await Machine.all().delete()
            await Server.all().delete()

        self.write(empty)
