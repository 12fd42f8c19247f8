# SPDX-License-Identifier: GPL-3.0-or-later
"""Which surveys AWX takes, and which answers: its view of a template's survey, and its model's checks at launch."""

from __future__ import annotations

from typing import Any

from tests.awx_setup.controller.errors import RefusedError

Spec = dict[str, Any]

TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str, "textarea": str, "password": str, "multiplechoice": str, "multiselect": str, "integer": int,
    "float": (float, int),
}  # fmt: skip


def check_spec(spec: Any) -> None:
    """Refuse, with 400, a survey that AWX would refuse."""
    if not isinstance(spec, dict):
        raise _refused("Expected an object.")
    for field, form in (("name", str), ("description", str), ("spec", list)):
        if field not in spec:
            raise _refused(f"Field '{field}' is missing from survey spec.")
        if not isinstance(spec[field], form):
            raise _refused(f"Expected {form.__name__} for field '{field}', received {type(spec[field]).__name__} type.")
    if not spec["spec"]:
        raise _refused("'spec' doesn't contain any items.")
    seen: set[str] = set()
    for position, question in enumerate(spec["spec"]):
        if not isinstance(question, dict):
            raise _refused(f"Survey question {position} is not a json object.")
        _check_question(question, position)
        if question["variable"] in seen:
            raise _refused(f"'variable' '{question['variable']}' duplicated in survey question {position}.")
        seen.add(question["variable"])


def _check_question(question: dict[str, Any], position: int) -> None:
    for field in ("type", "question_name", "variable", "required"):
        if field not in question:
            raise _refused(f"'{field}' missing from survey question {position}")
        if not isinstance(question[field], bool if field == "required" else str):
            raise _refused(f"'{field}' in survey question {position} has the wrong type.")
    form = question["type"]
    if form not in TYPES:
        raise _refused(f"'{form}' in survey question {position} is not one of '{', '.join(TYPES)}' allowed types.")
    default = question.get("default", "")
    if default != "" and not isinstance(default, TYPES[form]):
        raise _refused(f"Default value {default} in survey question {position} expected to be {form}.")
    for bound in ("min", "max"):
        if not isinstance(question.get(bound), int | None):
            raise _refused(f"The {bound} limit in survey question {position} expected to be integer.")
    if form in ("multiplechoice", "multiselect"):
        if "choices" not in question:
            raise _refused(f"Survey question {position} of type {form} must specify choices.")
        choices = _lines(question["choices"])
        defaults = _lines(default)
        if form == "multiplechoice" and len(defaults) > 1:
            raise _refused("Multiple Choice (Single Select) can only have one default value.")
        if any(chosen not in choices for chosen in defaults):
            raise _refused("Default choice must be answered from the choices listed.")


def _lines(value: str | list[str]) -> list[str]:
    return [line for line in value.splitlines() if line.strip()] if isinstance(value, str) else value


def defaults_of(spec: Spec) -> dict[str, Any]:
    """Answer what a job gets for the questions that nobody answered; an empty text is one."""
    return {
        question["variable"]: question["default"]
        for question in spec.get("spec", [])
        if question.get("default") is not None
    }


def mistakes(spec: Spec, answers: dict[str, Any]) -> list[str]:
    """Answer what is wrong with these answers, a sentence each."""
    return [wrong for question in spec.get("spec", []) for wrong in _mistakes_of(question, answers)]


def _mistakes_of(question: dict[str, Any], answers: dict[str, Any]) -> list[str]:
    name, form = question["variable"], question["type"]
    if name not in answers:
        return [f"'{name}' value missing"] if question["required"] else []
    value = answers[name]
    if form in ("text", "textarea", "password"):
        if not isinstance(value, str):
            return [f"Value {value} for '{name}' expected to be a string."]
        if value == "" and not question["required"]:
            return []
        size, unit = len(value), "length"
    elif form in ("integer", "float"):
        if isinstance(value, bool) or not isinstance(value, int if form == "integer" else (int, float)):
            return [
                f"Value {value} for '{name}' expected to be a {'n integer' if form == 'integer' else 'numeric type'}."
            ]
        size, unit = value, "value"
    else:
        chosen = value if isinstance(value, list) else [value]
        if form == "multiselect" and not isinstance(value, list):
            return [f"'{name}' value is expected to be a list."]
        choices = _lines(question["choices"])
        return [f"Value {one} for '{name}' expected to be one of {choices}." for one in chosen if one not in choices]
    if isinstance(question.get("min"), int) and size < question["min"]:
        return [f"'{name}' {unit} {size} is too small (must be at least {question['min']})."]
    if isinstance(question.get("max"), int) and size > question["max"]:
        return [f"'{name}' {unit} {size} is too large (must be no more than {question['max']})."]
    return []


def _refused(why: str) -> RefusedError:
    return RefusedError(400, {"error": why})
