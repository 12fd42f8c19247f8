# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to "what would change": operations in order, when each takes effect, and the diff.

``--check --diff``, ``dry_run`` and the real run all get this one object, from the pure functions of this package.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation


class Applies(enum.Enum):
    """When a step takes effect."""

    NOW = "now"  # as soon as it is done, whether the VM runs or not
    NEXT_BOOT = "next_boot"  # it is written down, and a running VM goes on as it is
    NEXT_START = "next_start"  # as NEXT_BOOT, of a network or a pool
    OFF = "off"  # it can only be done while the VM is off


@dataclass(frozen=True)
class Step:
    """One operation, in words, when it takes effect, and which fields of a spec it sets."""

    title: str
    operation: Operation
    applies: Applies = Applies.NOW
    fields: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Steps in order; ``before`` and ``after`` hold, as plain data, the fields that differ."""

    steps: Tuple[Step, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.steps)

    @property
    def next_boot(self) -> List[str]:
        """The fields that a running VM gets at its next boot, in the order of the steps."""
        waiting = (step.fields for step in self.steps if step.applies is Applies.NEXT_BOOT)
        return list(dict.fromkeys(field for fields in waiting for field in fields))

    def then(self, other: Plan) -> Plan:
        """These steps and, after them, ``other``."""
        return Plan(self.steps + other.steps, {**other.before, **self.before}, {**self.after, **other.after})

    def as_data(self) -> Dict[str, Any]:
        """As plain data: ``changed``, ``steps`` (``title``, ``applies``), ``before``, ``after``, ``next_boot``."""
        return {
            "changed": self.changed,
            "steps": [{"title": step.title, "applies": step.applies.value} for step in self.steps],
            "before": dict(self.before),
            "after": dict(self.after),
            "next_boot": self.next_boot,
        }

    def as_answer(self) -> Dict[str, Any]:
        """What a module answers: ``changed``, ``diff`` (``before``, ``after``), ``plan`` (steps), ``next_boot``."""
        data = self.as_data()
        return {
            "changed": data["changed"],
            "diff": {"before": data["before"], "after": data["after"]},
            "plan": data["steps"],
            "next_boot": data["next_boot"],
        }
