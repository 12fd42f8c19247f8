# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to "what would change": operations in order, when each takes effect, and the diff.

``--check --diff``, ``dry_run`` and the real run all get this one object, from the pure functions of this package.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import SizeEdit
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.seed import SeedContent


class Applies(enum.Enum):
    """When a step takes effect."""

    NOW = "now"  # as soon as it is done, whether the VM runs or not
    NEXT_BOOT = "next_boot"  # it is written down, and a running VM goes on as it is
    OFF = "off"  # it can only be done while the VM is off


@dataclass(frozen=True)
class DefineDomain:
    """Define a new domain. It comes first: from then on the host itself knows of what is being made."""

    definition: DomainDefinition


@dataclass(frozen=True)
class CreateVolume:
    """Make a disk of ``capacity`` bytes: blank, a copy of ``image``, or an overlay of it."""

    pool: str
    name: str
    capacity: int
    format: str
    image_pool: Optional[str] = None
    image: Optional[str] = None
    image_mode: str = "copy"


@dataclass(frozen=True)
class WriteSeed:
    """Make the NoCloud seed and put it into a volume."""

    pool: str
    name: str
    content: SeedContent


@dataclass(frozen=True)
class WriteRecord:
    """Write the VM's record of itself."""

    uuid: str
    record: Record


@dataclass(frozen=True)
class SetAutostart:
    """Start the VM with its host, or not."""

    uuid: str
    autostart: bool


@dataclass(frozen=True)
class ResizeDomain:
    """Change vCPUs and memory in the definition."""

    uuid: str
    sizes: SizeEdit


@dataclass(frozen=True)
class GrowDisk:
    """Make the disk at ``path`` ``capacity`` bytes."""

    uuid: str
    path: str
    capacity: int


@dataclass(frozen=True)
class StartDomain:
    """Power the VM on."""

    uuid: str


@dataclass(frozen=True)
class StopDomain:
    """Ask the guest to power off and wait ``timeout`` seconds; with ``force`` pull the plug after that."""

    uuid: str
    timeout: float
    force: bool = False


@dataclass(frozen=True)
class PowerOff:
    """Pull the VM's plug."""

    uuid: str


@dataclass(frozen=True)
class UndefineDomain:
    """Remove the definition and what libvirt keeps with it. Before any disk: a failure here must leave the VM whole."""

    uuid: str


@dataclass(frozen=True)
class DeleteVolume:
    """Delete a disk that was the VM's own. Looked at once more before it is done."""

    path: str


Operation = Union[
    DefineDomain,
    CreateVolume,
    WriteSeed,
    WriteRecord,
    SetAutostart,
    ResizeDomain,
    GrowDisk,
    StartDomain,
    StopDomain,
    PowerOff,
    UndefineDomain,
    DeleteVolume,
]


@dataclass(frozen=True)
class Step:
    """One operation, in words, and when it takes effect."""

    title: str
    operation: Operation
    applies: Applies = Applies.NOW


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

    def then(self, other: Plan) -> Plan:
        """These steps and, after them, ``other``."""
        return Plan(self.steps + other.steps, {**other.before, **self.before}, {**self.after, **other.after})

    def as_data(self) -> Dict[str, Any]:
        """The plan as plain data: ``changed``, ``steps`` (``title``, ``applies``), ``before``, ``after``."""
        return {
            "changed": self.changed,
            "steps": [{"title": step.title, "applies": step.applies.value} for step in self.steps],
            "before": dict(self.before),
            "after": dict(self.after),
        }
