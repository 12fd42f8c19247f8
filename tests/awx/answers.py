# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX makes of the answers to a survey, by the rules of AWX 24.6 (awx/main/models/mixins.py)."""

from typing import Any

_KINDS: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "textarea": (str,),
    "password": (str,),
    "integer": (int,),
    "float": (int, float),
}


def answered(survey: dict[str, Any], **given: Any) -> dict[str, Any]:
    """The variables of a job that is launched in the browser with these answers, and all else as it stands there.

    What has a default is sent with it, texts that nobody filled in are sent empty, numbers that nobody filled in are
    not sent. An answer that AWX would refuse is an AssertionError.
    """
    questions = {question["variable"]: question for question in survey["spec"]}
    assert set(given) <= set(questions), "AWX drops what the survey does not ask for"
    sent: dict[str, Any] = {}
    for variable, question in questions.items():
        if variable in given:
            sent[variable] = given[variable]
        elif "default" in question:
            sent[variable] = question["default"]
        elif question["type"] in ("text", "textarea", "password"):
            sent[variable] = ""
        complaint = refusal(question, sent)
        assert complaint is None, complaint
    return sent


def refusal(question: dict[str, Any], sent: dict[str, Any]) -> str | None:
    """Why AWX refuses what was answered to the question; None where it does not."""
    variable = question["variable"]
    if variable not in sent:
        return f"'{variable}' value missing" if question["required"] else None
    value = sent[variable]
    if question["required"] and value == "":  # the browser does not let it through
        return f"'{variable}' value missing"
    if question["type"] in _KINDS:
        if type(value) not in _KINDS[question["type"]]:
            return f"Value {value} for '{variable}' expected to be a {question['type']}"
        size = len(value) if isinstance(value, str) else value
        if size < question.get("min", size):
            return f"'{variable}' value {value} is too small"
        if size > question.get("max", size):
            return f"'{variable}' value {value} is too large"
        return None
    return None if value in question["choices"] else f"Value {value} for '{variable}' expected to be one of the choices"
