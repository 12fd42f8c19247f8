# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be set, for people: the page ``docs/settings.md``, an example file, and what is in effect here.

All of it is made of `Settings`, so it is never older than the program.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from hostler.logs import REDACTED, redact
from hostler.settings import PREFIX, Settings, config_file

_UNITS = {"_seconds": "seconds", "_hours": "hours", "_days": "days", "_mb": "MiB", "_gb": "GiB"}
_WIDTH = 100


@dataclass(frozen=True)
class Setting:
    """One setting, in words."""

    name: str
    """Its key in the file."""
    variable: str
    kind: str
    """Its type, with the smallest and the largest value."""
    unit: str
    """Empty for what has none."""
    default: str
    """In TOML; empty for none, or one that depends on where the service runs, as the meaning says."""
    secret: str
    """``a secret`` or ``may hold a secret``, which no command shows; empty for what is none."""
    meaning: str


@dataclass(frozen=True)
class InEffect:
    """What a setting is here, in TOML, secrets left out, and where that comes from."""

    name: str
    value: str
    source: str


def reference() -> Iterator[Setting]:
    """Yield every setting, in the order of `Settings`."""
    for name, field in Settings.model_fields.items():
        yield Setting(
            name=name,
            variable=f"{PREFIX}{name.upper()}",
            kind=_kind(field),
            unit=next((unit for end, unit in _UNITS.items() if name.endswith(end)), ""),
            default="" if field.default_factory or field.default in (None, "") else _toml(field.default),
            secret=_secret(field),
            meaning=field.description or "",
        )


def in_effect(settings: Settings, environment: Mapping[str, str] = os.environ) -> Iterator[InEffect]:
    """Yield what each setting is here, and whether a variable, the file or the default says so."""
    file = config_file()
    in_file = set() if file is None else set(tomllib.loads(file.read_text("utf-8")))
    variables = {variable.upper() for variable, value in environment.items() if value}
    for one in reference():
        value = getattr(settings, one.name)
        if isinstance(value, SecretStr):
            value = REDACTED
        elif one.secret and value:
            value = _without_password(value)
        source = one.variable if one.variable in variables else str(file) if one.name in in_file else "default"
        yield InEffect(one.name, "" if value is None else _toml(redact(value)), source)


def page() -> str:
    """Return the page of all settings, in Markdown."""
    parts = [_PAGE_TOP]
    for one in reference():
        facts = [f"`{one.variable}`", f"{one.kind}, in {one.unit}" if one.unit else one.kind]
        if one.default:
            facts.append(f"default `{one.default}`")
        if one.secret:
            facts.append(f"**{one.secret}**")
        parts.append(f"### `{one.name}`\n\n{' · '.join(facts)}\n\n{one.meaning}\n")
    parts.append(f"## The file\n\nAs `hostler settings --example` writes it:\n\n```toml\n{example()}```\n")
    return "\n".join(parts)


def example() -> str:
    """Return a file with every setting and its meaning, each commented out, so that it changes nothing as it stands."""
    parts = ["# Hostler's settings. Each that is commented out has its default.\n"]
    for one in reference():
        words = f"{one.meaning} In {one.unit}." if one.unit and one.unit not in one.meaning else one.meaning
        lines = textwrap.wrap(words, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        parts.append("\n".join([*lines, f"#{one.name} = {one.default or _placeholder(one)}"]) + "\n")
    return "\n".join(parts)


_PAGE_TOP = """\
# Settings

<!-- Made by scripts/settings-page of service/hostler/settings.py; change it there. -->

Each setting is an environment variable, or a key of the TOML file that `HOSTLER_CONFIG` names (else
`/etc/hostler/hostler.toml`, where it exists). The environment wins over the file; an empty variable counts as unset.
A key of the file that is no setting is an error; a variable that is nearly the name of one is warned of at the start.
Lists and tables are JSON in the environment.

`hostler settings` shows what is in effect, and where each value comes from, secrets left out.
"""


def _without_password(url: str) -> str:
    """Return a database's URL without what stands before its host, and without libpq's ``?password=``."""
    url = re.sub(r"(?<=://).*@", f"{REDACTED}@", url, flags=re.DOTALL)
    return re.sub(r"(password=)[^&]*", rf"\1{REDACTED}", url, flags=re.IGNORECASE)


def _placeholder(one: Setting) -> str:
    return '""' if one.kind in ("text", "path") else "..."


def _secret(field: FieldInfo) -> str:
    if SecretStr in (field.annotation, *get_args(field.annotation)):
        return "a secret"
    return "" if field.repr else "may hold a secret"


def _toml(value: Any) -> str:
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _kind(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (argument for argument in get_args(annotation) if argument is not type(None))
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) is tuple:
        (item, *_) = get_args(annotation)
        choices = get_args(item) if get_origin(item) is Literal else ()
        return f"list of {', '.join(f'`{choice}`' for choice in choices)}" if choices else "list of texts"
    if get_origin(annotation) is dict:
        return "table"
    if annotation is bool:
        return "`true` or `false`"
    if annotation is int:
        return _range(field)
    return "path" if annotation is Path else "text"


def _range(field: FieldInfo) -> str:
    least = next((limit.ge for limit in field.metadata if isinstance(limit, annotated_types.Ge)), None)
    most = next((limit.le for limit in field.metadata if isinstance(limit, annotated_types.Le)), None)
    limits = f", {least} to {most}" if most is not None else f", at least {least}" if least is not None else ""
    return f"number{limits}"
