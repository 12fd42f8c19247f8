# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors over HTTP: one shape, one sentence, nothing of what was sent, nothing of how we are built."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import pytest
import structlog.testing
from fastapi import FastAPI
from pydantic import SecretStr
from tortoise.exceptions import OperationalError

from ansible_collections.hostler.libvirt.plugins.module_utils import errors as core
from hostler import errors
from hostler.app import LARGEST_BODY
from hostler.bodies import RequestBody, StorableText
from hostler.database import DatabaseUnavailable
from hostler.permission import Public
from hostler.routing import Router
from tests.service.conftest import Headers

pytestmark = pytest.mark.anyio


class Inner(RequestBody):
    size: int


class Body(RequestBody):
    name: str
    password: SecretStr = SecretStr("")
    inner: Inner | None = None
    items: list[Inner] = []  # noqa: RUF012 - pydantic copies it
    anything: Any = None


RAISED: dict[str, Exception] = {}


@pytest.fixture
def failing(app: FastAPI) -> Iterator[FastAPI]:
    """The app with a route that takes a body, and one that raises RAISED["it"]."""
    router = Router(prefix="/test")

    @router.post("/body")
    async def body(_access: Annotated[None, Public()], body: Body) -> str:
        return body.name

    @router.get("/raise")
    async def fail(_access: Annotated[None, Public()], text: StorableText = "") -> str:
        raise RAISED["it"]

    app.include_router(router)
    yield app
    RAISED.clear()


async def post(client: httpx.AsyncClient, content: bytes | str, kind: str = "application/json") -> dict[str, Any]:
    answer = await client.post("/test/body", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 422, answer.text
    body: dict[str, Any] = answer.json()
    assert set(body) <= {"detail", "code", "errors", "request_id"}
    assert isinstance(body["detail"], str)
    return body


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({}, "name"),
        ({"name": 7}, "name"),
        ({"name": None}, "name"),
        ({"name": "x", "nmae": 1}, "nmae"),
        ({"name": "x", "inner": {"size": "big"}}, "inner.size"),
        ({"name": "x", "inner": {"size": 1, "sise": 2}}, "inner.sise"),
        ({"name": "x", "items": [{"size": 1}, {"size": []}]}, "items.1.size"),
        ([], "body"),
        ("text", "body"),
        (None, "body"),
        (7, "body"),
    ],
)
@pytest.mark.rule("error-shape")
async def test_a_wrong_field_is_named(failing: FastAPI, client: httpx.AsyncClient, content: object, field: str) -> None:
    body = await post(client, json.dumps(content))

    assert [error["field"] for error in body["errors"]] == [field]
    assert f"'{field}'" in body["detail"]
    assert "\n" not in body["detail"]


@pytest.mark.rule("unknown-fields")
async def test_an_unknown_field_is_refused_by_name(failing: FastAPI, client: httpx.AsyncClient) -> None:
    body = await post(client, b'{"name": "x", "nmae": 1}')

    assert body["detail"] == "The request is not valid: 'nmae': there is no such field"
    assert body["errors"] == [{"field": "nmae", "message": "there is no such field"}]


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"{'name': 'x'}",
        b'{"name": "x",}',
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b"name=x",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"name": "x", "anything": ' + b"9" * 5000 + b"}",
        b"",
    ],
    ids=range(10),
)
async def test_a_malformed_body_is_told_as_such(failing: FastAPI, client: httpx.AsyncClient, content: bytes) -> None:
    await post(client, content)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", ""])
async def test_a_body_of_another_type_is_refused(failing: FastAPI, client: httpx.AsyncClient, kind: str) -> None:
    await post(client, b'{"name": "x"}', kind)


@pytest.mark.parametrize(
    "content",
    [
        '{"name": "a\\u0000b"}',
        '{"name": "\\ud800"}',
        '{"name": "x", "anything": {"deep": ["\\udfff"]}}',
        '{"\\ud800": 1}',
    ],
)
async def test_text_that_cannot_be_stored_is_refused(failing: FastAPI, client: httpx.AsyncClient, content: str) -> None:
    await post(client, content)


async def test_what_was_sent_is_not_repeated(failing: FastAPI, client: httpx.AsyncClient) -> None:
    sent = {"name": ["hunter2"], "password": {"hunter2": "hunter2"}, "inner": "hunter2", "anything": "a\u0000hunter2"}

    answer = await client.post("/test/body", json=sent)

    assert answer.status_code == 422
    assert "hunter2" not in answer.text


async def test_a_long_or_unprintable_field_name_is_shortened(failing: FastAPI, client: httpx.AsyncClient) -> None:
    body = await post(client, json.dumps({"name": "x", "n\u202e\n" + "x" * 10_000: 1}))

    (error,) = body["errors"]
    assert error["field"].startswith("n??xxx")
    assert len(error["field"]) < 100


async def test_many_problems_make_one_sentence(failing: FastAPI, client: httpx.AsyncClient) -> None:
    body = await post(client, json.dumps({f"f{number}": 1 for number in range(50)}))

    assert len(body["errors"]) == 51
    assert body["detail"].endswith("; and 46 more")


