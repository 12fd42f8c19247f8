# SPDX-License-Identifier: GPL-3.0-or-later
"""What the OpenAPI document says that requests may hold, walked so that every field can be given hostile values."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]


class Described:
    """An OpenAPI document, with its references followed."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    def follow(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema itself, for one that may be a reference."""
        while "$ref" in schema:
            found: Any = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
        return schema

    def kinds(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The alternatives of a schema, followed, without null."""
        schema = self.follow(schema)
        found = [self.follow(one) for key in ("anyOf", "oneOf", "allOf") for one in schema.get(key, ())] or [schema]
        return [one for one in found if one.get("type") != "null"]

    def operations(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Method, path and description of every operation."""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def body_of(self, operation: Mapping[str, Any], kind: str = "application/json") -> Mapping[str, Any] | None:
        """The schema of an operation's body of that media type."""
        content = operation.get("requestBody", {}).get("content", {})
        return self.follow(content[kind]["schema"]) if kind in content else None

    def sample(self, schema: Mapping[str, Any]) -> Any:
        """Something that fits, at its smallest: required fields only."""
        if not self.kinds(schema):  # null is all that fits
            return None
        kind = self.kinds(schema)[0]
        for source in (self.follow(schema), kind):
            if source.get("examples"):
                return copy.deepcopy(source["examples"][0])
        if "enum" in kind or "const" in kind:
            return kind.get("enum", [kind.get("const")])[0]
        match kind.get("type"):
            case "object":
                return {name: self.sample(kind["properties"][name]) for name in kind.get("required", ())}
            case "array":
                return [self.sample(kind["items"])] if kind.get("minItems") else []
            case "integer":
                return int(max(kind.get("minimum", 1), kind.get("exclusiveMinimum", 0) + 1))
            case "number":
                return max(kind.get("minimum", 1), kind.get("exclusiveMinimum", 0) + 1)
            case "boolean":
                return False
            case _:
                return "x" * max(kind.get("minLength", 1), 1)

    def fields(self, schema: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """The path and schema of every field, those within fields and the first entry of each list included."""
        for kind in self.kinds(schema):
            for name, below in kind.get("properties", {}).items():
                yield (*path, name), below
                yield from self.fields(below, (*path, name))
            if "items" in kind:
                yield (*path, 0), kind["items"]
                yield from self.fields(kind["items"], (*path, 0))

    def with_value(self, schema: Mapping[str, Any], body: Any, path: Path, value: Any) -> Any:
        """A copy of ``body`` with ``value`` at ``path``; what has to be around it is made."""
        if not path:
            return value
        (first, *rest), kinds = path, self.kinds(schema)
        kind = next(one for one in kinds if (first == 0 and "items" in one) or first in one.get("properties", {}))
        if first == 0:
            return [self.with_value(kind["items"], self.sample(kind["items"]), tuple(rest), value)]
        below = kind["properties"][first]
        changed = dict(body if isinstance(body, dict) else self.sample(kind))
        changed[str(first)] = self.with_value(below, changed.get(str(first), self.sample(below)), tuple(rest), value)
        return changed
