# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a field beside its type, and what is wrong with a value by that."""

from __future__ import annotations

import collections.abc
import dataclasses
import math
import posixpath
import re
from dataclasses import dataclass
from typing import (
    Any,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Tuple,
    Type,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec

LIBVIRT_NAME_PATTERN = r"^[^/\x00-\x1f\x7f-\x9f]{1,255}$"  # a pool, network or volume that others named
LIBVIRT_NAME_SAYS = "1 to 255 characters, no slashes and no control characters"

# what XML 1.0 can't carry at all: libvirt would refuse the domain, and the seed's files should be text
_NOT_XML_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


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


def object_from(spec_class: Type[Any], values: Mapping[str, Any], owner: str) -> Any:
    """The ``spec_class`` that plain data describe, mappings and lists of them within it made its own classes' objects.

    A key whose value is None counts as left out; ``owner`` is what the fields are of ("a VM"). Raises `InvalidSpec` for
    fields that are missing or unknown. Types are left to `check_types`.
    """
    errors: List[FieldError] = []
    made = _object_from(spec_class, values, "", owner, errors)
    if errors:
        raise InvalidSpec(errors)
    return made


def _object_from(
    spec_class: Type[Any], values: Mapping[str, Any], path: str, owner: str, errors: List[FieldError]
) -> Any:
    given: Dict[str, Any] = {key: value for key, value in values.items() if value is not None}
    fields = {one.name: one for one in dataclasses.fields(spec_class)}
    found = [
        FieldError(path + name, "is required")
        for name, one in fields.items()
        if one.default is dataclasses.MISSING and name not in given
    ]
    found += [FieldError(f"{path}{key}", f"is not a field of {owner}") for key in given if key not in fields]
    kinds = get_type_hints(spec_class)
    for name in fields:
        if name in given:
            given[name] = _value_from(kinds[name], given[name], path + name, errors)
    errors += found
    return None if found else spec_class(**given)


def _value_from(kind: Any, value: Any, path: str, errors: List[FieldError]) -> Any:
    kind = _wanted(kind)
    if get_origin(kind) is tuple and isinstance(value, list):
        items = enumerate(value)
        return tuple(_value_from(get_args(kind)[0], item, f"{path}.{index}", errors) for index, item in items)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return _object_from(kind, value, path + ".", path, errors)
    return value


_TYPE_SAYS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


def _type_errors(spec: Any, path: str) -> Iterator[FieldError]:
    for name, kind in get_type_hints(type(spec)).items():
        yield from _value_type_errors(getattr(spec, name), kind, path + name)


def _value_type_errors(value: Any, kind: Any, path: str) -> Iterator[FieldError]:
    wanted = _wanted(kind)
    entry = get_args(wanted)[0] if get_origin(wanted) is tuple else None
    if isinstance(value, tuple) and dataclasses.is_dataclass(entry):
        for index, item in enumerate(value):
            yield from _value_type_errors(item, entry, f"{path}.{index}")
    elif not _fits(value, kind):
        if entry is None:
            says = _TYPE_SAYS.get(wanted, "a mapping")
        else:
            says = "a list of texts" if entry is str else "a list of mappings"
        yield FieldError(path, f"must be {says}")
    elif dataclasses.is_dataclass(value):
        yield from _type_errors(value, path + ".")


def _wanted(kind: Any) -> Any:
    """The type that a value of that annotated type has unless it is None."""
    return next((one for one in get_args(kind)), kind) if get_origin(kind) is Union else kind


def _fits(value: Any, kind: Any) -> bool:
    """Whether ``value`` is of that annotated type. True is no number; a whole number will do where any number does."""
    if get_origin(kind) is Union:
        return any(_fits(value, one) for one in get_args(kind))
    if get_origin(kind) is collections.abc.Mapping:
        return isinstance(value, Mapping)  # what is in it is looked at by whoever knows it
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
            continue
        yield from value_errors(name, value, known)
        for index, item in enumerate(value if isinstance(value, tuple) else ()):
            if dataclasses.is_dataclass(item):
                yield from field_errors(item, f"{name}.{index}.")


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


def path_errors(name: str, path: str) -> Iterator[FieldError]:
    """What is wrong with a path of the host."""
    if not path.startswith("/"):
        yield FieldError(name, "must be an absolute path on the host")
    elif posixpath.normpath(path) != path or path == "/":
        yield FieldError(name, "must be a plain path, without . and .. and doubled or trailing slashes")
    elif _CONTROL.search(path):
        yield FieldError(name, "must be a path without control characters: libvirt makes of a line break a space")
