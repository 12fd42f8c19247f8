# SPDX-License-Identifier: GPL-3.0-or-later
"""A module's options are the spec's fields: the same names, types, defaults, choices; the same bounds in words."""

import collections.abc
import dataclasses
import json
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.hostler.libvirt.plugins.module_utils.device import DeviceConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.graphics import GraphicsConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.cdrom import WantedCdrom
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import STATES, Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wait import WAITS
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import WantedDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_nic import WantedNic
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import (
    CloudInit,
    DiskConfig,
    MachineSpec,
    NetworkConfig,
    facts_of,
)

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
NOTHING = (dataclasses.MISSING, None, (), NetworkConfig())
TYPES = {"str": str, "int": int, "float": float, "bool": bool}


MODULES = ("vm", "vm_cdrom", "vm_disk", "vm_nic")


@pytest.fixture(scope="module")
def options_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The modules' options, as ansible-doc shows them; that they are the argument specs, too, ansible-test sees to."""
    home = str(tmp_path_factory.mktemp("home"))
    names = [f"hostler.libvirt.{module}" for module in MODULES]
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-doc"), "--json", *names],
        env={"HOME": home, "PATH": str(Path(sys.executable).parent), "LC_ALL": "C.UTF-8"},
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    docs = json.loads(done.stdout)
    return {module: docs[name]["doc"]["options"] for module, name in zip(MODULES, names, strict=True)}


