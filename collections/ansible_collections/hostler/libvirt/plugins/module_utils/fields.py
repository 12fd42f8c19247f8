# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a field beside its type, and what is wrong with a value by that."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, Optional, Tuple, Union, get_args, get_origin, get_type_hints

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec

# what XML 1.0 can't carry at all: libvirt would refuse the domain, and the seed's files should be text
_NOT_XML_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class FieldFacts:
    """What is known of one field, beside its Python type.

    ``unit`` is for people. ``minimum`` and ``maximum`` include their value; ``exclusive_minimum`` does not.
    ``max_length`` counts characters of a text, entries of a list.
    """

    doc: str
    unit: Optional[str] = None
    minimum: Optional[float] = None
    exclusive_minimum: Optional[float] = None
    maximum: Optional[float] = None
    choices: Optional[Tuple[str, ...]] = None
    pattern: Optional[str] = None
    pattern_says: Optional[str] = None
    max_length: Optional[int] = None
    secret: bool = False


_FACTS = "hostler"


def facts(doc: str, **known: Any) -> Dict[str, FieldFacts]:
    """The metadata of a dataclass field: its `FieldFacts`."""
    return {_FACTS: FieldFacts(doc, **known)}


def facts_in(one: dataclasses.Field[Any]) -> Optional[FieldFacts]:
    """What is known of that field; None of a field without `facts`."""
    return one.metadata.get(_FACTS)


def check_types(spec: Any) -> None:
    """Raise `InvalidSpec` for fields of another type than their class says; what is looked at next relies on it."""
    errors = list(_type_errors(spec, ""))
    if errors:
        raise InvalidSpec(errors)


_TYPE_SAYS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


def _type_errors(spec: Any, path: str) -> Iterator[FieldError]:
    for name, kind in get_type_hints(type(spec)).items():
        value = getattr(spec, name)
        if not _fits(value, kind):
            wanted = next((one for one in get_args(kind) if get_origin(kind) is Union), kind)
            says = "a list of texts" if get_origin(wanted) is tuple else _TYPE_SAYS.get(wanted, "a mapping")
            yield FieldError(path + name, f"must be {says}")
        elif dataclasses.is_dataclass(value):
            yield from _type_errors(value, f"{path}{name}.")


def _fits(value: Any, kind: Any) -> bool:
    """Whether ``value`` is of that annotated type. True is no number; a whole number will do where any number does."""
    if get_origin(kind) is Union:
        return any(_fits(value, one) for one in get_args(kind))
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_fits(item, get_args(kind)[0]) for item in value)
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)


def field_errors(spec: Any, path: str = "") -> Iterator[FieldError]:
    """What is wrong with the described fields of ``spec``, an object of a class that has such; None is never wrong."""
    for one in dataclasses.fields(spec):
        value = getattr(spec, one.name)
        known = facts_in(one)
        name = path + one.name
        if value is None or known is None:
            continue
        if dataclasses.is_dataclass(value):
            yield from field_errors(value, name + ".")
        else:
            yield from value_errors(name, value, known)


def value_errors(name: str, value: Any, known: FieldFacts) -> Iterator[FieldError]:
    """What is wrong with ``value``, called ``name``, by what is known of its field."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_errors(name, value, known)
    elif isinstance(value, str):
        yield from _text_errors(name, value, known)
    elif isinstance(value, tuple) and known.max_length is not None and len(value) > known.max_length:
        yield FieldError(name, f"has more than {known.max_length} entries")


def _number_errors(name: str, value: float, known: FieldFacts) -> Iterator[FieldError]:
    unit = f" {known.unit}" if known.unit else ""
    if not -math.inf < value < math.inf:  # nor is NaN; math.isfinite chokes on whole numbers too large for a float
        yield FieldError(name, "must be a finite number")
    elif known.minimum is not None and value < known.minimum:
        yield FieldError(name, f"must be at least {known.minimum:g}{unit}")
    elif known.exclusive_minimum is not None and value <= known.exclusive_minimum:
        yield FieldError(name, f"must be more than {known.exclusive_minimum:g}{unit}")
    elif known.maximum is not None and value > known.maximum:
        yield FieldError(name, f"must be at most {known.maximum:.0f}{unit}")


def _text_errors(name: str, value: str, known: FieldFacts) -> Iterator[FieldError]:
    if known.choices is not None and value not in known.choices:
        yield FieldError(name, f"must be one of {', '.join(known.choices)}")
    elif known.max_length is not None and len(value) > known.max_length:
        yield FieldError(name, f"is longer than {known.max_length} characters")
    elif _NOT_XML_TEXT.search(value):
        yield FieldError(name, "holds a control character or an unpaired surrogate")
    elif known.pattern is not None and not re.fullmatch(known.pattern, value):
        yield FieldError(name, f"must be {known.pattern_says}")
