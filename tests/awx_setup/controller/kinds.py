# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of objects that the controller has, and the fields of each, from the models of AWX 24.6."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Field:
    """A field of a kind of object."""

    form: str
    """What it holds: text, flag, number, object, choice or relation."""
    default: Any = None
    """What it holds where nothing was given; of a field that is required, None."""
    required: bool = False
    null: bool = False
    """Whether null is a value of it."""
    to: str = ""
    """Of a relation, the kind that it points to."""
    choices: tuple[str, ...] = ()
    read_only: bool = False
    """Whether it is ignored when a client sends it."""


@dataclass(frozen=True)
class Kind:
    """A kind of object, which the API has an endpoint for."""

    type: str
    fields: dict[str, Field]
    unique: tuple[str, ...]
    """The fields that no two objects have alike."""
    many: tuple[str, ...] = ()
    """Its lists of other objects, by the names of their sub-resources, which are those of kinds or of nodes."""
    owns: tuple[tuple[str, str], ...] = ()
    """What goes when it goes: kinds, and the field there that points here. Other relations to it become null."""


def text(default: str | None = "", **options: Any) -> Field:
    return Field("text", default, null=default is None, **options)


def flag(default: bool | None = False) -> Field:
    return Field("flag", default, null=default is None)


def number(default: int | None = 0) -> Field:
    return Field("number", default, null=default is None)


def to(kind: str, **options: Any) -> Field:
    return Field("relation", to=kind, null=not options.get("required", False), **options)


NAMED = {"name": Field("text", required=True), "description": text()}
PROMPTS = {
    "inventory": to("inventories"), "scm_branch": text(None), "job_type": text(None), "job_tags": text(None),
    "skip_tags": text(None), "limit": text(None), "diff_mode": flag(None), "verbosity": number(None),
    "execution_environment": to("execution_environments"), "forks": number(None), "job_slice_count": number(None),
    "timeout": number(None),
}  # fmt: skip
ASKED = {
    name: flag()
    for name in (
        "ask_scm_branch_on_launch", "ask_diff_mode_on_launch", "ask_variables_on_launch", "ask_limit_on_launch",
        "ask_tags_on_launch", "ask_skip_tags_on_launch", "ask_job_type_on_launch", "ask_verbosity_on_launch",
        "ask_inventory_on_launch", "ask_credential_on_launch", "ask_execution_environment_on_launch",
        "ask_labels_on_launch", "ask_forks_on_launch", "ask_job_slice_count_on_launch", "ask_timeout_on_launch",
        "ask_instance_groups_on_launch",
    )
}  # fmt: skip
IN_ORGANIZATION = NAMED | {"organization": to("organizations")}
NOTIFICATIONS = tuple(f"notification_templates_{when}" for when in ("started", "success", "error", "approvals"))

