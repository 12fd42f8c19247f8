# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a network are the fields of what is wanted: the same names, types, choices and defaults."""

import dataclasses
import typing
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts_in
from ansible_collections.hostler.libvirt.plugins.module_utils.network_options import NETWORK_OPTIONS
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_wish import NetworkWish

TYPES = {str: "str", int: "int", bool: "bool"}


def spec_of(spec_class: type) -> dict[str, Any]:
    """The argument spec that the fields of the class would have."""
    kinds = typing.get_type_hints(spec_class)
    return {field.name: option_of(field, kinds[field.name]) for field in dataclasses.fields(spec_class)}


def option_of(field: "dataclasses.Field[Any]", kind: Any) -> dict[str, Any]:
    """One option of it."""
    if typing.get_origin(kind) is typing.Union:
        kind = typing.get_args(kind)[0]
    option: dict[str, Any] = {}
    if typing.get_origin(kind) is tuple:
        entry = typing.get_args(kind)[0]
        option |= {"type": "list", "elements": TYPES.get(entry, "dict")}
    else:
        entry = kind
        option["type"] = TYPES.get(kind, "dict")
    if dataclasses.is_dataclass(entry):
        option["options"] = spec_of(typing.cast(type, entry))
    known = facts_in(field)
    if known is not None and known.choices is not None:
        option["choices"] = list(known.choices)
    if field.default is dataclasses.MISSING:
        option["required"] = True
    elif field.default is not None:
        option["default"] = field.default
    return option


def test_the_options_are_the_wish_s_fields() -> None:
    assert spec_of(NetworkWish) == NETWORK_OPTIONS
