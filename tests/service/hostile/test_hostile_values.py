# SPDX-License-Identifier: GPL-3.0-or-later
"""Every field of every body, every parameter and every header with values that nobody means well.

The fields are found in the OpenAPI document, so that a new one is tried, too. Each value is either refused, with its
field named, or comes back as it is; nothing of it is run, and nothing is ever a failure of the service's own.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path as File
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from fastapi import FastAPI

from hostler.accounts import api_tokens, users
from hostler.accounts.models import User
from hostler.credentials import actions
from hostler.credentials.models import CredentialKind
from hostler.hosts.models import Server
from hostler.permission import Permission
from hostler.schedules.models import Schedule
from hostler.webhooks import actions as webhooks
from hostler.webhooks.models import WebhookDelivery
from tests.service.conftest import USER_PASSWORD, Headers
from tests.service.credentials.parts import ssh_parts
from tests.service.hostile.conftest import ANOTHER_USER
from tests.service.hostile.every_route import Answer, ask
from tests.service.hostile.schema import Described, Path
from tests.service.machines.lab_service import engine_of

pytestmark = pytest.mark.anyio

TEXTS = [
    "",
    " ",
    "\n",
    "a\nb",
    "../../../etc/passwd",
    "a/b",
    "/dev/null",
    "~root",
    "-rf",
    "'",
    '"',
    "' OR '1'='1",
    '"; DROP TABLE vm; --',
    "<script>alert(1)</script>",
    "</name><devices/>",
    "]]>",
    "&e;",
    "{{ 7 * 7 }}",
    "{{ lookup('pipe', 'touch MARK') }}",
    "{% raw %}",
    "!unsafe x",
    "$(touch MARK)",
    "`touch MARK`",
    "; touch MARK",
    "%s%n%x",
    "${jndi:ldap://127.0.0.1/x}",
    "a\x00b",
    "\x1b[2J\x07",
    "\ud800",
    "\udfff\ud800",
    "\uffff",
    "\ufeffx",
    "\u202egnp.exe",
    "e\u0301\u0301\u0301",
    "\u200b",
    "\U0001f4a9" * 64,
    "n" * 300,
    "l" * 70_000,
    "null",
    "NaN",
    "__omit_place_holder__",
    '{"__ansible_unsafe": "x"}',
]

OTHERS: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    -0.0,
    1e-320,
    2**31,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**400,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    [],
    {},
    [[]],
    [None],
    ["x", 1, {}],
    {"x": {"y": []}},
    ["t"] * 5000,
]

IN_PATHS = [
    *(
        "0",
        "-1",
        "1.0",
        "1e3",
        "0x1",
        "+1",
        " 1",
        "1 ",
        "٣",
        "²",
        "1_0",
        "true",
        "null",
        "{{1}}",
        "%2e%2e",
        "*",
        "'",
        "\n",
    ),
    *(
        "2147483648",
        "9223372036854775808",
        "9" * 400,
        "x" * 5000,
        "é",
        "\U0001f4a9",
        "00000000-0000-0000-0000-000000000000",
    ),
    *("{00000000000000000000000000000000}", "urn:uuid:00000000-0000-0000-0000-000000000000", "a.qcow2", "..", "."),
]

UNUSUAL: Mapping[str, Any] = {"os_type": "linux", "network_config": {"type": "none"}, "disk_gb": 0.125, "memory_mb": 64}
"""What a sample of the schema would be, but for what the test driver can't have, or would make large."""


JSON = {"Content-Type": "application/json"}

THE_DRIVERS = "unsupported"
"""The code of what only libvirt's test driver refuses: it uploads nothing, so there is no seed."""


