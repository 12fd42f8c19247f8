# SPDX-License-Identifier: GPL-3.0-or-later
"""A database with something in every column of every table, as a service that was in use leaves it."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from hostler.accounts import users
from hostler.accounts.models import ApiToken, RefreshToken, StreamTicket
from hostler.app import create_app
from hostler.credentials.models import Credential
from hostler.database.copying import copied_tables
from hostler.events.models import Event
from hostler.hosts.models import Server
from hostler.images.models import Image, UploadMark
from hostler.jobs.models import Job, JobLog, JobStep
from hostler.machines.models import Machine
from hostler.permission import Permission
from hostler.schedules.models import Schedule
from hostler.settings import Settings
from hostler.statistics.figures import Figures
from hostler.statistics.models import UsageRound
from hostler.statistics.round import HOST, Round
from hostler.webhooks.models import Webhook, WebhookDelivery
from tests.service.conftest import ADMIN_PASSWORD, USER_PASSWORD, log_in
from tests.service.credentials.parts import ssh_parts

ODD = "Grüße, 'quoted' \"twice\", 100 %, back\\slash, tab\t, line\nend, ✓ 𝄞"
"""A text with what databases and their drivers treat in ways of their own."""
NOW = datetime.now(UTC)
PLACEMENT = {
    "server": {"id": 1, "hostname": "host1"},
    "reason": ODD,
    "room_left": {"cpu_cores": 1, "memory_mb": 1, "disk_gb": 0.1},
    "passed_over": [],
    "more": 0,
}


async def fill(settings: Settings) -> str:
    """Fill the settings' database by a service, and return an API token of its administrator's that may do all."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test") as client:
            token = await _by_rest(client)
        await _by_hand()
    return token


