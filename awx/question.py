# SPDX-License-Identifier: GPL-3.0-or-later
"""One question of a survey: which variable it gives, and which option's documentation and bounds it follows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ansible_collections.hostler.libvirt.plugins.module_utils.fields import FieldFacts, facts_in
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_wish import CloneWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import MigrationWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import Switching
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wait import WaitFor
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec
from awx.documentation import options_of, plain, variables_of

LEFT_OUT = "default"
"""The choice that leaves an option out, where it has no default that could be chosen; the playbooks know it."""

# whose fields' bounds hold for a module's options of the same names
_SPECS: dict[str, tuple[type[Any], ...]] = {
    "vm": (MachineSpec, WaitFor),
    "vm_clone": (CloneWish, WaitFor),
    "vm_migrate": (MigrationWish,),
    "vm_power": (Switching,),
    "vm_resize": (MachineSpec,),
    "vm_snapshot": (SnapshotWish,),
}

_TYPES = {"str": "text", "path": "text", "list": "text", "int": "integer", "float": "float", "bool": "multiplechoice"}

_UNITS = {"MiB": "MiB", "GiB": "GiB", "s": "seconds", "ms": "milliseconds"}


@dataclass(frozen=True)
class Question:
    """A question that gives the playbook ``variable``; ``label`` is what people read.

    ``option`` is where its type, bounds, choices, default and description are from: a module's option, such as
    ``vm.cpu_cores`` or ``vm.cloud_init.hostname``, a role's variable, such as ``role:service.service_user``, or another
    plugin's option, such as ``inventory:vms.connection``.
    Those of the module ``vm`` are of a new VM: what that gets, and whether it needs it, the core's spec says. Empty for
    what no option is behind, which is a text. What is given besides wins: ``says`` for the description, ``required``,
    ``choices`` for some of the option's, ``default`` for another of its values, ``lines`` for a text of several lines,
    ``secret`` for one that is not shown.
    """

    variable: str
    label: str
    option: str = ""
    says: str = ""
    required: bool | None = None
    choices: tuple[str, ...] = ()
    default: Any = None
    lines: bool = False
    secret: bool = False

    def as_survey(self, repo: Path) -> dict[str, Any]:
        """The question as AWX's API takes it: no value is null, numbers and their bounds are JSON's, choices a list."""
        documented = self._documented(repo)
        known = self._known()
        facts = None if known is None else facts_in(known)
        kind = self._kind(documented)
        asked: dict[str, Any] = {
            "question_name": self._name(facts),
            "question_description": self._description(documented, facts),
            "variable": self.variable,
            "type": kind,
            "required": self._is_required(documented, known),
        }
        default = self._default(documented, known)
        if kind == "multiplechoice":
            return asked | self._choice(documented, default, asked["required"])
        return asked | ({} if default is None else {"default": default}) | self._bounds(documented, facts)

    def _documented(self, repo: Path) -> dict[str, Any]:
        """The option's documentation, with one of the option that it is within."""
        if not self.option:
            return {"type": "str"}
        source, *path = self.option.split(".")
        kind, _, name = source.rpartition(":")
        options = variables_of(repo, name) if kind == "role" else options_of(repo, name, kind or "modules")
        found: dict[str, Any] = options[path[0]]
        for step in path[1:]:
            found = found["suboptions"][step]
        return found

    def _known(self) -> dataclasses.Field[Any] | None:
        """The core's field of the option; None where the core has none."""
        source, *path = self.option.split(".")
        found = (
            _field_at(spec, path if spec is not WaitFor else [path[0].removeprefix("wait_")])
            for spec in _SPECS.get(source, ())
        )
        return next((one for one in found if one is not None), None)

    @property
    def _is_of_a_new_vm(self) -> bool:
        return self.option.startswith("vm.")

    def _is_required(self, documented: dict[str, Any], known: dataclasses.Field[Any] | None) -> bool:
        if self.required is not None:
            return self.required
        if self._is_of_a_new_vm and known is not None:
            return known.default is dataclasses.MISSING
        return bool(documented.get("required", False))

    def _kind(self, documented: dict[str, Any]) -> str:
        if self.secret:
            return "password"
        if self.choices or "choices" in documented:
            return "multiplechoice"
        if self.lines:
            return "textarea"
        return _TYPES[documented["type"]]

    def _name(self, facts: FieldFacts | None) -> str:
        unit = _UNITS.get(facts.unit or "") if facts is not None else None
        return f"{self.label} ({unit})" if unit else self.label

    def _description(self, documented: dict[str, Any], facts: FieldFacts | None) -> str:
        if self.says:
            return self.says
        if self._is_of_a_new_vm and facts is not None:
            says = plain(facts.doc)
        else:
            described = documented["description"]
            says = plain(described if isinstance(described, str) else described[0])
        if facts is not None and facts.pattern_says:
            says += f" It is {facts.pattern_says}."
        return f"{says} Several are separated by commas." if _is_list(documented) else says

    def _choice(self, documented: dict[str, Any], default: Any, required: bool) -> dict[str, Any]:
        """AWX refuses an empty answer to a choice, so that one is always given, be it that the option is left out."""
        choices = list(self.choices or documented.get("choices") or ["true", "false"])
        if isinstance(default, bool):
            default = "true" if default else "false"
        if default is None and not required:
            default = LEFT_OUT
            choices.insert(0, LEFT_OUT)
        return {"choices": choices} | ({} if default is None else {"default": default})

    def _default(self, documented: dict[str, Any], known: dataclasses.Field[Any] | None) -> Any:
        default = documented.get("default") if self.default is None else self.default
        if default is None and self._is_of_a_new_vm and known is not None:
            default = None if known.default is dataclasses.MISSING else known.default
        if isinstance(default, (list, tuple)):
            return ",".join(default) or None
        return None if default == "" else default

    def _bounds(self, documented: dict[str, Any], facts: FieldFacts | None) -> dict[str, Any]:
        """Of numbers their values, of texts their lengths; AWX takes whole numbers only."""
        if facts is None:
            return {}
        if documented["type"] in ("int", "float"):
            least = facts.exclusive_minimum if facts.minimum is None else facts.minimum
            found = {"min": least, "max": facts.maximum}
        else:
            found = {"max": None if _is_list(documented) else facts.max_length}
        return {name: int(bound) for name, bound in found.items() if bound is not None}


def _is_list(documented: dict[str, Any]) -> bool:
    return bool(documented["type"] == "list")


def _field_at(spec: type[Any], path: list[str]) -> dataclasses.Field[Any] | None:
    fields = {one.name: one for one in dataclasses.fields(spec)}
    if path[0] not in fields or len(path) == 1:
        return fields.get(path[0])
    kind = get_type_hints(spec)[path[0]]
    within = next(
        (one for one in (kind, *get_args(kind)) if isinstance(one, type) and dataclasses.is_dataclass(one)), None
    )
    return None if within is None else _field_at(within, path[1:])
