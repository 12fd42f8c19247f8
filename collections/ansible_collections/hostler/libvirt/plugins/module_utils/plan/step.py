# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to "what would change": operations in order, when each takes effect, and the diff.

``--check --diff``, ``dry_run`` and the real run all get this one object, from the pure functions of this package.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition, Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import SizeEdit
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation
from ansible_collections.hostler.libvirt.plugins.module_utils.seed import SeedContent


class Applies(enum.Enum):
    """When a step takes effect."""

    NOW = "now"  # as soon as it is done, whether the VM runs or not
    NEXT_BOOT = "next_boot"  # it is written down, and a running VM goes on as it is
    OFF = "off"  # it can only be done while the VM is off


@dataclass(frozen=True)
class DefineDomain(Operation):
    """Define a new domain. It comes first: from then on the host itself knows of what is being made."""

    definition: DomainDefinition


@dataclass(frozen=True)
class CreateVolume(Operation):
    """Make a disk of ``capacity`` bytes: blank, a copy of ``image``, or an overlay of it."""

    pool: str
    name: str
    capacity: int
    format: str
    image_pool: Optional[str] = None
    image: Optional[str] = None
    image_mode: str = "copy"
    image_field: str = "image"  # of the spec, which names the image


@dataclass(frozen=True)
class AddVolume(Operation):
    """Make the volume of a further disk of a VM that is there. Never in place of one that has its name."""

    volume: CreateVolume


@dataclass(frozen=True)
class WriteSeed(Operation):
    """Make the NoCloud seed and put it into a volume."""

    pool: str
    name: str
    content: SeedContent


@dataclass(frozen=True)
class WriteRecord(Operation):
    """Write the VM's record of itself."""

    uuid: str
    record: Record


@dataclass(frozen=True)
class SetAutostart(Operation):
    """Start the VM with its host, or not."""

    uuid: str
    autostart: bool


@dataclass(frozen=True)
class ResizeDomain(Operation):
    """Change vCPUs and memory in the definition; with ``live`` that of a running VM, too, which goes on as it is."""

    uuid: str
    sizes: SizeEdit
    live: bool = False


@dataclass(frozen=True)
class PlugVcpus(Operation):
    """Have the running VM use ``vcpus`` of those that it may have; its definition stays."""

    uuid: str
    vcpus: int


@dataclass(frozen=True)
class PlugMemory(Operation):
    """Bring the running VM to ``memory_kib`` in all by one more memory module; its definition stays."""

    uuid: str
    memory_kib: int


@dataclass(frozen=True)
class GrowDisk(Operation):
    """Make the disk at ``path`` ``capacity`` bytes; with ``live`` under the running VM."""

    uuid: str
    path: str
    capacity: int
    live: bool = False
    field: str = "disk_gb"  # the option that asks for it


@dataclass(frozen=True)
class ConnectCard(Operation):
    """Have the VM's first card be ``card``, whatever it is now; None takes the VM's only card away.

    With ``live`` it is plugged elsewhere while the VM runs, else the definition alone is changed.
    """

    uuid: str
    card: Optional[Interface]
    live: bool = False


@dataclass(frozen=True)
class SetVnc(Operation):
    """Give the VM a VNC display that listens at ``listen``, or with None have it do without."""

    uuid: str
    listen: Optional[str]


@dataclass(frozen=True)
class RenameDomain(Operation):
    """Give the VM, which is off, another name."""

    uuid: str
    name: str


@dataclass(frozen=True)
class ResumeDomain(Operation):
    """Let a paused VM go on."""

    uuid: str


@dataclass(frozen=True)
class SuspendDomain(Operation):
    """Stop a VM's guest where it stands; its memory stays."""

    uuid: str


@dataclass(frozen=True)
class SaveDomain(Operation):
    """Write a running VM's memory to disk and end it."""

    uuid: str


@dataclass(frozen=True)
class RestoreDomain(Operation):
    """Let a saved VM go on."""

    uuid: str


@dataclass(frozen=True)
class RestartDomain(Operation):
    """Ask the guest to reboot and wait ``timeout`` seconds; with ``force`` cut its power for a moment after that."""

    uuid: str
    timeout: float
    force: bool = False


@dataclass(frozen=True)
class ResetDomain(Operation):
    """Press the VM's reset button."""

    uuid: str


@dataclass(frozen=True)
class StartDomain(Operation):
    """Power the VM on; with ``paused`` its guest stands still before its first instruction."""

    uuid: str
    paused: bool = False


@dataclass(frozen=True)
class StopDomain(Operation):
    """Ask the guest to power off and wait ``timeout`` seconds; with ``force`` pull the plug after that."""

    uuid: str
    timeout: float
    force: bool = False


@dataclass(frozen=True)
class PowerOff(Operation):
    """Pull the VM's plug."""

    uuid: str


@dataclass(frozen=True)
class UndefineDomain(Operation):
    """Remove the definition and what libvirt keeps with it. Before any disk: a failure here must leave the VM whole."""

    uuid: str


@dataclass(frozen=True)
class DeleteVolume(Operation):
    """Delete a disk that was the VM's own. Looked at once more before it is done."""

    path: str


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
