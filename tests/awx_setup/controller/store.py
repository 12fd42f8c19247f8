# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's objects, in memory: made, changed, deleted and shown as its API does it."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

from tests.awx_setup.controller.errors import RefusedError, invalid, refused
from tests.awx_setup.controller.kinds import KINDS, UNIFIED, Field, Kind, members_of

Object = dict[str, Any]
"""An object's fields, with ``id``, and ``many``: its lists of the numbers of others."""
Check = Callable[["Store", str, Object, Object | None], None]
"""Refuses what a kind's own rules forbid, given the object as it would be and as it is; it may complete it."""

SECRET = "$encrypted$"


class Store:
    """All objects of the controller, by kind and number. Numbers are never used again."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._numbers = itertools.count(1)
        self.objects: dict[str, dict[int, Object]] = {kind: {} for kind in KINDS}

    def number(self) -> int:
        return next(self._numbers)

    def all(self, kind: str) -> list[Object]:
        """Answer the objects of a kind, the oldest first; those of ``unified_job_templates`` are of several."""
        kinds = UNIFIED if kind == "unified_job_templates" else (kind,)
        return sorted((one for each in kinds for one in self.objects[each].values()), key=lambda one: int(one["id"]))

    def get(self, kind: str, number: int) -> Object:
        """Answer an object, or refuse with 404."""
        for one in self.all(kind):
            if one["id"] == number:
                return one
        raise refused(404, "Not found.")

    def find(self, kind: str, number: int | None) -> Object | None:
        """Answer what a relation points to, if anything."""
        return None if number is None else self.get(kind, number)

    def kind_of(self, one: Object) -> str:
        return next(kind for kind, objects in self.objects.items() if objects.get(one["id"]) is one)

    def create(self, kind: str, sent: dict[str, Any]) -> Object:
        definition = KINDS[kind]
        missing = [name for name, field in definition.fields.items() if field.required and name not in sent]
        if missing:
            raise RefusedError(400, {name: ["This field is required."] for name in missing})
        one = {name: copy.deepcopy(field.default) for name, field in definition.fields.items()}
        one |= self._taken(definition, sent)
        self._check(self, kind, one, None)
        self._refuse_duplicates(kind, one, None)
        one |= {"id": self.number(), "many": {name: [] for name in definition.many}}
        self.objects[kind][one["id"]] = one
        return one

    def change(self, one: Object, sent: dict[str, Any]) -> None:
        kind = self.kind_of(one)
        changed = one | self._taken(KINDS[kind], sent)
        self._check(self, kind, changed, one)
        self._refuse_duplicates(kind, changed, one)
        one.update(changed)

    def delete(self, one: Object) -> None:
        kind = self.kind_of(one)
        for owned, field in KINDS[kind].owns:
            for other in [other for other in self.objects[owned].values() if other[field] == one["id"]]:
                self.delete(other)
        del self.objects[kind][one["id"]]
        points_here = {kind, "unified_job_templates"} if kind in UNIFIED else {kind}
        for name, definition in KINDS.items():
            for other in self.objects[name].values():
                for field, form in definition.fields.items():
                    if form.to in points_here and other[field] == one["id"]:
                        other[field] = None
                for many, numbers in other["many"].items():
                    if members_of(many) == kind and one["id"] in numbers:
                        numbers.remove(one["id"])

    def associate(self, one: Object, many: str, sent: dict[str, Any]) -> None:
        """Add an object to a list of another, or with ``disassociate`` take it from there."""
        number = sent.get("id")
        if not isinstance(number, int) or isinstance(number, bool):
            raise refused(400, '"id" is required to associate')
        members = one["many"][many]
        other = self.get(members_of(many), number)
        if sent.get("disassociate"):
            if number in members:
                members.remove(number)
        elif number not in members:
            self._refuse_member(one, many, other)
            members.append(number)

    def _refuse_member(self, one: Object, many: str, other: Object) -> None:
        if many == "credentials":
            alike = [self.get("credentials", number) for number in one["many"][many]]
            if any(credential["credential_type"] == other["credential_type"] for credential in alike):
                name = self.get("credential_types", other["credential_type"])["name"]
                raise RefusedError(400, {"error": f"Cannot assign multiple {name} credentials."})
        elif many.endswith("_nodes"):
            if one["workflow_job_template"] != other["workflow_job_template"]:
                raise RefusedError(400, {"Error": "Nodes of different workflows can't be linked."})
            if self._reaches(other, one["id"]):
                raise RefusedError(400, {"Error": "Cycle detected."})

    def _reaches(self, node: Object, number: int) -> bool:
        children = [
            child for many, numbers in node["many"].items() if many.endswith("_nodes") for child in numbers
        ]  # fmt: skip
        return node["id"] == number or any(
            self._reaches(self.get("workflow_job_template_nodes", child), number) for child in children
        )

    def _taken(self, kind: Kind, sent: dict[str, Any]) -> Object:
        """Answer what of the sent fields counts, as it is kept; unknown fields and read-only ones are ignored."""
        known = {name: kind.fields[name] for name in sent if name in kind.fields and not kind.fields[name].read_only}
        return {name: self._value(name, field, sent[name]) for name, field in known.items()}

    def _value(self, name: str, field: Field, value: Any) -> Any:
        if value is None:
            if not field.null:
                raise invalid(**{name: "This field may not be null."})
            return None
        if field.form == "relation":
            if value == "" and field.null:
                return None
            if not isinstance(value, int) or isinstance(value, bool):
                raise invalid(**{name: f"Incorrect type. Expected pk value, received {type(value).__name__}."})
            if not any(one["id"] == value for one in self.all(field.to)):
                raise invalid(**{name: f'Invalid pk "{value}" - object does not exist.'})
        elif field.form == "flag" and not isinstance(value, bool):
            raise invalid(**{name: "Must be a valid boolean."})
        elif field.form == "number" and (not isinstance(value, int) or isinstance(value, bool)):
            raise invalid(**{name: "A valid integer is required."})
        elif field.form == "object" and not isinstance(value, dict):
            raise invalid(**{name: "Expected an object."})
        elif field.form in ("text", "choice"):
            if not isinstance(value, str):
                raise invalid(**{name: "Not a valid string."})
            if value == "" and field.required:
                raise invalid(**{name: "This field may not be blank."})
            if field.form == "choice" and value not in field.choices:
                raise invalid(**{name: f'"{value}" is not a valid choice.'})
        return value

    def _refuse_duplicates(self, kind: str, one: Object, old: Object | None) -> None:
        unique = KINDS[kind].unique
        if any(other is not old and all(other[name] == one[name] for name in unique) for other in self.all(kind)):
            title = KINDS[kind].type.replace("_", " ").capitalize()
            fields = " and ".join(name.replace("_", " ").capitalize() for name in unique)
            field = unique[0] if len(unique) == 1 else "__all__"
            raise invalid(**{field: f"{title} with this {fields} already exists."})

    def shown(self, one: Object) -> dict[str, Any]:
        """Answer an object as the API shows it: with its address, its relations' addresses and names, and no secret."""
        kind = self.kind_of(one)
        definition = KINDS[kind]
        url = f"/api/v2/{kind}/{one['id']}/"
        related = {name: f"{url}{name}/" for name in definition.many}
        if "survey_spec" in definition.fields:
            related |= {"survey_spec": f"{url}survey_spec/", "launch": f"{url}launch/"}
        if kind in ("projects", "inventory_sources"):
            related["update"] = f"{url}update/"
        summary: dict[str, Any] = {}
        for name, field in definition.fields.items():
            if field.form == "relation" and one[name] is not None:
                other = self.get(field.to, one[name])
                related[name] = f"/api/v2/{self.kind_of(other)}/{other['id']}/"
                summary[name] = {key: other[key] for key in ("id", "name", "description") if key in other}
        fields = {name: one[name] for name in definition.fields if name != "survey_spec"}
        if kind == "credentials":
            fields["inputs"] = self._without_secrets(one)
        return {
            "id": one["id"],
            "type": definition.type,
            "url": url,
            "related": related,
            "summary_fields": summary,
            **fields,
        }

    def _without_secrets(self, credential: Object) -> dict[str, Any]:
        fields = self.get("credential_types", credential["credential_type"])["inputs"].get("fields", [])
        secrets = {field["id"] for field in fields if field.get("secret")}
        return {name: SECRET if name in secrets and value else value for name, value in credential["inputs"].items()}
