# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site keeps with a VM for its own use: texts by keys. Everybody who may read the VM's definition can see it."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, Mapping, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import FieldFacts, value_errors

KEY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,62}$"
KEY_SAYS = "1 to 63 letters, digits and . _ : / - , the first a letter or digit"
MOST_ENTRIES = 64
_VALUE = FieldFacts("What is kept.", max_length=4096)

Entries = Tuple[Tuple[str, str], ...]
"""Keys with their values, in the order of the keys."""


def metadata_errors(values: Mapping[Any, Any]) -> Iterator[FieldError]:
    """What is wrong with keys and values; a value of None, or an empty one, takes its key away."""
    for key, value in values.items():
        if not isinstance(key, str) or not re.fullmatch(KEY_PATTERN, key):
            yield FieldError("metadata", f"has a key {str(key)[:80]!r}, which must be {KEY_SAYS}")
        elif value is not None and not isinstance(value, str):
            yield FieldError(f"metadata.{key}", "must be a text: a number or a truth value needs quotes")
        elif value is not None:
            yield from value_errors(f"metadata.{key}", value, _VALUE)
    if sum(value not in (None, "") for value in values.values()) > MOST_ENTRIES:
        yield FieldError("metadata", f"has more than {MOST_ENTRIES} entries")


def entries_of(values: Mapping[str, Any]) -> Entries:
    """``values``, which have no errors, as a record keeps them: those that are no text are left out."""
    return tuple(sorted((key, value) for key, value in values.items() if value))


def combined(present: Entries, values: Mapping[str, Any]) -> Dict[str, Any]:
    """``present`` with what ``values`` set, which may be that something goes."""
    return {**dict(present), **values}
