# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists, as the API narrows, orders and pages them: AWX's FieldLookupBackend and Pagination."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from tests.awx_setup.controller.errors import refused
from tests.awx_setup.controller.kinds import KINDS, UNIFIED, members_of
from tests.awx_setup.controller.store import Object, Store

RESERVED = {"page", "page_size", "format", "order", "order_by", "search"}
LOOKUPS: dict[str, Callable[[str, str], bool]] = {
    "exact": operator.eq,
    "iexact": lambda value, wanted: value.lower() == wanted.lower(),
    "contains": lambda value, wanted: wanted in value,
    "icontains": lambda value, wanted: wanted.lower() in value.lower(),
    "startswith": str.startswith,
    "endswith": str.endswith,
    "in": lambda value, wanted: value in wanted.split(","),
    "isnull": lambda value, wanted: (value == "") is (wanted.lower() in ("1", "true")),
}


def narrowed(store: Store, kind: str, objects: list[Object], query: list[tuple[str, str]]) -> list[Object]:
    """Answer those of the objects that the query asks for; refuse, with 400, a field that there is not."""
    either: list[Callable[[Object], bool]] = []
    for key, wanted in query:
        if key in RESERVED:
            continue
        parts = key.split("__")
        negated = "not" in parts[:-1]
        alternative = "or" in parts[:-1]
        path = [part for part in parts if part not in ("not", "or", "chain")]
        lookup = path.pop() if path[-1] in LOOKUPS and len(path) > 1 else "exact"

        def matches(
            one: Object, path: list[str] = path, lookup: str = lookup, wanted: str = wanted, negated: bool = negated
        ) -> bool:
            found = any(LOOKUPS[lookup](value, wanted) for value in _values(store, kind, one, path))
            return found is not negated

        _refuse_unknown(kind, path)
        if alternative:
            either.append(matches)
        else:
            objects = [one for one in objects if matches(one)]
    if either:
        objects = [one for one in objects if any(matches(one) for matches in either)]
    return objects


def _refuse_unknown(kind: str, path: list[str]) -> None:
    kinds = UNIFIED if kind == "unified_job_templates" else (kind,)
    first, rest = path[0], path[1:]
    if first in ("id", "type") and not rest:
        return None
    for each in kinds:
        definition = KINDS[each]
        if first in definition.many:
            return _refuse_unknown(members_of(first), rest or ["id"])
        if first in definition.fields:
            field = definition.fields[first]
            return _refuse_unknown(field.to, rest) if rest and field.form == "relation" else None
    raise refused(400, f"{KINDS[kinds[0]].type} has no field named '{first}'")


def _values(store: Store, kind: str, one: Object, path: list[str]) -> list[str]:
    first, rest = path[0], path[1:]
    if first == "type":
        return [KINDS[store.kind_of(one)].type]
    if first in one["many"]:
        others = [store.get(members_of(first), number) for number in one["many"][first]]
        return [value for other in others for value in _values(store, members_of(first), other, rest or ["id"])]
    value = one.get(first)
    if rest:
        to = KINDS[store.kind_of(one)].fields[first].to
        return [] if value is None else _values(store, to, store.get(to, value), rest)
    return ["" if value is None else str(value).lower() if isinstance(value, bool) else str(value)]


def page_of(shown: list[dict[str, Any]], path: str, query: list[tuple[str, str]]) -> dict[str, Any]:
    """Answer one page of a list."""
    asked = dict(query)
    try:
        page, size = int(asked.get("page", "1")), min(int(asked.get("page_size", "25")), 200)
    except ValueError:
        raise refused(404, "Invalid page.") from None
    begin = (page - 1) * size
    if page < 1 or (begin >= len(shown) and page > 1):
        raise refused(404, "Invalid page.")
    rest = "&".join(f"{key}={value}" for key, value in query if key != "page")

    def at(number: int) -> str:
        return f"{path}?{rest}{'&' if rest else ''}page={number}"

    return {
        "count": len(shown),
        "next": at(page + 1) if begin + size < len(shown) else None,
        "previous": at(page - 1) if page > 1 else None,
        "results": shown[begin : begin + size],
    }
