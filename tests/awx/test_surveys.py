# SPDX-License-Identifier: GPL-3.0-or-later
"""The surveys are such as AWX takes, and as the options behind them are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MAX_MEMORY_MB, MachineSpec, facts_of
from awx.question import Question
from awx.surveys import SURVEYS
from tests.awx.answers import answered, refusal

TYPES = {
    "text": str,
    "textarea": str,
    "password": str,
    "multiplechoice": str,
    "integer": int,
    "float": (int, float),
}
PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


def every(surveys: dict[str, Any]) -> list[Any]:
    return [
        pytest.param(question, id=f"{name}-{question['variable']}")
        for name, survey in surveys.items()
        for question in survey["spec"]
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "question" in metafunc.fixturenames:
        content = yaml.safe_load((PLAYBOOKS / "vars" / "awx_surveys.yml").read_text())
        metafunc.parametrize("question", every(content["awx_surveys"]))


def test_awx_takes_every_question(question: dict[str, Any]) -> None:
    """By awx/api/views: known types, a default of the type's JSON type, whole bounds, and nothing null."""
    assert all(isinstance(question[name], str) and question[name] for name in ("question_name", "variable"))
    assert isinstance(question["required"], bool)
    assert None not in question.values()
    assert question["type"] in TYPES
    for bound in {"min", "max"} & set(question):
        assert type(question[bound]) is int
    if "default" in question:
        assert isinstance(question["default"], TYPES[question["type"]])
        assert not isinstance(question["default"], bool)
        assert refusal(question, {question["variable"]: question["default"]}) is None
    if question["type"] == "multiplechoice":
        assert all(isinstance(choice, str) and choice for choice in question["choices"])
        assert "default" in question or question["required"], "an empty answer to a choice is refused"
    assert set(question) <= {
        "question_name", "question_description", "variable", "type", "required", "default", "choices", "min", "max",
    }  # fmt: skip


def test_no_survey_asks_twice_and_all_are_json(surveys: dict[str, Any]) -> None:
    for name, survey in surveys.items():
        variables = [question["variable"] for question in survey["spec"]]
        assert len(set(variables)) == len(variables), name
        assert (survey["name"], survey["description"]) == ("", "")
    assert json.loads(json.dumps(surveys)) == surveys


def test_every_playbook_that_people_launch_has_a_survey_and_takes_what_is_asked(surveys: dict[str, Any]) -> None:
    for name, survey in surveys.items():
        text = (PLAYBOOKS / f"{name}.yml").read_text()
        if "tasks/switch.yml" in text:
            text += (PLAYBOOKS / "tasks" / "switch.yml").read_text()
        if name != "host_prepare":  # whose roles take them
            for question in survey["spec"]:
                assert re.search(rf"\b{question['variable']}\b", text), (name, question["variable"])
    assert set(SURVEYS) == set(surveys)
    assert {file.stem for file in PLAYBOOKS.glob("*.yml")} - {"awx_setup", "awx_teardown"} == set(surveys)


def test_bounds_choices_and_defaults_are_the_core_s(surveys: dict[str, Any]) -> None:
    asked = {question["variable"]: question for question in surveys["vm_create"]["spec"]}

    assert (asked["vm_memory_mb"]["min"], asked["vm_memory_mb"]["max"]) == (32, MAX_MEMORY_MB)
    assert tuple(asked["vm_firmware"]["choices"]) == facts_of(MachineSpec, "firmware").choices
    assert asked["vm_firmware"]["default"] == "bios"
    assert asked["vm_description"]["max"] == facts_of(MachineSpec, "description").max_length
    assert {name for name, question in asked.items() if question["required"]} == {
        "vm_name", "vm_cpu_cores", "vm_memory_mb", "vm_disk_gb",
    }  # fmt: skip


def test_an_option_that_is_not_there_is_no_question() -> None:
    with pytest.raises(KeyError):
        Question("vm_x", "X", "vm.no_such_option").as_survey(PLAYBOOKS.parent)


def test_no_survey_asks_for_a_uri_as_that_is_code(question: dict[str, Any]) -> None:
    assert "uri" not in question["variable"]


def test_the_replay_of_a_launch_refuses_what_awx_refuses(surveys: dict[str, Any]) -> None:
    survey = surveys["vm_create"]
    good = {"vm_name": "a", "vm_cpu_cores": 1, "vm_memory_mb": 64, "vm_disk_gb": 1}
    assert answered(survey, **good)["vm_firmware"] == "bios"
    for wrong in (
        {"vm_name": ""}, {"vm_cpu_cores": "1"}, {"vm_cpu_cores": 0}, {"vm_firmware": ""}, {"vm_nonsense": "x"},
        {"vm_os_version": "x" * 256},
    ):  # fmt: skip
        with pytest.raises(AssertionError):
            answered(survey, **{**good, **wrong})