@pytest.fixture(scope="module")
def options(options_of: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Those of the module vm."""
    return options_of["vm"]


def plain(kind: Any) -> Any:
    """The type without its Optional."""
    kinds = [one for one in typing.get_args(kind) if one is not type(None)]
    return kinds[0] if typing.get_origin(kind) is typing.Union else kind


def assert_fits(option: dict[str, Any], spec_class: type, field: "dataclasses.Field[Any]") -> None:
    """Type and choices of an option are those of the field."""
    kind = plain(typing.get_type_hints(spec_class)[field.name])
    if dataclasses.is_dataclass(kind) or typing.get_origin(kind) is collections.abc.Mapping:
        assert option["type"] == "dict"
    elif typing.get_origin(kind) is tuple:
        entry = typing.get_args(kind)[0]
        assert (option["type"], option["elements"]) == ("list", "dict" if dataclasses.is_dataclass(entry) else "str")
    else:
        assert TYPES[option["type"]] is kind
    assert option.get("choices") == (list(facts_of(spec_class, field.name).choices or ()) or None)


def assert_same_default(option: dict[str, Any], field: "dataclasses.Field[Any]") -> None:
    """The default of an option is that of the field."""
    assert option.get("default") == (None if field.default in NOTHING else field.default)


def words(option: dict[str, Any]) -> str:
    """What is said of the option."""
    description = option["description"]
    return description if isinstance(description, str) else " ".join(description)


def test_every_field_of_a_spec_is_an_option(options: dict[str, Any]) -> None:
    for field in dataclasses.fields(MachineSpec):
        assert_fits(options[field.name], MachineSpec, field)


def test_what_is_left_out_is_left_alone_so_that_a_new_vms_defaults_are_only_told(options: dict[str, Any]) -> None:
    for field in dataclasses.fields(MachineSpec):
        assert options[field.name].get("default") is None
        told = words(options[field.name])
        if field.default not in (*NOTHING, False):
            assert f"V({field.default})" in told
            assert "where it is left out" in told


@pytest.mark.parametrize(
    ("option", "spec_class"),
    [
        ("network_config", NetworkConfig),
        ("nics", NetworkConfig),
        ("disks", DiskConfig),
        ("cloud_init", CloudInit),
        ("graphics", GraphicsConfig),
        ("devices", DeviceConfig),
    ],
)
def test_every_field_of_a_nested_spec_is_a_suboption_and_there_are_no_others(
    options: dict[str, Any], option: str, spec_class: type
) -> None:
    suboptions = options[option]["suboptions"]

    assert set(suboptions) == {field.name for field in dataclasses.fields(spec_class)}
    for field in dataclasses.fields(spec_class):
        assert_fits(suboptions[field.name], spec_class, field)
        assert_same_default(suboptions[field.name], field)
        assert suboptions[field.name].get("required", False) is (field.default is dataclasses.MISSING)


def test_the_playbook_passes_every_field_of_a_spec_on() -> None:
    playbook = yaml.safe_load((PLAYBOOKS / "vm_create.yml").read_text())
    (task,) = [task for task in playbook[0]["tasks"] if "hostler.libvirt.vm" in task]

    passed = task["hostler.libvirt.vm"]
    for field in dataclasses.fields(MachineSpec):
        own = playbook[0]["vars"].get(f"asked_{field.name}", "")
        assert f"vm_{field.name}" in passed[field.name].replace(f"asked_{field.name}", own), field.name


def test_every_option_is_a_field_of_the_spec_its_place_or_what_is_desired(options: dict[str, Any]) -> None:
    known = {field.name for kind in (MachineSpec, Placement, Desired) for field in dataclasses.fields(kind)}

    assert set(options) - {"uri", "vms"} == known - {"spec", "placement"}


def test_places_and_wishes_have_the_cores_defaults_and_choices(options: dict[str, Any]) -> None:
    for field in dataclasses.fields(Placement):
        assert options[field.name]["default"] == field.default
    for name in ("state", "create", "timeout", "force_after", "wait_for", "wait_port", "wait_timeout", "delete_disks"):
        (default,) = [field.default for field in dataclasses.fields(Desired) if field.name == name]
        assert options[name].get("default") == default, name
    assert options["state"]["choices"] == list(STATES)
    assert options["wait_for"]["choices"] == list(WAITS)


def test_bounds_are_said_where_people_look_for_them(options: dict[str, Any]) -> None:
    def told(name: str) -> str:
        return words(options[name])

    cores, memory = facts_of(MachineSpec, "cpu_cores"), facts_of(MachineSpec, "memory_mb")
    assert f"{cores.minimum} to {cores.maximum}" in told("cpu_cores")
    assert f"{memory.unit}, at least {memory.minimum}" in told("memory_mb")
    assert str(facts_of(MachineSpec, "disk_gb").unit) in told("disk_gb")
    most = facts_of(MachineSpec, "max_memory_mb")
    assert f"{cores.minimum} to {cores.maximum}" in told("max_cpu_cores")
    assert f"in {most.unit}" in told("max_memory_mb")
    assert f"at least {most.minimum}" in told("max_memory_mb")
    for several in ("disks", "nics"):
        assert f"{facts_of(MachineSpec, several).max_length} at most" in told(several)
    assert str(facts_of(MachineSpec, "name").pattern_says) in told("name")


@pytest.mark.parametrize(
    ("module", "spec_class"), [("vm_cdrom", WantedCdrom), ("vm_disk", WantedDisk), ("vm_nic", WantedNic)]
)
def test_every_option_of_a_device_is_a_field_of_what_is_wanted_and_the_other_way_round(
    options_of: dict[str, dict[str, Any]], module: str, spec_class: type
) -> None:
    options = options_of[module]

    assert set(options) - {"uri"} == {"name", "uuid"} | {field.name for field in dataclasses.fields(spec_class)}
    for field in dataclasses.fields(spec_class):
        if field.name == "timeout":  # whole seconds will do for people
            assert options["timeout"]["default"] == field.default
            continue
        assert_fits(options[field.name], spec_class, field)
        kind = plain(typing.get_type_hints(spec_class)[field.name])
        if dataclasses.is_dataclass(kind):
            suboptions = options[field.name]["suboptions"]
            assert set(suboptions) == {one.name for one in dataclasses.fields(kind)}