async def test_too_large_a_body_is_refused(failing: FastAPI, client: httpx.AsyncClient) -> None:
    async def chunks() -> Any:
        for _ in range(LARGEST_BODY // 1024 + 1):
            yield b" " * 1024

    for content in (b" " * (LARGEST_BODY + 1), chunks()):
        answer = await client.post("/test/body", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert answer.json()["detail"] == "The body of the request is too large"


@pytest.mark.rule("error-shape")
async def test_an_unknown_path_or_method_has_the_same_shape(client: httpx.AsyncClient) -> None:
    missing = await client.get("/api/no/such/thing")
    wrong = await client.delete("/healthz")

    assert (missing.status_code, missing.json()["detail"]) == (404, "There is nothing at this path")
    assert (wrong.status_code, wrong.json()["detail"]) == (405, "The method DELETE is not allowed at this path")
    assert wrong.headers["allow"] == "GET"
    assert missing.json()["request_id"] == missing.headers["x-request-id"]


async def test_nul_characters_in_an_address_are_refused(client: httpx.AsyncClient) -> None:
    for path in ("/healthz?search=%00", "/api/%00", "/healthz%00"):
        answer = await client.get(path)
        assert answer.status_code == 422
        assert isinstance(answer.json()["detail"], str)


def subclasses(cls: type) -> set[type]:
    return {cls}.union(*(subclasses(child) for child in cls.__subclasses__()))


def test_every_error_of_the_core_has_a_status() -> None:
    codes = {cls.code for cls in subclasses(core.HostlerError) if cls is not core.HostlerError}  # type: ignore[attr-defined]

    assert codes - set(errors.STATUS_OF_CODE) == set()
    assert errors.status_of(core.HostlerError("x")) == 500


async def test_an_error_of_the_core_becomes_its_status(failing: FastAPI, client: httpx.AsyncClient) -> None:
    RAISED["it"] = core.InvalidSpec(
        [core.FieldError("cpu_cores", "should be positive"), core.FieldError("name", "bad")]
    )

    answer = await client.get("/test/raise")

    assert answer.status_code == errors.STATUS_OF_CODE["invalid_spec"]
    assert answer.json()["code"] == "invalid_spec"
    assert [error["field"] for error in answer.json()["errors"]] == ["cpu_cores", "name"]


@pytest.mark.parametrize(
    ("error", "with_stack"), [(core.HostUnreachable("lab1"), False), (core.OperationFailed("It broke"), True)]
)
async def test_what_the_core_failed_at_is_logged_with_its_stack_unless_a_host_is_away(
    failing: FastAPI,
    client: httpx.AsyncClient,
    error: core.HostlerError,
    with_stack: bool,
) -> None:
    RAISED["it"] = error

    with structlog.testing.capture_logs() as logged:
        answer = await client.get("/test/raise")

    assert answer.status_code == (500 if with_stack else 503)
    (line,) = [line for line in logged if line["event"] == "operation failed"]
    assert line["exc_info"] is (error if with_stack else None)


@pytest.mark.rule("error-shape")
async def test_an_error_of_ours_becomes_its_status_body_and_headers(
    failing: FastAPI, client: httpx.AsyncClient
) -> None:
    RAISED["it"] = errors.TooManyRequests("Slow down", retry_after=7)

    answer = await client.get("/test/raise")

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert {name: answer.json()[name] for name in ("detail", "code")} == {
        "detail": "Slow down",
        "code": "too_many_requests",
    }


async def test_a_database_that_is_gone_is_503(failing: FastAPI, client: httpx.AsyncClient) -> None:
    RAISED["it"] = DatabaseUnavailable("disk full at /var/lib/secret")

    answer = await client.get("/test/raise")

    assert answer.status_code == 503
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "error", [RuntimeError("/etc/secret"), OperationalError("/etc/secret"), KeyError("/etc/secret")]
)
@pytest.mark.rule("error-silence")
async def test_the_unexpected_is_logged_with_its_stack_and_answered_without(
    failing: FastAPI, client: httpx.AsyncClient, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    RAISED["it"] = error

    answer = await client.get("/test/raise", headers={"X-Request-ID": "find-me-7"})

    assert answer.status_code == 500
    assert answer.json() == {
        "detail": "The service failed unexpectedly; its log has the reason under this request id",
        "code": "internal",
        "request_id": "find-me-7",
    }
    logged = capsys.readouterr().out
    assert "find-me-7" in logged
    assert "/etc/secret" in logged


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("abc-1.2_3", True),
        ("", False),
        ("a b", False),
        ("x" * 65, False),
        ("é", False),
        ("a\nb", False),
        ("<x>", False),
    ],
)
async def test_a_sane_request_id_is_kept_and_another_replaced(
    client: httpx.AsyncClient, sent: str, taken: bool
) -> None:
    answer = await client.get("/healthz", headers={"X-Request-ID": sent.encode()})

    assert (answer.headers["x-request-id"] == sent) is taken
    assert answer.headers["x-request-id"]


@pytest.mark.rule("error-shape")
async def test_a_text_that_is_too_long_is_told_its_characters(client: httpx.AsyncClient, read_headers: Headers) -> None:
    answer = await client.get("/api/vms", params={"search": "x" * 256}, headers=read_headers)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "search", "message": "it should have at most 255 characters"}]
