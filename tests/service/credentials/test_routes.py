# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/credentials``: kept sealed, shown without secrets, used by servers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.credentials import actions
from hostler.credentials.checking import checked
from hostler.credentials.models import Credential, CredentialKind
from hostler.errors import NotFound
from hostler.hosts.models import Server
from hostler.settings import Settings
from tests.service.conftest import DATABASE, Headers
from tests.service.credentials.parts import host_key, ssh_key, ssh_parts, tls_parts
from tests.service.machines.lab_service import engine_of

pytestmark = pytest.mark.anyio

PATH = "/api/credentials"
BY_SSH = {"hostname": "h1", "libvirt_uri": "qemu+ssh://root@127.0.0.1:1/system", "virt_type": "qemu", "enabled": False}


@pytest.fixture
async def admin(client: httpx.AsyncClient, admin_headers: Headers) -> httpx.AsyncClient:
    client.headers.update(admin_headers)
    return client


async def add(admin: httpx.AsyncClient, name: str = "deploy", kind: str = "ssh", **parts: Any) -> httpx.Response:
    return await admin.post(PATH, json={"name": name, "kind": kind, **(parts or ssh_parts())})


@pytest.mark.rule("credentials")
async def test_a_credential_is_kept_sealed_and_shown_without_its_secrets(
    app: FastAPI, admin: httpx.AsyncClient, settings: Settings
) -> None:
    parts = ssh_parts()
    made = await add(admin, description="for the rack", **parts)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert set(shown) == {
        "id", "name", "kind", "description", "fingerprint", "host_keys", "expires_at", "servers", "created_at",
        "updated_at",
    }  # fmt: skip
    assert (shown["name"], shown["kind"], shown["description"]) == ("deploy", "ssh", "for the rack")
    assert shown == (await admin.get(f"{PATH}/{shown['id']}")).json()
    assert (await admin.get(PATH)).json()["items"] == [shown]

    secret = parts["private_key"].splitlines()[2]
    row = await Credential.get()
    assert secret not in row.sealed
    assert engine_of(app).credentials.open(row).parts["private_key"] == parts["private_key"]
    if DATABASE == "sqlite":
        with closing(sqlite3.connect(settings.state_dir / "hostler.sqlite3")) as file:
            assert secret not in "\n".join(file.iterdump())

    tls = await add(admin, "tls", "tls", **tls_parts())
    assert (tls.status_code, tls.json()["host_keys"]) == (201, [])
    assert tls.json()["expires_at"].endswith("Z")


async def test_what_can_not_be_used_is_refused_and_not_repeated(admin: httpx.AsyncClient) -> None:
    for kind, parts, field in (
        ("ssh", {"private_key": ssh_key()}, "known_hosts"),
        ("ssh", {"known_hosts": f"h {host_key()}"}, "private_key"),
        ("ssh", {**ssh_parts(), "private_key": "S3CRET"}, "private_key"),
        ("ssh", tls_parts(), "private_key"),
        ("tls", {**tls_parts(), "client_key": ssh_key()}, "client_key"),
        ("vnc", ssh_parts(), "kind"),
        ("ssh", {**ssh_parts(), "password": "S3CRET"}, "password"),
        ("ssh", {**ssh_parts(), "private_key": 7}, "private_key"),
    ):
        refused = await add(admin, "refused", kind, **parts)
        assert refused.status_code == 422, refused.text
        assert field in [error["field"] for error in refused.json()["errors"]]
        assert "S3CRET" not in refused.text
        assert "PRIVATE KEY" not in refused.text
    for name in ("", "a b", "-x", "a" * 64, None):
        assert (await admin.post(PATH, json={"name": name, "kind": "ssh", **ssh_parts()})).status_code == 422
    assert await Credential.all().count() == 0


@pytest.mark.rule("credentials-change")
async def test_parts_are_changed_one_by_one_or_together_and_names_are_taken_once(
    app: FastAPI, admin: httpx.AsyncClient
) -> None:
    made = (await add(admin)).json()
    path = f"{PATH}/{made['id']}"
    other = (await add(admin, "other")).json()

    line = f"* {host_key()}"
    changed = await admin.put(path, json={"known_hosts": line, "description": "moved"})
    assert changed.status_code == 200, changed.text
    assert changed.json()["fingerprint"] == made["fingerprint"]
    assert changed.json()["host_keys"] != made["host_keys"]
    parts = engine_of(app).credentials.open(await Credential.get(id=made["id"])).parts
    assert parts["known_hosts"].strip() == line
    assert (await admin.put(path, json={"private_key": ssh_key()})).json()["fingerprint"] != made["fingerprint"]

    for fields, status in (
        ({"name": "other"}, 409),
        ({"name": None}, 422),
        ({"client_key": "x"}, 422),
        ({"known_hosts": "x"}, 422),
        ({"kind": "tls"}, 422),
    ):
        assert (await admin.put(path, json=fields)).status_code == status, fields
    assert (await add(admin, "other")).status_code == 409
    assert (await admin.delete(f"{PATH}/{other['id']}")).json() == {"message": "Credential 'other' removed"}
    assert (await admin.get(f"{PATH}/{other['id']}")).status_code == 404


