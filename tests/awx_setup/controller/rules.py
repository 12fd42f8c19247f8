# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX's serializers check beyond the form of each field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.awx_setup.controller import credential_types, schedules, surveys
from tests.awx_setup.controller.errors import RefusedError, invalid, refused

if TYPE_CHECKING:
    from tests.awx_setup.controller.store import Object, Store

ENCRYPTED = "$encrypted$"
PROMPT_OF = {
    "inventory": "ask_inventory_on_launch", "limit": "ask_limit_on_launch", "job_type": "ask_job_type_on_launch",
    "job_tags": "ask_tags_on_launch", "skip_tags": "ask_skip_tags_on_launch", "verbosity": "ask_verbosity_on_launch",
    "diff_mode": "ask_diff_mode_on_launch", "scm_branch": "ask_scm_branch_on_launch",
    "execution_environment": "ask_execution_environment_on_launch", "credentials": "ask_credential_on_launch",
    "labels": "ask_labels_on_launch", "forks": "ask_forks_on_launch", "timeout": "ask_timeout_on_launch",
    "job_slice_count": "ask_job_slice_count_on_launch", "instance_groups": "ask_instance_groups_on_launch",
}  # fmt: skip
"""What can be given at launch, and the template's field that allows it."""


def check(store: Store, kind: str, one: Object, old: Object | None) -> None:
    """Refuse, with 400 or 403, an object that its serializer would refuse."""
    if kind == "credential_types":
        _check_credential_type(store, one, old)
    elif kind == "credentials":
        _check_credential(store, one, old)
    elif kind == "projects" and one["scm_type"] and not one["scm_url"]:
        raise invalid(scm_url="This field is required.")
    elif kind == "inventory_sources":
        _check_inventory_source(store, one)
    elif kind == "job_templates":
        _check_job_template(store, one)
    elif kind == "workflow_job_template_nodes":
        _check_prompts(store, one, complete=False)
    elif kind == "schedules":
        schedules.check_rule(one["rrule"])
        _check_prompts(store, one, complete=True)


def _check_credential_type(store: Store, one: Object, old: Object | None) -> None:
    one["inputs"] = credential_types.check_inputs(one["inputs"])
    credential_types.check_injectors(one["injectors"], one["inputs"])
    if old is not None and any(other["credential_type"] == old["id"] for other in store.all("credentials")):
        if one["inputs"] != old["inputs"]:
            raise refused(403, "Modifications to inputs are not allowed for credential types that are in use")
        if one["kind"] != old["kind"]:
            raise refused(403, "Modifications to kind are not allowed for credential types that are in use")


def _check_credential(store: Store, one: Object, old: Object | None) -> None:
    if one["organization"] is None:
        raise RefusedError(400, {"detail": "Missing 'user', 'team', or 'organization'."})
    before: dict[str, Any] = old["inputs"] if old else {}
    one["inputs"] = {
        name: before[name] if value == ENCRYPTED and name in before else value for name, value in one["inputs"].items()
    }
    credential_types.check_values(one["inputs"], store.get("credential_types", one["credential_type"])["inputs"])


def _check_inventory_source(store: Store, one: Object) -> None:
    one["organization"] = store.get("inventories", one["inventory"])["organization"]
    project = store.find("projects", one["source_project"])
    if one["source"] == "scm":
        if project is None:
            raise invalid(source_project="Project required for scm type sources.")
        if not project["scm_type"]:
            raise invalid(source_project="Cannot use manual project for SCM-based inventory.")
    elif project is not None:
        raise invalid(source_project="Cannot set source_project if not SCM type.")


def _check_job_template(store: Store, one: Object) -> None:
    project = store.find("projects", one["project"])
    if project is None:
        raise invalid(project="This field is required.")
    if not one["playbook"]:
        raise invalid(playbook="Must select playbook for project.")
    if one["playbook"] not in project.get("playbook_files", []):
        raise invalid(playbook="Playbook not found for project.")
    if one["inventory"] is None and not one["ask_inventory_on_launch"]:
        raise invalid(inventory="Must either set a default value or ask to prompt on launch.")
    one["organization"] = project["organization"]


def _check_prompts(store: Store, one: Object, *, complete: bool) -> None:
    template = store.find("unified_job_templates", one["unified_job_template"])
    if template is None:
        return
    sent = {name: one[name] for name in PROMPT_OF if one.get(name) is not None}
    _, ignored, wrong = accept(template, sent | {"extra_vars": one["extra_data"]}, complete=complete)
    if wrong:
        raise RefusedError(400, {"variables_needed_to_start": wrong})
    if ignored.pop("extra_vars", None):
        raise invalid(
            extra_data="Variables of these names are not allowed on launch. Check the Prompt on Launch setting."
        )
    if ignored:
        raise RefusedError(400, {name: ["Field is not configured to prompt on launch."] for name in ignored})


def accept(
    template: Object, sent: dict[str, Any], *, complete: bool
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Answer what a launch takes of what was sent, what it ignores, and what is wrong with the answers to the survey.

    With ``complete`` a required answer that is missing is wrong, too.
    """
    accepted: dict[str, Any] = {}
    ignored: dict[str, Any] = {}
    for name, value in sent.items():
        if name != "extra_vars":
            (accepted if template.get(PROMPT_OF[name]) else ignored)[name] = value
    spec = template.get("survey_spec", {}) if template.get("survey_enabled") else {}
    asked = {question["variable"] for question in spec.get("spec", [])}
    variables: dict[str, Any] = sent.get("extra_vars") or {}
    taken = {
        name: value for name, value in variables.items() if name in asked or template.get("ask_variables_on_launch")
    }
    left = {name: value for name, value in variables.items() if name not in taken}
    wrong = surveys.mistakes(spec, taken)
    if not complete:
        wrong = [sentence for sentence in wrong if not sentence.endswith("value missing")]
    return (
        accepted | ({"extra_vars": taken} if taken else {}),
        ignored | ({"extra_vars": left} if left else {}),
        wrong,
    )
