# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done over REST is on record: who, from where, what, on what, before and after, and no secret."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.audit.chain import verify
from hostler.credentials.models import Credential
from hostler.database import rows
from hostler.hosts.models import Server
from hostler.hosts.rebuild import rebuild
from tests.service.audit.conftest import audited, counted, last
from tests.service.conftest import ADMIN_PASSWORD, Headers
from tests.service.credentials.parts import host_key, ssh_key
from tests.service.machines.lab_service import SMALL, engine_of

pytestmark = pytest.mark.anyio

SERVER = {"hostname": "kvm1", "libvirt_uri": "qemu+tls://192.0.2.9/system", "enabled": False}


async def test_who_from_where_and_by_what(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    body = {"username": "ada", "password": "correct horse", "permissions": ["read"]}
    made = await client.post("/api/users", json=body, headers={**admin_headers, "X-Request-ID": "the-request"})
    token = await client.post("/api/tokens", json={"name": "portal", "scopes": ["admin"]}, headers=admin_headers)
    bearer = {"Authorization": f"Bearer {token.json()['token']}"}
    await client.put(f"/api/users/{made.json()['id']}", json={"permissions": []}, headers=bearer)

    created, changed = await last("user.create"), await last("user.change")

    assert (created["actor_id"], created["actor"], created["auth"]) == (1, "admin", "session")
    assert (created["address"], created["request_id"]) == ("192.0.2.1", "the-request")
    assert (created["token_prefix"], created["token_name"]) == (None, None)
    assert (created["target_kind"], created["target_id"], created["target_name"]) == ("user", 2, "ada")
    assert created["after"] == {"username": "ada", "permissions": ["read"], "enabled": True}
    assert created["before"] is None
    assert (changed["auth"], changed["token_name"]) == ("token", "portal")
    assert changed["token_prefix"] == token.json()["prefix"]
    assert (changed["before"], changed["after"]) == ({"permissions": ["read"]}, {"permissions": []})


async def test_the_first_administrator_and_the_migration_are_the_services_own(app: FastAPI) -> None:
    first, second = (await audited())[:2]

    assert (first["action"], first["auth"], first["actor"]) == ("database.migrate", "service", "hostler")
    assert first["after"]["migrations"][0] == "0001_initial"
    assert (second["action"], second["auth"], second["target_name"]) == ("user.create", "service", "admin")


async def test_a_change_of_nothing_is_no_entry(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    before = len(await audited())

    assert (await client.put("/api/users/1", json={"enabled": True}, headers=admin_headers)).status_code == 200

    assert len(await audited()) == before


async def test_reads_are_no_entries(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    before = len(await audited())

    for path in ("/api/users", "/api/vms", "/api/servers", "/api/audit", "/api/auth/me"):
        assert (await client.get(path, headers=admin_headers)).status_code == 200

    assert len(await audited()) == before


async def test_logins_and_the_ends_of_sessions(client: httpx.AsyncClient) -> None:
    right = {"username": "Admin", "password": ADMIN_PASSWORD}
    pair = (await client.post("/api/auth/login", data=right)).json()
    entry = await last("login.succeeded")
    assert (entry["actor"], entry["actor_id"], entry["auth"], entry["address"]) == ("admin", 1, "session", "192.0.2.1")

    next_pair = (await client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})).json()
    assert len(await audited("login.succeeded")) == 1, "a refresh is no login"
    for _ in range(3):  # a thief's, or the owner's: nobody can tell
        again = await client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})
        assert again.status_code == 401
    (entry,) = await audited("session.reused")
    assert (entry["outcome"], entry["target_name"], entry["auth"]) == ("denied", "admin", "none")

    await client.post("/api/auth/logout", json={"refresh_token": next_pair["refresh_token"]})
    assert await audited("session.ended") == [], "it had ended by then"
    pair = (await client.post("/api/auth/login", data=right)).json()
    for _ in range(2):
        await client.post("/api/auth/logout", json={"refresh_token": pair["refresh_token"]})
    (entry,) = await audited("session.ended")
    assert (entry["outcome"], entry["actor"], entry["target_name"]) == ("succeeded", "admin", "admin")


