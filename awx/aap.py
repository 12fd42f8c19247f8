# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m awx.aap`` prints what ``infra.aap_configuration`` takes, as ``playbooks/vars/awx_for_aap.yml`` has it.

Its roles take lists of objects, each with what the modules take. So each list is made of the task of awx_setup that has
the same objects made, and refers to the same variables.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

_HEAD = """\
# SPDX-License-Identifier: GPL-3.0-or-later
# What awx_setup makes, for the roles of infra.aap_configuration. Load it with the other files here, which have
# what it refers to. Made by scripts/awx-for-aap from playbooks/tasks/awx; do not edit it here.
---
"""
LISTS = {
    "execution_environment": "controller_execution_environments",
    "credential_type": "controller_credential_types",
    "credential": "controller_credentials",
    "project": "controller_projects",
    "inventory": "controller_inventories",
    "inventory_source": "controller_inventory_sources",
    "job_template": "controller_templates",
    "workflow_job_template": "controller_workflows",
    "schedule": "controller_schedules",
}
"""The variable of infra.aap_configuration for the objects of each module, in the order in which they can be made."""


class _Data(yaml.SafeLoader):
    """Reads the data of our playbooks; what Ansible must not take for a template is plain text here."""


def _as_it_is(_loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    return node.value


_Data.add_constructor("!unsafe", _as_it_is)


def aap(repo: Path) -> dict[str, list[dict[str, Any]]]:
    """Every list of objects, by the name of its variable."""
    playbooks = repo / "playbooks"
    data = {
        name: value
        for file in ("awx_templates", "awx_credential_type", "awx_surveys")
        for name, value in _read(playbooks / f"vars/{file}.yml").items()
    }
    found = {}
    for task in [task for file in ("base", "templates") for task in _read(playbooks / f"tasks/awx/{file}.yml")]:
        module = next(key for key in task if key.startswith("awx.awx.")).removeprefix("awx.awx.")
        if module in LISTS:
            items = task.get("loop", [{}])
            found[LISTS[module]] = [
                _object(task[f"awx.awx.{module}"], item, data)
                for item in (data["awx_templates"] if items == "{{ awx_templates }}" else items)
            ]
    return {variable: found[variable] for variable in LISTS.values()}


def _read(path: Path) -> Any:
    return yaml.load(path.read_text(), _Data)  # noqa: S506 -- it is a SafeLoader


def _object(arguments: dict[str, Any], item: dict[str, str], data: dict[str, Any]) -> dict[str, Any]:
    """One object, of a task's arguments and what it loops over."""
    its: dict[str, Any] = {}
    for name, value in arguments.items():
        if name == "injectors":
            # the roles make two braces of these, so that no template of ours is taken for one of theirs
            its[name] = {
                kind: {key: template.replace("{{", "{  {") for key, template in templates.items()}
                for kind, templates in data["awx_credential_type_injectors"].items()
            }
        elif name == "survey_spec" and item:
            its[name] = value.replace("[item.action]", f".{item['action']}")
        elif name == "credentials":
            further = "awx_configure_credentials" if item["action"] == "vm_configure" else "awx_further_credentials"
            its[name] = f"{{{{ [awx_credential] + {further} }}}}"
        elif name == "playbook":
            own = item["action"] == "vm_configure"
            its[name] = "{{ awx_configure_playbook }}" if own else f"playbooks/{item['action']}.yml"
        elif isinstance(value, str) and (option := re.fullmatch(r"\{\{ awx_template_options\.(\w+) \}\}", value)):
            its[name] = data["awx_template_options"][option[1]]
        else:
            its[name] = _value(value, item)
    return its


def _value(value: Any, item: dict[str, str]) -> Any:
    """An argument without what only a task knows: the item that it is about, and that it may be left out."""
    if not isinstance(value, str):
        return value
    for name, text in item.items():
        inner = re.fullmatch(r"\{\{ (.*) \}\}", text)
        value = value.replace(f"{{{{ item.{name} }}}}", f"{{{{ {inner[1]} }}}}" if inner else text)
    return value.replace(" | default(omit, true)", "")


def main() -> None:
    """Print it."""
    content = yaml.safe_dump(aap(Path()), sort_keys=False, allow_unicode=True, width=120)
    sys.stdout.write(_HEAD + content)


if __name__ == "__main__":
    main()
