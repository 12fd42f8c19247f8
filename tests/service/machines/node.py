# SPDX-License-Identifier: GPL-3.0-or-later
"""A server with one VM of ours, of libvirt's test driver; nobody watches it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server
from tests.core.machines import UUID

_DOMAIN = f"""<node><domain type='test'><name>web</name><uuid>{UUID}</uuid><metadata>
<hostler:vm xmlns:hostler='urn:hostler:vm:1' version='1'><hostler:id>1</hostler:id><hostler:uuid>{UUID}</hostler:uuid>
<hostler:revision>2</hostler:revision></hostler:vm></metadata>
<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain></node>"""


@pytest.fixture
async def node(app: FastAPI, tmp_path: Path) -> Server:
    file = tmp_path / "node.xml"
    file.write_text(_DOMAIN)
    return await Server.create(hostname="node", libvirt_uri=f"test://{file}", enabled=False)


@pytest.fixture
async def connection(node: Server) -> AsyncIterator[HostConnection]:
    """The connections to that server."""
    connection = HostConnection(node.hostname, node.libvirt_uri, threads=2)
    yield connection
    connection.close()
