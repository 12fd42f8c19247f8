# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs of a host are meant: by name, by UUID, by pattern."""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    LIBVIRT_NAME_SAYS,
    FieldFacts,
    value_errors,
)

# of a VM that is there, whoever named it
NAME_FACTS = FieldFacts(
    "The domain's name.",
    pattern=LIBVIRT_NAME_PATTERN,
    pattern_says=LIBVIRT_NAME_SAYS,
)


@dataclass(frozen=True)
class Selection:
    """Whose names, UUIDs or patterns (of a shell: ``*``, ``?``, ``[ab]``) are given; all VMs where none of these is.

    One that is None was not given. One that is empty was, and chooses nothing.
    """

    name: Optional[Tuple[str, ...]] = None
    uuid: Optional[Tuple[str, ...]] = None
    pattern: Optional[Tuple[str, ...]] = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it."""
        return self.name is None and self.uuid is None and self.pattern is None


class Chosen(NamedTuple):
    """One VM that is meant: without ``uuid`` no VM has that name, without ``name`` none has that UUID."""

    name: Optional[str]
    uuid: Optional[str]

    @property
    def exists(self) -> bool:
        """Whether the host has it."""
        return self.name is not None and self.uuid is not None

    @property
    def label(self) -> str:
        """How to speak of it."""
        return f"with UUID {self.uuid}" if self.name is None else f"'{self.name}'"


def plain_uuid(text: str) -> Optional[str]:
    """``text`` as libvirt writes a UUID, None where it is none."""
    try:
        return str(uuids.UUID(text))
    except ValueError:
        return None


def validate_selection(selection: Selection) -> Selection:
    """``selection``, with UUIDs as libvirt writes them; raises `InvalidSpec` with what can mean no VM on no host."""
    errors: List[FieldError] = []
    for option in ("name", "pattern"):
        for index, text in enumerate(getattr(selection, option) or ()):
            errors += value_errors(f"{option}.{index}", text, NAME_FACTS)
    plain: List[str] = []
    for index, text in enumerate(selection.uuid or ()):
        uuid = plain_uuid(text)
        if uuid is None:
            errors.append(FieldError(f"uuid.{index}", "is not a UUID"))
        else:
            plain.append(uuid)
    if errors:
        raise InvalidSpec(errors)
    return selection if selection.uuid is None else replace(selection, uuid=tuple(plain))


@dataclass(frozen=True)
class OneMachine:
    """The one VM that is meant, by name or by UUID; with both it has to have both."""

    name: Optional[str] = None
    uuid: Optional[str] = None

    @property
    def label(self) -> str:
        """How to speak of it."""
        return f"'{self.name}'" if self.name is not None else f"with UUID {self.uuid}"


def validate_one(which: OneMachine) -> OneMachine:
    """``which``, with its UUID as libvirt writes it; raises `InvalidSpec` for what no VM of any host can have."""
    errors = [] if which.name is None else list(value_errors("name", which.name, NAME_FACTS))
    uuid = None if which.uuid is None else plain_uuid(which.uuid)
    if which.uuid is not None and uuid is None:
        errors.append(FieldError("uuid", "is not a UUID"))
    if which.name is None and which.uuid is None:
        errors.append(FieldError("name", "is required, or uuid"))
    if errors:
        raise InvalidSpec(errors)
    return replace(which, uuid=uuid)


def choose(selection: Selection, names: Mapping[str, str]) -> List[Chosen]:
    """Those of a host's VMs (``names`` by UUID) that are meant, each once: names, UUIDs, then patterns, as given.

    A name or UUID that no VM has is among them; those that a pattern means are in the order of their names.
    """
    return list(dict.fromkeys(_chosen(selection, names)))


def _chosen(selection: Selection, names: Mapping[str, str]) -> Iterator[Chosen]:
    by_name: Dict[str, str] = {name: uuid for uuid, name in names.items()}
    for name in selection.name or ():
        yield Chosen(name, by_name.get(name))
    for uuid in selection.uuid or ():
        yield Chosen(names.get(uuid), uuid)
    for pattern in ("*",) if selection.is_everything else selection.pattern or ():
        for name in sorted(by_name):
            if fnmatchcase(name, pattern):
                yield Chosen(name, by_name[name])
