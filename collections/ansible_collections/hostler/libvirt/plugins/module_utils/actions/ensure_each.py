# SPDX-License-Identifier: GPL-3.0-or-later
"""Many VMs as they are desired, over one connection: each is tried, whatever becomes of the others."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import bring, waited
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    HostlerError,
    HostUnreachable,
    InvalidSpec,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired, validate_desired


@dataclass
class Ensured:
    """What became of one VM: the ``answer`` of `ensure`, empty for one that failed before there was any; the error."""

    desired: Desired
    answer: Dict[str, Any]
    error: Optional[HostlerError] = None

    def as_data(self) -> Dict[str, Any]:
        """Plain data for a module's answer."""
        vm = self.answer.get("vm") or {}
        return {
            "name": self.desired.name or vm.get("name"),
            "uuid": vm.get("uuid") or self.desired.uuid,
            "changed": self.answer.get("changed", False),
            "plan": self.answer.get("plan", []),
            "next_boot": self.answer.get("next_boot", []),
            "deleted_disks": self.answer.get("deleted_disks", []),
            "vm": self.answer.get("vm"),
            "error": None if self.error is None else self.error.message,
            "code": None if self.error is None else self.error.code,
            "field": None if self.error is None else self.error.field,
        }


@dataclass(frozen=True)
class Outcome:
    """What became of all, in the order in which they were desired."""

    members: Sequence[Ensured]

    @property
    def failed(self) -> List[Ensured]:
        """Those that are not as they should be."""
        return [member for member in self.members if member.error is not None]

    @property
    def failure(self) -> str:
        """One sentence with each that failed, and why."""
        each = "; ".join(f"VM {member.desired.label}: {member.error}" for member in self.failed)
        return f"{len(self.failed)} of {len(self.members)} VMs failed: {each}"

    def as_data(self) -> Dict[str, Any]:
        """Plain data: ``changed``, ``diff`` (by the VM's name or UUID), ``vms``."""
        shown = [member for member in self.members if member.answer.get("changed")]
        sides = {
            side: {member.desired.name or member.desired.uuid: member.answer["diff"][side] for member in shown}
            for side in ("before", "after")
        }
        return {"changed": bool(shown), "diff": sides, "vms": [member.as_data() for member in self.members]}


def ensure_each(hypervisor: Hypervisor, wanted: Sequence[Desired], check: bool = False) -> Outcome:
    """Bring each VM to what is desired; with ``check`` only say what that would change.

    Their guests are waited for at the end, all at the same time. Raises `InvalidSpec` before anything is done for what
    can be of no VM, with the entry's number before its field (``vms.0.name``); what fails later is told of each VM.
    """
    members = [Ensured(one, {}) for one in _validated(wanted)]
    lost: Optional[HostUnreachable] = None
    with SideConnection(hypervisor) as side:
        for member in members:
            if lost is not None:
                member.error = lost
                continue
            try:
                member.answer = bring(hypervisor, side, member.desired, check)
            except HostlerError as error:
                member.error = error
                lost = error if isinstance(error, HostUnreachable) else None
        if not check:
            _wait(hypervisor, side, [member for member in members if member.error is None])
    return Outcome(members)


def _wait(hypervisor: Hypervisor, side: SideConnection, members: Sequence[Ensured]) -> None:
    began = time.monotonic()
    for member in members:
        if member.desired.wait_for is None or member.answer["vm"] is None:
            continue
        left = max(member.desired.wait_timeout - (time.monotonic() - began), 0)
        try:
            member.answer["vm"] = waited(hypervisor, side, dataclasses.replace(member.desired, wait_timeout=left))
        except HostlerError as error:
            member.error = error


def _validated(wanted: Sequence[Desired]) -> List[Desired]:
    errors: List[FieldError] = []
    valid: List[Desired] = []
    for index, one in enumerate(wanted):
        try:
            valid.append(validate_desired(one))
        except InvalidSpec as error:
            valid.append(one)
            errors += (FieldError(f"vms.{index}.{wrong.field}", wrong.message) for wrong in error.errors)
    errors = [*_twice(valid), *errors]  # by now their XML has said their names, too
    if errors:
        raise InvalidSpec(errors)
    return valid


def _twice(wanted: Sequence[Desired]) -> Iterator[FieldError]:
    seen: Set[Any] = set()
    for index, one in enumerate(wanted):
        for field, value in (("name", one.name), ("uuid", one.uuid)):
            if value is None:
                continue
            if (field, value) in seen:
                yield FieldError(f"vms.{index}.{field}", "stands for a VM that is in the list already")
            seen.add((field, value))
