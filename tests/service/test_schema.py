# SPDX-License-Identifier: GPL-3.0-or-later
"""The running service against its own OpenAPI document: requests that fit it, and requests that don't, by schemathesis.

No answer is a failure of the service's own, and none has a status, a content type, a header or a body that the document
does not say. The hypervisor is libvirt's test driver, which makes whatever can be made, at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies
from schemathesis.checks import load_all_checks

from hostler.app import create_app
from hostler.settings import Settings
from tests.end_to_end.conftest import RunningService
from tests.service.hostile.conftest import NODE

DOCUMENT = create_app(Settings(state_dir=Path("/nonexistent"))).openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)

load_all_checks()
CHECKS = [
    check
    for check in schemathesis.checks.CHECKS.get_all()
    if check.__name__
    in (
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]


def is_endless(operation: Mapping[str, Any]) -> bool:
    """Whether the answer is a stream, which this kind of test would wait for for ever."""
    return any("text/event-stream" in answer.get("content", {}) for answer in operation["responses"].values())


OPERATIONS = [
    (method.upper(), path)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if not is_endless(operation)
]


class Callers:
    """The service, and who calls it: nobody, and users who may read, write, or do everything."""

    def __init__(self, service: RunningService) -> None:
        self.service = service
        self.session = requests.Session()
        self.session.trust_env = False
        self.tokens = {"nobody": ""}
        self.vm_id = 0
        for name, scopes in {
            "reader": ["read"],
            "writer": ["read", "write"],
            "all": ["read", "write", "admin"],
        }.items():
            self.tokens[name] = self._token(scopes)

    def _token(self, scopes: list[str]) -> str:
        # of the first administrator, whom nobody can take away as long as there is no other
        options = [word for scope in scopes for word in ("--scope", scope)]
        return self.service.command("token", "create", "admin", "tests", *options).strip()

    def headers(self, name: str) -> dict[str, str]:
        token = self.tokens[name]
        return {"Authorization": f"Bearer {token}"} if token else {}

    def make_vm(self) -> None:
        """Have a VM that requests may be about; the one before may be gone by now."""
        service = self.service
        known = requests.get(f"{self.url}/api/vms/{self.vm_id}", headers=self.headers("all"), timeout=10)
        if known.status_code == 404:
            body = {"name": f"victim{self.vm_id}", "server_id": 1, "cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.125}
            made = self.session.post(f"{self.url}/api/vms", json=body, headers=self.headers("all"), timeout=60)
            assert made.status_code == 201, made.text + service.log()
            self.vm_id = made.json()["id"]

    @property
    def url(self) -> str:
        return str(self.service.client.base_url)


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    """A service whose only host is the test driver, and its callers."""
    folder = tmp_path_factory.mktemp("schema")
    (folder / "node.xml").write_text(NODE)
    service = RunningService(
        folder,
        f"test://{folder}/node.xml",  # in the service's own process
        "qemu",
        HOSTLER_DISPATCH='{"vm_create": "direct", "vm_resize": "direct"}',
        HOSTLER_STOP_TIMEOUT_SECONDS="1",
    )
    del service.environment["HOSTLER_HOOKS_DIR"]
    try:
        service.start()
        # one that is never dialled, to be changed and removed
        other = {"hostname": "other", "libvirt_uri": "qemu+tls://127.0.0.1:1/system", "enabled": False}
        assert service.post("/api/servers", **other).status_code == 201
        yield Callers(service)
    finally:
        service.stop()
        service.client.close()


def ids(callers: Callers, method: str, path: str) -> dict[str, Any]:
    """Ids of what is there, for a part of the requests; of what these tests live on only to be looked at."""
    known = {"vm_id": str(callers.vm_id), "job_id": 1, "server_id": 1 if method == "GET" else 2}
    if method == "GET":
        known |= {"user_id": 1, "token_id": 1}
    return {name: value for name, value in known.items() if f"{{{name}}}" in path}


def _try(callers: Callers, method: str, path: str, examples: int, **settings: Any) -> None:
    operation = SCHEMA[path][method]
    callers.make_vm()
    fixed = ids(callers, method, path)
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    kinds = [operation.as_strategy(mode) for mode in modes]
    if fixed:
        kinds += [operation.as_strategy(mode, path_parameters=fixed) for mode in modes]

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
        **settings,
    )
    @hypothesis.given(
        case=strategies.one_of(kinds), caller=strategies.sampled_from(["all", "all", "writer", "reader", "nobody"])
    )
    def attempt(case: schemathesis.Case, caller: str) -> None:
        _spare(case)
        answer = case.call(base_url=callers.url, headers=callers.headers(caller), session=callers.session, timeout=60)
        assert answer.status_code < 500 or answer.status_code in (503, 504), answer.text + callers.service.log()[-4000:]
        case.validate_response(answer, checks=CHECKS)

    attempt()


def _spare(case: schemathesis.Case) -> None:
    """Keep a request from what these tests live on: the first server, the administrator and its tokens."""
    if case.method == "GET":
        return
    for name in ("server_id", "user_id", "token_id"):
        if str(case.path_parameters.get(name, "")).strip("0+ ").partition(".")[0] in ("1", "2", "3", "4", "5"):
            case.path_parameters[name] = 2 if name == "server_id" else 1_000_000


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_answers_are_what_the_document_says(callers: Callers, method: str, path: str) -> None:
    _try(callers, method, path, examples=7, derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_many_answers_are_what_the_document_says(callers: Callers, method: str, path: str) -> None:
    _try(callers, method, path, examples=150, print_blob=True)
