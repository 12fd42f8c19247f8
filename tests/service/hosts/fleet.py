# SPDX-License-Identifier: GPL-3.0-or-later
"""Several services on one PostgreSQL, as processes of their own, and hosts for them to watch.

The hosts are files of libvirt's test driver: each service that watches one sees the same VMs there, and none of what
the others do to them. So what a file says when a service opens it shows who has looked last.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from hostler.database import Database
from hostler.hosts import actions
from hostler.settings import Settings
from tests.service.conftest import ADMIN_PASSWORD
from tests.service.serving import read_until

PATIENCE = 60.0
"""Seconds that a test waits for what should take a few, on a machine that has other things to do."""


class Service:
    """One of them."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log
        self.url = read_until(process, r"is listening on (\S+)$")[1]
        self.api = httpx.Client(base_url=self.url, timeout=30)

    def is_owner(self, name: str) -> bool:
        """Whether that is its name in the database."""
        return name.split(":")[1] == str(self.process.pid)

    def watched(self) -> list[str]:
        """The hosts that it watches, as it says itself."""
        return self.told("hostler_server_watched")

    def told(self, metric: str) -> list[str]:
        """The hosts of which it tells that."""
        return sorted(re.findall(rf'^{metric}\{{server="([^"]+)"\}} ', self.api.get("/metrics").text, re.MULTILINE))

    def get(self, path: str) -> Any:
        """What it answers, to its administrator."""
        answer = self.api.get(path, headers=self.headers())
        assert answer.status_code == 200, answer.text
        return answer.json()

    def headers(self) -> Mapping[str, str]:
        """Of a session of its administrator's."""
        form = {"username": "admin", "password": ADMIN_PASSWORD}
        answer = self.api.post("/api/auth/login", data=form)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop(self) -> None:
        """Have it end as it should."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def kill(self) -> None:
        """Have it end as nobody should."""
        self.process.kill()
        self.process.wait(60)


class Fleet:
    """Services, hosts, and their database."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.services: list[Service] = []

    def start(self, number: int = 1, url: str = "", **settings: str) -> Sequence[Service]:
        """Start services, all at once; ``url`` is how they reach the database, if not as the test does."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HOSTLER_")}
        processes: list[tuple[subprocess.Popen[str], Path]] = []
        for _ in range(number):
            name = f"service{len(self.services) + len(processes)}"
            environment = {
                "HOSTLER_STATE_DIR": str(self.folder / name),
                "HOSTLER_DATABASE_URL": url or self.url,
                "HOSTLER_ADMIN_PASSWORD": ADMIN_PASSWORD,
                "HOSTLER_SIGNING_KEY": "s" * 43,
                "HOSTLER_SEALING_KEY": "k" * 43,
                "HOSTLER_WARM_START": "false",
                "HOSTLER_SHUTDOWN_SECONDS": "5",
                "HOSTLER_RESYNC_SECONDS": "2",
                **settings,
            }
            log = self.folder / f"{name}.log"
            with log.open("w") as stderr:
                process = subprocess.Popen(
                    [sys.executable, "-m", "hostler", "serve", "--port", "0"],
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    text=True,
                    env=inherited | environment,
                )
            processes.append((process, log))
        started = [Service(process, log) for process, log in processes]
        self.services += started
        return started

    def register(self, *hosts: tuple[str, str], **fields: Any) -> None:
        """Register hosts by name and URI, as the command does (REST refuses such URIs)."""

        async def register_all() -> None:
            settings = Settings(state_dir=self.folder / "registrar", database_url=self.url)
            async with Database(settings):
                for hostname, uri in hosts:
                    await actions.register({"hostname": hostname, "libvirt_uri": uri, "virt_type": "qemu", **fields})

        asyncio.run(register_all())

    def host(self, name: str, *machines: str) -> Path:
        """Write the file of a host that has these VMs; those of one name on a host are the same."""
        file = self.folder / f"{name}.xml"
        domains = "".join(
            f"<domain type='test'><name>{machine}</name><uuid>{identity(name, machine)}</uuid>"
            "<memory>65536</memory><os><type>hvm</type></os></domain>"
            for machine in machines
        )
        file.write_text(f"<node>{domains}</node>")
        return file

    def hosts(self, number: int) -> list[str]:
        """Register as many hosts with two VMs each, and return their names."""
        names = [f"host{index}" for index in range(number)]
        self.register(*((name, f"test://{self.host(name, f'{name}-a', f'{name}-b')}") for name in names))
        return names

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Ask the database."""
        with psycopg.connect(self.url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def owners(self) -> dict[str, str]:
        """Who watches each host, as the database says."""
        return {
            row["hostname"]: row["owner"]
            for row in self.rows(
                "SELECT hostname, owner FROM host_lease JOIN server ON server.id = server_id WHERE owner IS NOT NULL"
            )
        }

    def machines(self) -> dict[str, str]:
        """The status of each VM, by its name."""
        return {row["name"]: row["status"] for row in self.rows("SELECT name, status FROM vm")}

    def close(self) -> None:
        """End all services."""
        for service in self.services:
            service.api.close()
            if service.process.poll() is None:
                service.process.kill()
            service.process.communicate()


def identity(host: str, machine: str) -> str:
    """The UUID of a VM of a host."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{host}/{machine}"))


def wait_for(happened: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait until it has; fail with ``what`` if it does not."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"It was not so in {seconds:g} s: {what}"
        time.sleep(0.1)


def shared_evenly(services: Collection[Service], hosts: Collection[str]) -> bool:
    """Whether each of the hosts is watched by one of the services, and none has two more than another."""
    watched = [service.watched() for service in services]
    sizes = [len(one) for one in watched]
    return sorted(itertools.chain(*watched)) == sorted(hosts) and max(sizes) - min(sizes) <= 1


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str) -> Iterator[Fleet]:
    """An empty database, and no services yet."""

    async def migrate() -> None:
        async with Database(Settings(state_dir=tmp_path / "registrar", database_url=postgres_url)) as database:
            await database.migrate()

    asyncio.run(migrate())
    fleet = Fleet(tmp_path, postgres_url)
    yield fleet
    fleet.close()
