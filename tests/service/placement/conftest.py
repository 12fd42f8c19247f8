# SPDX-License-Identifier: GPL-3.0-or-later
"""Several small servers, each libvirt's test driver with a node of its own: 4 CPUs, 2048 MiB, a pool of 100 GiB."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from hostler.hosts import actions
from hostler.hosts.models import Server, ServerState
from tests.service.machines.lab_service import SMALL as OF_THE_LAB
from tests.service.machines.lab_service import api, engine_of, eventually, settings

__all__ = ["api", "settings"]

NODE = """<node>
  <cpu>
    <nodes>1</nodes><sockets>1</sockets><cores>4</cores><threads>1</threads>
    <active>4</active><mhz>1000</mhz><model>x86_64</model>
  </cpu>
  <memory>2097152</memory>
  <pool type='dir'>
    <name>default</name>
    <capacity>107374182400</capacity><allocation>0</allocation><available>107374182400</available>
    <target><path>/var/lib/libvirt/images</path></target>
  </pool>
</node>
"""
MEMORY_MB = 2048
SMALL = {**OF_THE_LAB, "memory_mb": 256}

MakeServer = Callable[..., Awaitable[Server]]


@pytest.fixture
def make_server(app: FastAPI, tmp_path: Path) -> MakeServer:
    """Register a server of libvirt's test driver and wait until it is reached: ``await make_server("a", tags=[…])``."""

    async def make(hostname: str, **fields: Any) -> Server:
        node = tmp_path / f"{hostname}.xml"
        node.write_text(NODE)
        known = {"hostname": hostname, "libvirt_uri": f"test://{node}", "virt_type": "qemu"}
        server = await actions.register({**known, **fields})
        await engine_of(app).watch.call_roll()

        async def is_reached() -> bool:
            await server.refresh_from_db()
            return server.state == ServerState.REACHABLE.value

        if server.enabled:
            await eventually(is_reached, "the service reaches the server")
        return server

    return make
