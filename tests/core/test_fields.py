# SPDX-License-Identifier: GPL-3.0-or-later
"""A value of another type than its field's is refused by name, whoever sends it: nothing behind has to look again."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import (
    MachineSpec,
    Resources,
    spec_from,
    validate,
    validate_resources,
)
from tests.core.test_spec import KEY, LEAST, wrong_fields


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 5),
        ("name", ["web"]),
        ("cpu_cores", "2"),
        ("cpu_cores", 2.5),
        ("cpu_cores", True),
        ("memory_mb", 2048.5),
        ("memory_mb", {}),
        ("disk_gb", "20"),
        ("disk_gb", True),
        ("image", 7),
        ("network_config", "nat"),
        ("network_config", ["nat"]),
        ("cloud_init", "#cloud-config"),
        ("tags", "abc"),
        ("tags", 5),
        ("tags", ["a", 5]),
        ("autostart", "no"),
        ("protected", 1),
        ("description", b"x"),
    ],
)
def test_a_value_of_another_type_is_refused_not_believed(field: str, value: object) -> None:
    assert wrong_fields(**{field: value}) == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [("hostname", 1), ("ssh_authorized_keys", KEY), ("ssh_authorized_keys", [1]), ("user_data", b"")],
)
def test_a_nested_value_of_another_type_is_refused(field: str, value: object) -> None:
    assert wrong_fields(cloud_init={field: value}) == [f"cloud_init.{field}"]


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in dataclasses.fields(MachineSpec)]) | st.text(max_size=6), json_like
    )
)
def test_whatever_a_program_sends_is_a_spec_or_an_invalid_spec(values: dict[str, Any]) -> None:
    try:
        spec = spec_from({**LEAST, **values})
    except InvalidSpec as error:
        assert error.errors
    else:
        assert validate(spec) is spec


def test_resources_of_another_type_are_refused() -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_resources(Resources("2", True, "1"))  # type: ignore[arg-type]  that is what is tried
    assert [one.field for one in caught.value.errors] == ["cpu_cores", "memory_mb", "disk_gb"]