async def test_a_password_is_told_of_and_never_told(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    body = {"username": "ada", "password": "correct horse"}
    made = (await client.post("/api/users", json=body, headers=admin_headers)).json()
    await client.put(f"/api/users/{made['id']}", json={"password": "battery staple"}, headers=admin_headers)
    await client.delete(f"/api/users/{made['id']}", headers=admin_headers)

    changed, deleted = await last("user.change"), await last("user.delete")

    assert changed["details"] == {"password_changed": True, "sessions_ended": True}
    assert (changed["before"], changed["after"]) == (None, None)
    assert (deleted["target_name"], deleted["before"]["permissions"]) == ("ada", ["read"])


async def test_tokens(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    made = (await client.post("/api/tokens", json={"name": "t", "scopes": ["read"]}, headers=admin_headers)).json()
    for _ in range(2):
        await client.delete(f"/api/tokens/{made['id']}", headers=admin_headers)

    created = await last("token.create")
    (revoked,) = await audited("token.revoke")

    assert created["after"]["prefix"] == made["prefix"]
    assert created["after"]["user"] == "admin"
    assert (revoked["target_id"], revoked["target_name"]) == (made["id"], "t")


async def test_servers(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    made = (await client.post("/api/servers", json=SERVER, headers=admin_headers)).json()
    url = f"/api/servers/{made['id']}"
    await client.put(url, json={"tags": ["ssd"], "pool": "default"}, headers=admin_headers)
    await client.post(f"{url}/drain", headers=admin_headers)
    await client.post(f"{url}/drain", headers=admin_headers)
    await client.put(url, json={"libvirt_uri": "qemu+tls://192.0.2.10/system"}, headers=admin_headers)
    await client.delete(url, headers=admin_headers)

    tagged, drained, moved = await audited("server.change")

    assert (await last("server.create"))["after"]["hostname"] == "kvm1"
    assert (tagged["before"], tagged["after"]) == ({"tags": []}, {"tags": ["ssd"]})
    assert (drained["before"], drained["after"]) == ({"draining": False}, {"draining": True})
    assert list(moved["after"]) == ["libvirt_uri"]
    assert (await last("server.delete"))["target_name"] == "kvm1"


async def test_webhooks_without_what_is_secret_in_their_urls(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    url = "https://hooks.example.com/services/T0/B0/Sesame?key=Sesame"
    made = (await client.post("/api/webhooks", json={"url": url}, headers=admin_headers)).json()
    path = f"/api/webhooks/{made['id']}"
    await client.put(path, json={"enabled": False, "url": url + "2"}, headers=admin_headers)
    await client.post(f"{path}/rotate-secret", json={}, headers=admin_headers)
    await client.delete(path, headers=admin_headers)

    found = [entry for entry in await audited() if entry["target_kind"] == "webhook"]

    assert [entry["action"].partition(".")[2] for entry in found] == ["create", "change", "rotate_secret", "delete"]
    assert found[1]["details"] == {"url_changed": True}
    assert (found[1]["before"]["enabled"], found[1]["after"]["enabled"]) == (True, False)
    assert "Sesame" not in json.dumps(found)
    assert "https://hooks.example.com/…" in json.dumps(found, ensure_ascii=False)


async def test_what_was_not_done_is_not_recorded(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    await client.post("/api/servers", json=SERVER, headers=admin_headers)
    before = await audited()

    for method, path, body in (
        ("POST", "/api/servers", SERVER),
        ("POST", "/api/users", {"username": "Admin", "password": "correct horse"}),
        ("PUT", "/api/users/1", {"permissions": []}),
        ("DELETE", "/api/users/1", None),
    ):
        answer = await client.request(method, path, json=body, headers=admin_headers)
        assert answer.status_code in (400, 409), answer.text

    assert await audited() == before


async def test_nothing_secret_is_in_any_entry_whoever_gives_it(
    app: FastAPI, client: httpx.AsyncClient, admin_headers: Headers
) -> None:
    """All that goes in by fields for secrets, and all that comes out by them, against every byte of the table."""
    marks = {name: f"s{uuid.uuid4().hex}" for name in ("first", "second", "wrong", "typed as a name")}
    key = ssh_key()
    webhook_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    secrets = [*marks.values(), webhook_secret, key]

    async def post(path: str, **body: Any) -> Any:
        answer = await client.post(path, json=body, headers=admin_headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    ada = await post("/api/users", username="ada", password=marks["first"], permissions=["read"])
    await client.put(f"/api/users/{ada['id']}", json={"password": marks["second"]}, headers=admin_headers)
    for username, password in (("ada", marks["second"]), ("ada", marks["wrong"]), (marks["typed as a name"], "x" * 9)):
        answer = await client.post("/api/auth/login", data={"username": username, "password": password})
        if answer.status_code == 200:
            secrets += [answer.json()["access_token"], answer.json()["refresh_token"]]
            rotated = await client.post("/api/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]})
            secrets.append(rotated.json()["refresh_token"])
            await client.post("/api/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]})
    token = await post("/api/tokens", name="t", scopes=["read"])
    secrets.append(token["token"])
    await client.delete(f"/api/tokens/{token['id']}", headers=admin_headers)
    await client.get("/api/vms", headers={"Authorization": f"Bearer {token['token']}"})
    await client.get(f"/api/events?ticket={marks['wrong']}")
    credential = await post(
        "/api/credentials", name="key", kind="ssh", private_key=key, known_hosts=f"kvm1 {host_key()}"
    )
    await client.put(f"/api/credentials/{credential['id']}", json={"description": "new"}, headers=admin_headers)
    webhook = await post("/api/webhooks", url="https://example.com/x", secret=webhook_secret)
    secrets.append((await post(f"/api/webhooks/{webhook['id']}/rotate-secret"))["secret"])
    secrets += [one["hash"] for one in await _hashes()] + [(await Credential.get()).sealed]
    await client.delete(f"/api/credentials/{credential['id']}", headers=admin_headers)
    await counted(app)

    table = json.dumps([dict(row) for row in await rows("SELECT * FROM audit_entry")], default=str, ensure_ascii=False)
    actions = {entry["action"] for entry in await audited()}

    assert actions >= {"user.change", "login.failed", "session.reused", "token.revoke", "credential.create"}
    assert actions >= {"authentication.denied", "webhook.rotate_secret", "credential.change", "credential.delete"}
    for secret in secrets:
        for form in (secret, json.dumps(secret)[1:-1]):
            assert form not in table
    for line in key.splitlines()[1:-1]:
        assert line not in table
    assert (await verify()).problem is None


async def _hashes() -> list[dict[str, str]]:
    found = []
    for table, column in (
        ("user_account", "password_hash"),
        ("refresh_token", "token_hash"),
        ("api_token", "token_hash"),
    ):
        found += [{"hash": row["hash"]} for row in await rows(f"SELECT {column} AS hash FROM {table}")]  # noqa: S608
    return found


class TestJobs:
    """Jobs, on libvirt's test driver."""

    async def test_a_job_is_recorded_as_it_is_accepted_and_as_it_ends(
        self, everything: httpx.AsyncClient, test_vm: dict[str, Any]
    ) -> None:
        answer = await everything.post(f"/api/vms/{test_vm['id']}/start", headers={"X-Request-ID": "start-it"})
        assert answer.status_code == 200, answer.text

        accepted, succeeded = await audited("vm.start")

        assert (accepted["outcome"], succeeded["outcome"]) == ("accepted", "succeeded")
        for entry in (accepted, succeeded):
            assert (entry["actor"], entry["auth"], entry["request_id"]) == ("everything", "session", "start-it")
            target = (entry["target_kind"], entry["target_id"], entry["target_name"])
            assert target == ("vm", test_vm["id"], "victim")
        assert accepted["details"]["job_id"] == succeeded["details"]["job_id"]

    async def test_a_create_and_a_change_say_what_was_and_what_is_to_be(
        self, everything: httpx.AsyncClient, test_vm: dict[str, Any]
    ) -> None:
        answer = await everything.put(f"/api/vms/{test_vm['id']}", json={"memory_mb": 128})
        assert answer.status_code == 200, answer.text

        created, changed = (await audited("vm.create"))[0], (await audited("vm.update"))[0]

        assert created["after"]["memory_mb"] == 64
        assert created["before"] is None
        assert (changed["before"], changed["after"]) == ({"memory_mb": 64}, {"memory_mb": 128})
        assert await audited("vm.update") != [changed], "and how it ended"

    async def test_what_is_refused_before_there_is_a_job_is_no_entry(
        self, everything: httpx.AsyncClient, test_server: Server, test_vm: dict[str, Any]
    ) -> None:
        again = {**SMALL, "name": test_vm["name"], "server_id": test_server.id}
        taken = await everything.post("/api/vms", json=again)

        assert taken.status_code == 409
        assert len(await audited("vm.create")) == 2, "those of the VM that is there"

    @pytest.mark.usefixtures("test_vm")
    async def test_servers_that_are_rebuilt(self, app: FastAPI, test_server: Server) -> None:
        away = await Server.create(hostname="away", libvirt_uri="qemu:///system?socket=/nonexistent/socket")

        await rebuild([test_server, away], engine_of(app).connections)

        back, failed = await audited("server.rebuild")
        assert (back["outcome"], back["target_name"], back["details"]["ours"]) == ("succeeded", "test1", 1)
        assert (failed["outcome"], failed["target_name"]) == ("failed", "away")
        assert failed["details"]["reason"]

    async def test_jobs_leave_a_chain_that_is_whole(
        self, everything: httpx.AsyncClient, test_vm: dict[str, Any]
    ) -> None:
        for verb in ("start", "force-stop"):
            assert (await everything.post(f"/api/vms/{test_vm['id']}/{verb}")).status_code == 200
        assert (await everything.delete(f"/api/vms/{test_vm['id']}")).status_code == 200

        verdict = await verify()

        assert verdict.problem is None
        assert [entry["outcome"] for entry in await audited("vm.force_stop")] == ["accepted", "succeeded"]
        assert [entry["outcome"] for entry in await audited("vm.delete")] == ["accepted", "succeeded"]
