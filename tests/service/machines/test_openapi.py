# SPDX-License-Identifier: GPL-3.0-or-later
"""What the OpenAPI document says of the VM routes, which clients are generated from."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI

pytestmark = pytest.mark.anyio

WRITES = {
    ("/api/vms", "post"),
    ("/api/vms/actions", "post"),
    ("/api/vms/{vm_id}", "put"),
    ("/api/vms/{vm_id}", "delete"),
    ("/api/vms/{vm_id}/config", "put"),
    ("/api/vms/{vm_id}/drift/reapply", "post"),
    *((f"/api/vms/{{vm_id}}/{verb}", "post") for verb in ("start", "stop", "force-stop", "restart", "reset", "resize")),
}


ADOPT = ("/api/vms/{vm_id}/drift/adopt", "post")
"""What asks nothing of a host, is done at once, and has no job."""


def operations(app: FastAPI) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, method): operation
        for path, item in app.openapi()["paths"].items()
        if path.startswith("/api/vms")
        for method, operation in item.items()
    }


def parameters(operation: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["in"], one["name"]) for one in operation.get("parameters", ())}


async def test_every_write_says_how_it_can_be_asked_for_and_answered(app: FastAPI) -> None:
    found = operations(app)
    assert {key for key in found if key[1] != "get"} == {*WRITES, ADOPT}
    for key in WRITES:
        assert {("query", "dry_run"), ("header", "Prefer")} <= parameters(found[key]), key
        accepted = found[key]["responses"]["202"]
        assert accepted["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/JobShown"}
        assert set(accepted["headers"]) == {"Location", "Preference-Applied"}


async def test_versions_and_keys_are_headers_where_they_are_heeded(app: FastAPI) -> None:
    found = operations(app)
    heeding = {key for key, operation in found.items() if ("header", "If-Match") in parameters(operation)}
    keyed = {key for key, operation in found.items() if ("header", "Idempotency-Key") in parameters(operation)}
    tagged = {key for key, operation in found.items() if "ETag" in operation["responses"]["200"].get("headers", {})}

    vm, config = "/api/vms/{vm_id}", "/api/vms/{vm_id}/config"
    assert heeding == {(vm, "put"), (vm, "delete"), (config, "put"), ADOPT}
    assert keyed == WRITES
    assert tagged == {(vm, "get"), (vm, "put"), (config, "get"), (config, "put")}


async def test_an_answer_of_either_kind_has_its_schema(app: FastAPI) -> None:
    found = operations(app)

    def schemas(key: tuple[str, str], status: str) -> set[str]:
        schema = found[key]["responses"][status]["content"]["application/json"]["schema"]
        return {one["$ref"].rpartition("/")[2] for one in schema.get("anyOf", [schema])}

    assert schemas(("/api/vms", "post"), "201") == {"CreatedVm"}
    assert schemas(("/api/vms", "post"), "200") == {"DryRun"}
    assert schemas(("/api/vms/{vm_id}", "put"), "200") == {"Vm", "DryRun"}
    assert schemas(("/api/vms/{vm_id}/config", "put"), "200") == {"VmConfig", "DryRun"}
    assert schemas(("/api/vms/{vm_id}", "delete"), "200") == {"Deleted", "DryRun"}
    assert schemas(("/api/vms/{vm_id}/start", "post"), "200") == {"OperationDone", "DryRun"}
    config = app.openapi()["components"]["schemas"]["NetworkConfigOfVm"]
    assert set(config["required"]) == {"type", "bridge_name"}