class Fuzz:
    """Sends requests to the application and looks at every answer."""

    def __init__(self, app: FastAPI, headers: Headers, ids: Mapping[str, str], mark: File) -> None:
        self.app = app
        self.headers = headers
        self.ids = ids
        self.mark = mark
        self.parts = ssh_parts()
        self.described = Described(app.openapi())
        self._number = itertools.count()

    def path(self, path: str) -> str:
        """The path with ids of rows that are there."""
        for name, value in self.ids.items():
            path = path.replace(f"{{{name}}}", value)
        return path

    def body(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """A body that is accepted, as far as the schema says what is."""
        body: dict[str, Any] = self.described.sample(schema)
        if "server_id" in schema["properties"]:
            body.update({name: value for name, value in UNUSUAL.items() if name in schema["properties"]})
            body["server_id"] = int(self.ids["{server}"])
        unique = f"fuzz-{next(self._number)}"
        password = "long enough to be one"
        sound = {"name": unique, "username": unique, "hostname": unique, "password": password, "new_password": password}
        body.update({name: value for name, value in sound.items() if name in body})
        if "kind" in body and "private_key" in schema["properties"]:
            body.update(kind="ssh", **self.parts)
        if {"action", "ids"} <= schema["properties"].keys():
            body.update(ids=[int(self.ids["vm_id"])])
        if "do" in body:
            body.update(cron="0 2 1 1 *")
        if "do" in schema["properties"]:
            body.update(do={"action": "start", "ids": [int(self.ids["vm_id"])]})
        if "libvirt_uri" in body:
            body.update(libvirt_uri="qemu+tls://127.0.0.1:1/system", enabled=False)
        return body

    async def send(
        self, what: str, method: str, path: str, content: bytes = b"", headers: Headers | None = None
    ) -> Answer:
        """One request; whatever it was, the answer is one that a client can make sense of."""
        answer = await ask(self.app, method, path, {**self.headers, **(headers or {})}, content)
        said = f"{what}: {answer.status} {answer.content[:300]!r}"
        assert answer.status < 500, said
        assert b"Traceback" not in answer.content, said
        if answer.status >= 400:
            body = answer.json()
            assert isinstance(body["detail"], str), said
            assert set(body) <= {"detail", "code", "errors", "request_id"}, said
            assert len(answer.content) < 16384, said
        assert not self.mark.exists(), said
        return answer


@pytest.fixture
async def fuzz(
    app: FastAPI, everything: httpx.AsyncClient, all_headers: Headers, test_vm: dict[str, Any], tmp_path: File
) -> Fuzz:
    user = await User.get(username="admin")
    token, _ = await api_tokens.create_token(user.id, "victim", [Permission.READ], list(Permission), 1)
    server = await Server.create(hostname="asleep", libvirt_uri="qemu+tls://127.0.0.1:1/system", enabled=False)
    victim = await users.create_user("victim", USER_PASSWORD, [Permission.READ])
    credential = await actions.add(engine_of(app).credentials, "victim", CredentialKind.SSH, ssh_parts())
    webhook, _ = await webhooks.create(
        {"url": "http://receiver.invalid/", "enabled": False}, None, app.state.sealer, ()
    )
    letter = await WebhookDelivery.create(
        webhook_id=webhook.id,
        event_id=1,
        kind="vm.changed",
        event_at=datetime.now(UTC),
        tried_at=datetime.now(UTC),
        state="delivered",
        tries=1,
    )
    schedule = await Schedule.create(
        uid="victim",
        name="victim",
        owner_id=user.id,
        owner_name="admin",
        at=datetime(2040, 1, 1, tzinfo=UTC),
        do={"action": "start", "ids": [test_vm["id"]]},
        grace_seconds=0,
        paused=True,
    )
    ids = {
        "schedule_id": str(schedule.id),
        "webhook_id": str(webhook.id),
        "delivery_id": str(letter.id),
        "{server}": str(test_vm["server"]["id"]),
        "server_id": str(server.id),
        "vm_id": str(test_vm["id"]),
        "user_id": str(victim.id),
        "token_id": str(token.id),
        "credential_id": str(credential.id),
        "job_id": "1",
    }
    return Fuzz(app, all_headers, ids, tmp_path / "executed")


def encoded(body: Any) -> bytes:
    """JSON as a hostile client writes it: with NaN, and with halves of surrogate pairs."""
    return json.dumps(body).encode()


def names_it(answer: Answer, path: Path) -> bool:
    """Whether a refusal names the field, or what it is a part of or has as a part."""
    wanted = ".".join(str(part) for part in path)
    named = [error["field"] for error in answer.json().get("errors", [])]
    return any(wanted == field or wanted.startswith(f"{field}.") or field.startswith(f"{wanted}.") for field in named)


def kept(answer: Answer, path: Path, value: str) -> bool:
    """Whether the text at that path comes back as it was sent; true where the answer does not show it."""
    found: Any = answer.json()
    for part in path:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            return True
    return found in (value, value.strip()) or (found is None and value == "")


async def try_every_field(fuzz: Fuzz, values: list[Any], wanted: Callable[[str, str], bool]) -> int:
    """Give every field of every JSON body each of the values; answers how many requests that were."""
    count = 0
    for method, path, operation in fuzz.described.operations():
        schema = fuzz.described.body_of(operation)
        if schema is None or not wanted(method, path):
            continue
        for field, _kind in fuzz.described.fields(schema):
            for raw in values:
                value = raw.replace("MARK", str(fuzz.mark)) if isinstance(raw, str) else raw
                body = fuzz.described.with_value(schema, fuzz.body(schema), field, value)
                what = f"{method} {path} with {field} = {value!r:.80}"
                answer = await fuzz.send(what, method, fuzz.path(path), encoded(body), JSON)
                count += 1
                if answer.status in (400, 422) and answer.json()["code"] != THE_DRIVERS:
                    assert names_it(answer, field), f"{what}: {answer.content!r}"
                elif answer.status < 300 and isinstance(value, str):
                    assert kept(answer, field, value), f"{what}: {answer.content[:500]!r}"
                await tidy(fuzz, method, path, answer)
    return count


async def tidy(fuzz: Fuzz, method: str, path: str, answer: Answer) -> None:
    """Take away what a request that was accepted has made."""
    if method == "POST" and answer.status == 201 and path.count("/") == 2:
        gone = await ask(fuzz.app, "DELETE", f"{path}/{answer.json()['id']}", fuzz.headers)
        assert gone.status in (200, 400), gone.content  # a protected VM stays


def is_of_vms(_method: str, path: str) -> bool:
    return path.startswith("/api/vms")


def is_of_others(method: str, path: str) -> bool:
    return not is_of_vms(method, path)


@pytest.mark.parametrize("wanted", [pytest.param(is_of_vms, marks=pytest.mark.slow), is_of_others])
@pytest.mark.parametrize("values", [TEXTS, OTHERS], ids=["texts", "others"])
async def test_every_field_of_every_body(fuzz: Fuzz, values: list[Any], wanted: Callable[[str, str], bool]) -> None:
    assert await try_every_field(fuzz, values, wanted) > 100


async def test_every_field_of_every_form(fuzz: Fuzz) -> None:
    kind = "application/x-www-form-urlencoded"
    for method, path, operation in fuzz.described.operations():
        schema = fuzz.described.body_of(operation, kind)
        if schema is None:
            continue
        for field in schema["properties"]:
            for text in TEXTS:
                form = {**fuzz.described.sample(schema), field: text.replace("MARK", str(fuzz.mark))}
                content = urlencode(form, errors="surrogatepass").encode()
                await fuzz.send(
                    f"{method} {path} with {field}={text!r:.60}", method, path, content, {"Content-Type": kind}
                )


async def test_every_parameter_of_every_address(fuzz: Fuzz) -> None:
    for method, path, operation in fuzz.described.operations():
        for parameter in operation.get("parameters", ()):
            if parameter["in"] != "query":
                continue
            for text in [*TEXTS, *IN_PATHS, "nan", "1e308", "-1", "inf", "on", "2024-01-01"]:
                value = quote(text.replace("MARK", str(fuzz.mark)), safe="", errors="surrogatepass")
                query = f"?{parameter['name']}={value}"
                await fuzz.send(f"{method} {path}{query:.120}", method, fuzz.path(path) + query)
                if method == "DELETE" or ("vms" in path and method == "POST"):
                    break  # an accepted value does something; the bodies' test has tried those


async def test_every_id_of_every_path(fuzz: Fuzz) -> None:
    for method, path, operation in fuzz.described.operations():
        names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"]
        for name, text in itertools.product(names, IN_PATHS):
            filled = fuzz.path(path.replace(f"{{{name}}}", quote(text, safe="")))
            # what a server would hand on: the path decoded, as the application sees it
            answer = await fuzz.send(f"{method} {filled:.120}", method, fuzz.path(path.replace(f"{{{name}}}", text)))
            # pydantic reads 1.0 and +1 as 1, as it does in a query
            known = (200, 404, 405, 409, 422) if text in ("1.0", "+1", " 1", "1 ", "1_0") else (404, 405, 422)
            assert answer.status in known, f"{method} {filled:.120}: {answer.status} {answer.content!r}"


async def test_every_header_that_is_read(fuzz: Fuzz) -> None:
    known = {
        "Accept",
        "Content-Type",
        "Content-Length",
        "X-Request-ID",
        "Prefer",
        "If-Match",
        "Last-Event-ID",
        "Origin",
    }
    for method, path, operation in fuzz.described.operations():
        declared = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "header"}
        for name in sorted(declared | (known if path in ("/api/vms", "/healthz") else set())):
            for text in TEXTS:
                value = text.replace("MARK", str(fuzz.mark)).encode("utf-8", "surrogatepass").decode("latin-1")
                await fuzz.send(
                    f"{method} {path} with {name}: {value!r:.60}", method, fuzz.path(path), b"", {name: value}
                )


async def test_they_are_still_who_they_were(fuzz: Fuzz) -> None:
    """The user of these tests is there, and may do what it could: the tests above mean something."""
    answer = await fuzz.send("me", "GET", "/api/auth/me")

    assert answer.json()["username"] == ANOTHER_USER
    assert set(answer.json()["permissions"]) == {permission.value for permission in Permission}
