# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of awx_setup keeps AWX's rules, and what is injected is what the collection reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.awx.made import REPO
from tests.awx_setup.controller import credential_types, schedules, surveys
from tests.awx_setup.controller.errors import RefusedError
from tests.habits.test_awx_playbooks import offered

VARS = REPO / "playbooks/vars"
SURVEYS = yaml.safe_load((VARS / "awx_surveys.yml").read_text())["awx_surveys"]
TEMPLATES = yaml.safe_load((VARS / "awx_templates.yml").read_text())["awx_templates"]
SWITCHES = ("HOSTLER_SSH_INSECURE", "HOSTLER_TLS_INSECURE", "HOSTLER_INSECURE")
FILES = {
    "HOSTLER_SSH_KEY": "ssh_key", "HOSTLER_SSH_KNOWN_HOSTS": "ssh_known_hosts",
    "HOSTLER_TLS_CACERT": "tls_ca_certificate", "HOSTLER_TLS_CLIENTCERT": "tls_client_certificate",
    "HOSTLER_TLS_CLIENTKEY": "tls_client_key", "HOSTLER_CA_CERT": "service_ca_certificate",
}  # fmt: skip
TEXTS = {"LIBVIRT_DEFAULT_URI": "libvirt_uri", "HOSTLER_URL": "service_url", "HOSTLER_TOKEN": "service_token"}


class Data(yaml.SafeLoader):
    """Reads what Ansible must not take for a template as plain text."""


Data.add_constructor("!unsafe", lambda _, node: node.value)


@pytest.fixture
def credential_type() -> dict[str, Any]:
    data = yaml.load((VARS / "awx_credential_type.yml").read_text(), Data)  # noqa: S506 -- it is a SafeLoader
    return {name: data[f"awx_credential_type_{name}"] for name in ("inputs", "injectors")}


@pytest.mark.parametrize("action", SURVEYS)
def test_awx_takes_each_survey(action: str) -> None:
    surveys.check_spec(SURVEYS[action])


QUESTION = {"question_name": "Size", "variable": "size", "type": "integer", "required": False}


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "boolean"}, {"default": "1"}, {"default": None}, {"default": 1.5}, {"min": 0.5}, {"required": "no"},
        {"variable": None}, {"type": "multiplechoice"}, {"type": "multiplechoice", "choices": ["a"], "default": "b"},
        {"type": "multiplechoice", "choices": "a\nb", "default": "a\nb"},
    ],
)  # fmt: skip
def test_the_stand_in_refuses_a_survey_that_awx_refuses(changes: dict[str, Any]) -> None:
    surveys.check_spec({"name": "", "description": "", "spec": [QUESTION]})
    with pytest.raises(RefusedError):
        surveys.check_spec({"name": "", "description": "", "spec": [QUESTION | changes]})


def test_each_template_s_playbook_is_one_that_awx_offers() -> None:
    for template in TEMPLATES:
        path = Path(f"playbooks/{template['action']}.yml")
        assert offered(path, (REPO / path).read_text()), path


def test_awx_takes_the_credential_type(credential_type: dict[str, Any]) -> None:
    inputs, injectors = credential_type["inputs"], credential_type["injectors"]

    assert credential_types.check_inputs(inputs) == inputs
    credential_types.check_injectors(injectors, inputs)
    fields = {field["id"] for field in inputs["fields"]}
    templates = "".join(template for kind in injectors.values() for template in kind.values())
    assert {field for field in fields if f"{{{{ {field} }}}}" not in templates} == set()


@pytest.mark.parametrize(
    ("inputs", "injectors"),
    [
        ({"fields": [{"id": "a", "label": "A", "type": "integer"}]}, {}),
        ({"fields": [{"id": "a", "label": "A", "format": "email"}]}, {}),
        ({"fields": [{"id": "a", "label": "A", "type": "boolean", "secret": True}]}, {}),
        ({"fields": [{"id": "tower", "label": "A"}]}, {}),
        ({}, {"env": {"ANSIBLE_HOST_KEY_CHECKING": "no"}}),
        ({}, {"env": {"A": "{{ unknown }}"}}),
        ({}, {"file": {"template": "a", "template.b": "b"}}),
    ],
)
def test_the_stand_in_refuses_a_credential_type_that_awx_refuses(
    inputs: dict[str, Any], injectors: dict[str, Any]
) -> None:
    with pytest.raises(RefusedError):
        credential_types.check_injectors(injectors, credential_types.check_inputs(inputs))