KINDS = {
    "organizations": Kind(
        "organization",
        NAMED | {"max_hosts": number(), "default_environment": to("execution_environments")},
        ("name",),
        ("galaxy_credentials", "instance_groups", *NOTIFICATIONS),
        tuple(
            (kind, "organization")
            for kind in ("projects", "inventories", "credentials", "workflow_job_templates", "teams", "labels")
        ),
    ),
    "teams": Kind("team", IN_ORGANIZATION, ("name", "organization")),
    "labels": Kind("label", IN_ORGANIZATION, ("name", "organization")),
    "instance_groups": Kind("instance_group", NAMED, ("name",)),
    "notification_templates": Kind("notification_template", IN_ORGANIZATION, ("name", "organization")),
    "execution_environments": Kind(
        "execution_environment",
        IN_ORGANIZATION
        | {
            "image": Field("text", required=True),
            "managed": Field("flag", False, read_only=True),
            "credential": to("credentials"),
            "pull": Field("choice", "", choices=("", "always", "missing", "never")),
        },
        ("name",),
    ),
    "credential_types": Kind(
        "credential_type",
        NAMED
        | {
            "kind": Field("choice", required=True, choices=("cloud", "net")),
            "managed": Field("flag", False, read_only=True),
            "inputs": Field("object", {}),
            "injectors": Field("object", {}),
        },
        ("name", "kind"),
    ),
    "credentials": Kind(
        "credential",
        IN_ORGANIZATION
        | {
            "credential_type": to("credential_types", required=True),
            "managed": Field("flag", False, read_only=True),
            "inputs": Field("object", {}),
        },
        ("name", "organization", "credential_type"),
    ),
    "projects": Kind(
        "project",
        IN_ORGANIZATION
        | {
            "local_path": text(), "scm_type": Field("choice", "", choices=("", "git", "svn", "insights", "archive")),
            "scm_url": text(), "scm_branch": text(), "scm_refspec": text(), "scm_clean": flag(),
            "scm_track_submodules": flag(), "scm_delete_on_update": flag(), "credential": to("credentials"),
            "timeout": number(), "scm_revision": Field("text", "", read_only=True), "scm_update_on_launch": flag(),
            "scm_update_cache_timeout": number(), "allow_override": flag(),
            "default_environment": to("execution_environments"), "signature_validation_credential": to("credentials"),
            "status": Field("text", "never updated", read_only=True),
        },
        ("name", "organization"),
        NOTIFICATIONS,
    ),
    "inventories": Kind(
        "inventory",
        NAMED
        | {
            "organization": to("organizations", required=True),
            "kind": Field("choice", "", choices=("", "smart", "constructed")),
            "host_filter": text(None), "variables": text(), "prevent_instance_group_fallback": flag(),
            "pending_deletion": Field("flag", False, read_only=True),
        },
        ("name", "organization"),
        ("instance_groups",),
        (("hosts", "inventory"), ("inventory_sources", "inventory")),
    ),
    "hosts": Kind(
        "host",
        NAMED
        | {
            "inventory": to("inventories", required=True), "enabled": flag(True), "instance_id": text(),
            "variables": text(),
        },
        ("name", "inventory"),
    ),
    "inventory_sources": Kind(
        "inventory_source",
        NAMED
        | {
            "organization": Field("relation", to="organizations", null=True, read_only=True),
            "source": Field("choice", required=True, choices=("file", "constructed", "scm", "ec2", "controller")),
            "source_path": text(), "source_vars": text(), "scm_branch": text(), "credential": to("credentials"),
            "enabled_var": text(), "enabled_value": text(), "host_filter": text(), "overwrite": flag(),
            "overwrite_vars": flag(), "timeout": number(), "verbosity": number(1), "limit": text(),
            "execution_environment": to("execution_environments"), "inventory": to("inventories", required=True),
            "update_on_launch": flag(), "update_cache_timeout": number(), "source_project": to("projects"),
            "status": Field("text", "never updated", read_only=True),
        },
        ("name", "inventory"),
        (*NOTIFICATIONS,),
        (("schedules", "unified_job_template"),),
    ),
    "job_templates": Kind(
        "job_template",
        NAMED
        | ASKED
        | {
            "organization": Field("relation", to="organizations", null=True, read_only=True),
            "job_type": Field("choice", "run", choices=("run", "check")), "inventory": to("inventories"),
            "project": to("projects"), "playbook": text(), "scm_branch": text(), "forks": number(), "limit": text(),
            "verbosity": number(), "extra_vars": text(), "job_tags": text(), "force_handlers": flag(),
            "skip_tags": text(), "start_at_task": text(), "timeout": number(), "use_fact_cache": flag(),
            "execution_environment": to("execution_environments"), "host_config_key": text(), "survey_enabled": flag(),
            "become_enabled": flag(), "diff_mode": flag(), "allow_simultaneous": flag(), "job_slice_count": number(1),
            "webhook_service": text(), "prevent_instance_group_fallback": flag(),
            "survey_spec": Field("object", {}, read_only=True),
        },
        ("name", "organization"),
        ("credentials", "labels", "instance_groups", *NOTIFICATIONS),
        (("schedules", "unified_job_template"),),
    ),
    "workflow_job_templates": Kind(
        "workflow_job_template",
        IN_ORGANIZATION
        | {
            "extra_vars": text(), "survey_enabled": flag(), "allow_simultaneous": flag(),
            "ask_variables_on_launch": flag(), "inventory": to("inventories"), "limit": text(None),
            "scm_branch": text(None), "ask_inventory_on_launch": flag(), "ask_scm_branch_on_launch": flag(),
            "ask_limit_on_launch": flag(), "ask_labels_on_launch": flag(), "ask_skip_tags_on_launch": flag(),
            "ask_tags_on_launch": flag(), "job_tags": text(None), "skip_tags": text(None), "webhook_service": text(),
            "survey_spec": Field("object", {}, read_only=True),
        },
        ("name", "organization"),
        ("labels", *NOTIFICATIONS),
        (("workflow_job_template_nodes", "workflow_job_template"), ("schedules", "unified_job_template")),
    ),
    "workflow_job_template_nodes": Kind(
        "workflow_job_template_node",
        PROMPTS
        | {
            "extra_data": Field("object", {}), "identifier": text(), "all_parents_must_converge": flag(),
            "workflow_job_template": to("workflow_job_templates", required=True),
            "unified_job_template": to("unified_job_templates"),
        },
        ("identifier", "workflow_job_template"),
        ("success_nodes", "failure_nodes", "always_nodes", "credentials", "labels", "instance_groups"),
    ),
    "schedules": Kind(
        "schedule",
        NAMED
        | PROMPTS
        | {
            "rrule": Field("text", required=True), "enabled": flag(True), "extra_data": Field("object", {}),
            "unified_job_template": to("unified_job_templates", required=True),
        },
        ("name", "unified_job_template"),
        ("credentials", "labels", "instance_groups"),
    ),
}  # fmt: skip
UNIFIED = ("projects", "inventory_sources", "job_templates", "workflow_job_templates")
"""What a node or a schedule can start; they share their numbers."""


def members_of(many: str) -> str:
    """Answer the kind that a list of other objects has."""
    if many.endswith("_nodes"):
        return "workflow_job_template_nodes"
    if many.startswith("notification_templates_"):
        return "notification_templates"
    return "credentials" if many == "galaxy_credentials" else many