async def _by_rest(client: httpx.AsyncClient) -> str:
    headers = await log_in(client, "admin", ADMIN_PASSWORD)

    async def made(path: str, **body: Any) -> dict[str, Any]:
        answer = await client.post(path, json=body, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    token = await made("/api/tokens", name=ODD[:40].strip(), scopes=["read", "write", "admin"], expires_in_days=30)
    await made("/api/users", username="ada", password=USER_PASSWORD, permissions=["read"])
    await made("/api/credentials", name="site", kind="ssh", description=ODD, **ssh_parts())
    uri = "qemu+ssh://root@host1.example.com/system"
    await made("/api/servers", hostname="host1", libvirt_uri=uri, enabled=False, tags=["a", "b"], credential_id=1)
    await made("/api/webhooks", url="https://receiver.example.com/", kinds=["vm.*"], description=ODD, enabled=False)
    await made("/api/webhooks/1/rotate-secret")
    await made("/api/auth/ticket")
    do = {"action": "snapshot", "filter": {"search": ODD}}
    await made("/api/schedules", name="yearly", description=ODD, cron="0 2 1 1 *", do=do, keep=3)
    at = (NOW + timedelta(days=365)).isoformat()
    await made("/api/schedules", name="once", at=at, do={"action": "start", "filter": {"status": "stopped"}})
    # an entry of the audit has all columns only if a token is at work
    by_token = {"Authorization": f"Bearer {token['token']}", "X-Request-ID": "by-token"}
    for path, body in (("users/2", {"password": f"{USER_PASSWORD}2"}), ("webhooks/1", {"description": f"{ODD}!"})):
        answer = await client.put(f"/api/{path}", json=body, headers=by_token)
        assert answer.status_code == 200, answer.text
    return str(token["token"])


async def _by_hand() -> None:
    """What takes hosts, receivers and time to come about; and of each table the last row is gone again."""
    ada = await users.get_user_named("ada")
    gone = await users.create_user("gone", USER_PASSWORD, [Permission.READ])
    await users.delete_user(gone.id)
    everything = {"revoked_at": NOW, "used_at": NOW, "expires_at": NOW + timedelta(days=1)}
    await RefreshToken.create(token_hash="r" * 64, family="f", user=ada, **everything)
    await ApiToken.filter(id=1).update(last_used_at=NOW)
    await ApiToken.create(
        name="old", prefix="p", token_hash="h" * 64, user=ada, scopes=[], revoked_at=NOW, last_used_at=NOW
    )
    ticket = {"permissions": ["read"], "session": "s", "epoch": 1, "expires_at": NOW + timedelta(days=1)}
    await StreamTicket.create(ticket_hash="t" * 64, user=ada, **ticket)
    await Credential.filter(id=1).update(expires_at=NOW + timedelta(days=1))
    await Schedule.filter(id=1).update(
        paused=True,
        paused_reason=ODD,
        last_run_at=NOW,
        last_job_id=1,
        outcome="refused",
        outcome_detail=ODD,
        outcome_at=NOW,
    )
    server = await Server.get(id=1)
    await server.update_from_dict(
        {
            "virt_type_found": "qemu",
            "ansible_host": "10.0.0.1",
            "ansible_user": "root",
            "ansible_port": 22,
            "state_reason": ODD,
            "host_uuid": str(uuid.uuid4()),
            "draining": True,
            "cpu_overcommit": 1.1,
            "cpu_total": 8,
            "memory_total_mb": 2**31 - 1,
            "memory_free_mb": 1,
            "last_seen": NOW,
            "disk_total_gb": 0.1 + 0.2,
            "disk_free_gb": 1e-7,
            "pools": [{"name": "default", "total_gb": 100.0, "free_gb": 1e-7}],
        }
    ).save()
    for number in range(1, 41):
        await Machine.create(
            server=server,
            uuid=str(uuid.UUID(int=number)),
            name=f"straße-{number}",
            status="stopped" if number % 2 else "running",
            cpu_cores=2,
            memory_mb=1024,
            disk_gb=0.1 + 0.2,
            ip_address="10.0.0.2",
            ip_source="agent",
            mac_address="52:54:00:00:00:01",
            os_type="linux",
            os_version=ODD,
            vnc_port=5900,
            network_type="bridge",
            bridge_name="br0",
            network_name="default",
            description=ODD,
            tags=[ODD, "b"],
            owner_id=ada.id,
            protected=bool(number % 3),
            last_seen=NOW,
            spec={"memory_mb": 1024, "disks": [{"size_gb": 1e2}], "text": ODD, "nothing": None, "yes": True},
            drift=[{"field": "memory_mb", "asked": 1, "found": 2.5}] if number % 4 == 0 else None,
        )
    await Machine.filter(id=40).delete()
    await Image.create(
        server=server, name=ODD[:5], pool="images", format="qcow2", capacity=2**40, allocation=1, last_seen=NOW
    )
    await UploadMark.create(server=server, job_id=1, pool="images", name=ODD[:5])
    job = await Job.create(
        action="vm_create",
        executor="awx",
        state="failed",
        progress=50,
        progress_text=ODD,
        actor_id=ada.id,
        actor_name="ada",
        vm_id=1,
        vm_uuid=str(uuid.UUID(int=1)),
        vm_name=ODD,
        server_id=1,
        parameters={"a": [1, 2.0, "é"]},
        plan=[{"step": ODD}],
        result={"status": 500},
        placement=PLACEMENT,
        error_code="x",
        error_detail=ODD,
        idempotency_key="k",
        request_hash="h",
        generation=1,
        attempt=1,
        lease_owner="o",
        lease_expires_at=NOW,
        supersedes_id=1,
        parent_id=1,
        sealed="s",
        at_once=5,
        stop_after=1,
        request_id="r",
        external_id="e",
        cancel_requested_at=NOW,
        started_at=NOW.replace(microsecond=0),
        finished_at=NOW,
    )
    await Job.create(action="vm_start", executor="direct", state="canceled", parameters={})
    await JobStep.create(
        job=job, position=0, name=ODD, state="failed", changed=True, detail=ODD, started_at=NOW, finished_at=NOW
    )
    for number in range(30):
        await JobLog.create(job=job, at=NOW, stream="stdout", line=f"{number} {ODD}")
    await JobLog.filter(line__startswith="29").delete()
    await Event.create(kind="vm.changed", vm_id=1, server_id=1, job_id=job.id, data={"vm": {"text": ODD, "n": 1.5}})
    at = int(NOW.timestamp()) // 60 * 60 - 120
    figures = Round.of(at, {HOST: [1.5] * len(Figures._fields), 1: [2.5] * len(Figures._fields)}).pack()
    await UsageRound.create(server_id=1, resolution=60, at=at, figures=figures, pools={"default": [2**40, 1]})
    hook = await Webhook.get(id=1)
    await hook.update_from_dict(
        {
            "vm_id": 1,
            "server_id": 1,
            "disabled_reason": ODD,
            "tries": 1,
            "refusals": 1,
            "next_try_at": NOW,
            "failing_since": NOW,
            "status": 500,
            "error": ODD,
            "delivered_at": NOW,
            "missed": 1,
            "missed_at": NOW,
            "lease_owner": "o",
            "lease_expires_at": NOW,
        }
    ).save()
    await WebhookDelivery.create(
        webhook=hook,
        event_id=1,
        kind="vm.changed",
        event_at=NOW,
        state="failed",
        tries=3,
        status=500,
        error=ODD,
        body='{"a": 1}',
        tried_at=NOW,
    )


def empty_columns(file: Path) -> list[str]:
    """The columns of the tables to be copied in which no row has anything, as ``table.column``."""
    found = []
    with closing(sqlite3.connect(file)) as connection:
        for table in copied_tables():
            for column in [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]:
                (filled,) = connection.execute(f"SELECT COUNT({column}) FROM {table}").fetchone()  # noqa: S608 - our own names
                if not filled:
                    found.append(f"{table}.{column}")
    return found