def test_an_empty_credential_leaves_everything_unset(credential_type: dict[str, Any], tmp_path: Path) -> None:
    environment = credential_types.inject(credential_type, {}, tmp_path)

    assert set(environment) == {*FILES, *TEXTS, *SWITCHES}
    assert {environment[name] for name in TEXTS} == {""}
    assert {environment[name] for name in SWITCHES} == {"False"}
    assert {Path(environment[name]).read_bytes() for name in FILES} == {b""}


def test_what_is_filled_in_arrives_and_openssh_takes_the_key(credential_type: dict[str, Any], tmp_path: Path) -> None:
    subprocess.run(
        ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    values: dict[str, Any] = {field: f"<{field}>" for field in (*FILES.values(), *TEXTS.values())}
    # as a web form sends it, without the last line break
    values |= {"ssh_key": (tmp_path / "key").read_text().strip(), "ssh_insecure": True}
    credential_types.check_values(values, credential_type["inputs"])
    (tmp_path / "injected").mkdir()

    environment = credential_types.inject(credential_type, values, tmp_path / "injected")

    assert {name: environment[name] for name in TEXTS} == {name: values[field] for name, field in TEXTS.items()}
    assert [environment[name] for name in SWITCHES] == ["True", "False", "False"]
    for name, field in FILES.items():
        assert Path(environment[name]).read_text().strip() == values[field]
        assert Path(environment[name]).stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(
        ["/usr/bin/ssh-keygen", "-y", "-f", environment["HOSTLER_SSH_KEY"]],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert shown.stdout.split()[1] == (tmp_path / "key.pub").read_text().split()[1]


def test_awx_takes_the_schedule_s_rule() -> None:
    schedules.check_rule(yaml.safe_load((VARS / "awx.yml").read_text())["awx_schedule_rule"])


@pytest.mark.parametrize(
    "rule",
    [
        "", "DTSTART:20260101T020000Z", "DTSTART:20260101T020000 RRULE:FREQ=DAILY;INTERVAL=1",
        "DTSTART:20260101T020000Z RRULE:FREQ=DAILY", "DTSTART:20260101T020000Z RRULE:FREQ=SECONDLY;INTERVAL=1",
        "DTSTART;TZID=Nowhere/At_All:20260101T020000 RRULE:FREQ=DAILY;INTERVAL=1",
        "DTSTART:20260101T020000Z RRULE:FREQ=DAILY;INTERVAL=1;COUNT=1000",
        "DTSTART:20260101T020000Z RRULE:FREQ=DAILY;INTERVAL=1 EXDATE:20260102T020000Z",
    ],
)  # fmt: skip
def test_the_stand_in_refuses_a_rule_that_awx_refuses(rule: str) -> None:
    with pytest.raises(RefusedError):
        schedules.check_rule(rule)


@pytest.mark.slow
def test_the_data_for_aap_says_the_same(tmp_path: Path) -> None:
    """Read by Ansible, with the other files, as the roles of infra.aap_configuration have it."""
    files = ["awx", "awx_credential_type", "awx_templates", "awx_surveys", "awx_objects", "awx_for_aap"]
    names = [name for name in yaml.safe_load((VARS / "awx_for_aap.yml").read_text()) if name.startswith("controller_")]
    content = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} | to_json }}"
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(VARS / f"{file}.yml") for file in files],
        "tasks": [{"ansible.builtin.copy": {"content": content, "dest": str(tmp_path / "lists"), "mode": "0600"}}],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), tmp_path / "play.yml"],
        env={"PATH": os.defpath, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    lists = json.loads((tmp_path / "lists").read_text())

    assert [template["name"] for template in lists["controller_templates"]] == [
        f"Hostler / {template['name']}" for template in TEMPLATES
    ]
    for template, ours in zip(lists["controller_templates"], TEMPLATES, strict=True):
        assert template.get("survey_spec") == SURVEYS.get(ours["action"])
        assert template["playbook"] == f"playbooks/{ours['action']}.yml"
    assert [node["identifier"] for node in lists["controller_workflows"][0]["workflow_nodes"]][-1] == "vm_report"
    injectors = lists["controller_credential_types"][0]["injectors"]
    assert injectors["env"]["HOSTLER_URL"] == "{  { service_url }}"
