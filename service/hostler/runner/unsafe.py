# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way in for values that a playbook gets as extra variables.

Ansible templates every string of its extra variables, on the controller: ``{{ lookup('pipe', 'id') }}`` in a
VM's description would run ``id`` as the service's user. A string given as ``{"__ansible_unsafe": text}`` is
data, and stays literal wherever a playbook uses it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TypeAlias

Wrapped: TypeAlias = "bool | int | float | list[Wrapped] | dict[str, Wrapped | str] | None"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What XML 1.0 cannot hold, libvirt cannot either; and an escape character could forge the event marks that
# ansible-runner looks for in Ansible's output.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def unsafe(value: object) -> Wrapped:
    """Give ``value`` back with every string in it wrapped, at any depth, as JSON data.

    :raises ValueError: a string holds a control character other than tab, line ends and U+007F, a dict's key is no
        plain name, or a float is not finite.
    :raises TypeError: the value, or one inside it, is none of dict, list, tuple, str, int, float, bool, None.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        return value
    if isinstance(value, str):
        return {"__ansible_unsafe": _text(value)}
    if isinstance(value, Mapping):
        return {_key(key): unsafe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [unsafe(item) for item in value]
    raise TypeError(f"a {type(value).__name__} can't be given to a playbook")


def _text(value: str) -> str:
    found = _FORBIDDEN.search(value)
    if found:
        raise ValueError(f"a text holds the character U+{ord(found.group()):04X}, which is not allowed in it")
    return str(value)


def _key(key: object) -> str:
    """Check a key: ``__ansible_unsafe``, ``__ansible_vault`` … instruct Ansible, whoever wrote them."""
    if not isinstance(key, str) or not _NAME.fullmatch(key) or key.startswith("__ansible_"):
        raise ValueError(f"{key!r} is no name for a variable or a key")
    return str(key)