async def test_what_an_older_key_has_sealed_can_be_given_anew(app: FastAPI, admin: httpx.AsyncClient) -> None:
    made = (await add(admin)).json()
    await Credential.filter(id=made["id"]).update(sealed="of another key")

    part = await admin.put(f"{PATH}/{made['id']}", json={"private_key": ssh_key()})
    assert (part.status_code, part.json()["code"]) == (409, "seal_broken")
    assert (await admin.put(f"{PATH}/{made['id']}", json=ssh_parts())).status_code == 200


@pytest.mark.rule("credentials-use")
async def test_a_server_names_one_that_does_something_and_keeps_it_from_being_removed(admin: httpx.AsyncClient) -> None:
    ssh, tls = (await add(admin)).json(), (await add(admin, "tls", "tls", **tls_parts())).json()

    made = await admin.post("/api/servers", json={**BY_SSH, "credential_id": ssh["id"]})
    assert (made.status_code, made.json()["credential_id"]) == (201, ssh["id"])
    server = f"/api/servers/{made.json()['id']}"
    assert (await admin.get(f"{PATH}/{ssh['id']}")).json()["servers"] == ["h1"]
    refused = await admin.delete(f"{PATH}/{ssh['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "credential_in_use")
    assert refused.json()["detail"] == "Credential 'deploy' is what 'h1' is reached with"

    for fields in (
        {"credential_id": tls["id"]},
        {"credential_id": 999},
        {"libvirt_uri": "qemu:///system"},
        {"libvirt_uri": "qemu+tls://127.0.0.1:1/system"},
    ):
        wrong = await admin.put(server, json=fields)
        assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_credential"), fields
    # its modules are run by SSH, whatever the service itself does
    changed = await admin.put(server, json={"libvirt_uri": "qemu:///system", "ansible_connection": "ssh"})
    assert changed.status_code == 200
    wrong = await admin.post("/api/servers", json={**BY_SSH, "hostname": "h2", "credential_id": tls["id"]})
    assert (wrong.status_code, await Server.all().count()) == (400, 1)
    taken_away = await admin.put(server, json={"credential_id": None})
    assert taken_away.json()["credential_id"] is None
    assert (await admin.delete(f"{PATH}/{ssh['id']}")).status_code == 200


async def test_a_credential_whose_seal_is_broken_is_why_its_server_is_unreachable(
    app: FastAPI, admin: httpx.AsyncClient
) -> None:
    credential = (await add(admin)).json()
    body = {**BY_SSH, "credential_id": credential["id"], "enabled": True}
    await Credential.filter(id=credential["id"]).update(sealed="of another key")
    made = (await admin.post("/api/servers", json=body)).json()

    answer = await admin.post(f"/api/servers/{made['id']}/refresh", headers=dict(admin.headers))

    assert answer.status_code == 503, answer.text
    assert answer.json()["detail"] == (
        "Host 'h1' is unreachable: its credential can't be used with the key that seals the service's secrets"
    )


async def test_a_credential_that_is_removed_while_it_is_changed_is_not_found(
    app: FastAPI, admin: httpx.AsyncClient
) -> None:
    credential = await Credential.get(id=(await add(admin)).json()["id"])
    await actions.remove(await Credential.get(id=credential.id))

    with pytest.raises(NotFound, match=f"^Credential with ID {credential.id} not found$"):
        await actions.change(engine_of(app).credentials, credential, {"name": "another"}, {})


async def test_two_changes_at_once_of_different_parts_are_both_there(app: FastAPI, admin: httpx.AsyncClient) -> None:
    number = (await add(admin)).json()["id"]
    keeper = engine_of(app).credentials
    # each has loaded it before the other changes it
    one, other = await Credential.get(id=number), await Credential.get(id=number)
    key, line = ssh_key(), f"* {host_key()}"

    await actions.change(keeper, one, {}, {"private_key": key})
    await actions.change(keeper, other, {}, {"known_hosts": line})

    row = await Credential.get(id=number)
    parts = keeper.open(row).parts
    assert (parts["private_key"].strip(), parts["known_hosts"].strip()) == (key.strip(), line)
    assert row.fingerprint == fingerprint_of(key)


def fingerprint_of(key: str) -> str:
    return checked(CredentialKind.SSH, {**ssh_parts(), "private_key": key}).fingerprint
