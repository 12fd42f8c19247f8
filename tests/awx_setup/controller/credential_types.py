# SPDX-License-Identifier: GPL-3.0-or-later
"""Which credential types AWX takes, and what a job gets from a credential: its fields CredentialTypeInputField and
CredentialTypeInjectorField, and CredentialType.inject_credential.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.awx_setup.controller.errors import invalid

FIELD_KEYS = {
    "type", "format", "choices", "label", "help_text", "multiline", "secret", "ask_at_runtime", "default", "id",
}  # fmt: skip
NAME = re.compile(r"[a-zA-Z_]+[a-zA-Z0-9_]*")
FILE = re.compile(r"template(\.[a-zA-Z_]+[a-zA-Z0-9_]*)?")


def check_inputs(inputs: dict[str, Any]) -> dict[str, Any]:
    """Answer a type's inputs as they are kept; refuse, with 400, those that AWX would refuse."""
    if set(inputs) - {"fields", "required"}:
        raise invalid(inputs="Additional properties are not allowed.")
    fields, seen = [], set()
    for field in inputs.get("fields", []):
        name = field.get("id")
        if not isinstance(name, str) or not NAME.fullmatch(name) or not isinstance(field.get("label"), str):
            raise invalid(inputs="'id' and 'label' are required properties.")
        if name == "tower":
            raise invalid(inputs='"tower" is a reserved field name')
        if name in seen:
            raise invalid(inputs=f"field IDs must be unique ({name})")
        if set(field) - FIELD_KEYS:
            raise invalid(inputs=f"Additional properties are not allowed in {name}.")
        kind = field.get("type", "string")
        if kind not in ("string", "boolean"):
            raise invalid(inputs=f"'{kind}' is not one of ['string', 'boolean']")
        if field.get("format", "url") not in ("ssh_private_key", "url"):
            raise invalid(inputs=f"'{field['format']}' is not one of ['ssh_private_key', 'url']")
        if kind != "string":
            wrong = [key for key in ("choices", "multiline", "format", "secret") if key in field]
            if wrong:
                raise invalid(inputs=f"{wrong[0]} not allowed for {kind} type ({name})")
        seen.add(name)
        fields.append({**field, "type": kind})
    if set(inputs.get("required", [])) - seen:
        raise invalid(inputs="Unknown field in required.")
    return {**inputs, "fields": fields} if "fields" in inputs else inputs


def check_injectors(injectors: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Refuse, with 400, injectors that AWX would refuse for a type with these inputs."""
    if set(injectors) - {"file", "env", "extra_vars"}:
        raise invalid(injectors="Additional properties are not allowed.")
    files = injectors.get("file", {})
    if any(not FILE.fullmatch(name) for name in files):
        raise invalid(injectors=f"Additional properties are not allowed: {sorted(files)}")
    if "template" in files and len(files) > 1:
        raise invalid(injectors="Must use multi-file syntax when injecting multiple files")
    for name in injectors.get("env", {}):
        if not NAME.fullmatch(name) or name.startswith("ANSIBLE_"):
            raise invalid(
                injectors=f"Environment variable {name} may affect Ansible configuration so its use is not allowed"
            )
    known: dict[str, Any] = {field["id"]: "EXAMPLE" for field in inputs.get("fields", [])}
    names = {name.partition(".")[2]: "EXAMPLE_FILENAME" for name in files if "." in name}
    known["tower"] = {"filename": "EXAMPLE_FILENAME" if "template" in files else names}
    strict = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    for kind in injectors.values():
        for name, template in kind.items():
            if not isinstance(template, str):
                raise invalid(injectors=f"{template!r} is not of type 'string'")
            try:
                strict.from_string(template).render(known)
            except jinja2.UndefinedError as error:
                raise invalid(injectors=f"{name} uses an undefined field ({error})") from None
            except jinja2.TemplateSyntaxError as error:
                raise invalid(injectors=f"Syntax error rendering template for {name}: {error}") from None


def check_values(values: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Refuse, with 400, a credential's values that do not fit its type."""
    fields = {field["id"]: field for field in inputs.get("fields", [])}
    for name, value in values.items():
        if name not in fields:
            raise invalid(inputs=f"Additional properties are not allowed ('{name}' was unexpected)")
        if not isinstance(value, bool if fields[name]["type"] == "boolean" else str):
            raise invalid(inputs=f"{name}: {value!r} is not of type '{fields[name]['type']}'")
        if fields[name].get("format") == "ssh_private_key" and value != "$encrypted$" and "PRIVATE KEY" not in value:
            raise invalid(inputs=f"{name}: Invalid certificate or key")
    missing = [name for name in inputs.get("required", []) if not values.get(name)]
    if missing:
        raise invalid(inputs=f"{missing[0]}: required for {missing}")


def inject(credential_type: dict[str, Any], values: dict[str, Any], folder: Path) -> dict[str, str]:
    """Answer the environment that a job gets; the files that it names are written into the folder."""
    fields = credential_type["inputs"].get("fields", [])
    known: dict[str, Any] = {name: value for name, value in values.items() if isinstance(value, bool) or value}
    for field in fields:
        if field["type"] == "boolean":
            known.setdefault(field["id"], False)
        if field.get("format") == "ssh_private_key" and field["id"] in known:
            known[field["id"]] = known[field["id"]].rstrip("\n") + "\n"
    sandbox = ImmutableSandboxedEnvironment()
    filename = SimpleNamespace()
    for name, template in credential_type["injectors"].get("file", {}).items():
        label = name.partition(".")[2]
        path = folder / label
        path.touch(mode=0o600)
        path.write_text(sandbox.from_string(template).render(**known))
        setattr(filename, label, str(path))
    known["tower"] = SimpleNamespace(filename=filename)
    return {
        name: sandbox.from_string(template).render(**known)
        for name, template in credential_type["injectors"].get("env", {}).items()
    }
