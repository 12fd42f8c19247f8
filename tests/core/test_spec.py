# SPDX-License-Identifier: GPL-3.0-or-later
"""What a spec takes, what it refuses, and that it says which field and why."""

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import (
    FIRMWARES,
    IMAGE_MODES,
    NETWORK_TYPES,
    CloudInit,
    DiskConfig,
    MachineSpec,
    NetworkConfig,
    Resources,
    disk_bytes,
    disk_gib,
    facts_of,
    spec_from,
    validate_resources,
)

GIB = 1024**3
MIB = 1024**2
SPEC_CLASSES = (MachineSpec, NetworkConfig, DiskConfig, CloudInit)
LEAST: dict[str, Any] = {"name": "web-1", "cpu_cores": 1, "memory_mb": 32, "disk_gb": 1}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q admin@example.org"


def wrong_fields(**values: Any) -> list[str]:
    """The fields that are refused when these values are put into a good spec; none if it is taken."""
    try:
        spec_from({**LEAST, **values})
    except InvalidSpec as error:
        return [one.field for one in error.errors]
    return []


def test_the_least_spec_gets_the_documented_defaults() -> None:
    spec = spec_from(LEAST)

    assert spec == MachineSpec("web-1", 1, 32, 1)
    assert (spec.firmware, spec.image_mode, spec.os_type) == ("bios", "copy", "linux")
    assert spec.network_config == NetworkConfig(type="nat")
    assert (spec.cloud_init, spec.tags, spec.autostart, spec.protected) == (None, (), False, False)
    assert (spec.disks, spec.nics, spec.secure_boot, spec.tpm) == ((), (), False, False)
    assert (spec.max_cpu_cores, spec.max_memory_mb) == (None, None)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("cpu_cores", [1, 512], [0, -1, 513, 2**63, 10**400, -(10**400)]),
        ("memory_mb", [32, 16 * 1024 * 1024], [31, 0, -2048, 16 * 1024 * 1024 + 1]),
        (
            "disk_gb",
            [1e-9, 0.5, 20, 20.0001, 64 * 1024],
            [0, 0.0, -0.0, -1, 64 * 1024 + 0.001, 10**400, math.inf, -math.inf, math.nan, 1e308],
        ),
    ],
)
def test_sizes_have_bounds_that_include_their_value(field: str, good: list[float], bad: list[float]) -> None:
    assert [value for value in good if wrong_fields(**{field: value})] == []
    assert [value for value in bad if wrong_fields(**{field: value}) != [field]] == []


GOOD_NAMES = ["a", "A", "0", "web-server-01", "a.b_c-d", "x" * 63, "1-", "a..b"]
HOSTILE_NAMES = [
    "",
    "x" * 64,
    "x" * 300,
    "../../etc/passwd",
    "..",
    ".hidden",
    "-rf",
    "_a",
    "a/b",
    "a b",
    "a\n",
    "\na",
    "a\x00b",
    "a\x00",
    "a\tb",
    'a"b',
    "a'b",
    "a<b",
    "a&b",
    "a;b",
    "a$b",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "zoë",
    "名前",
    "a\u200bb",
    "аdmin",  # noqa: RUF001  its first letter is Cyrillic, which is the point
    "１",  # noqa: RUF001  a full-width digit, which str.isdigit takes
    "²",
    "\ud800",
    "😀",
]


def test_names_of_the_documented_form_are_taken() -> None:
    assert [name for name in GOOD_NAMES if wrong_fields(name=name)] == []


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_any_other_name_is_refused(name: str) -> None:
    assert wrong_fields(name=name) == ["name"]


@given(st.text(max_size=80))
def test_a_name_that_is_taken_holds_nothing_but_harmless_characters(name: str) -> None:
    if not wrong_fields(name=name):
        assert name.isascii()
        assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
        assert 1 <= len(name) <= 63
        assert name[0].isalnum()


@pytest.mark.parametrize(
    ("field", "choices"), [("firmware", FIRMWARES), ("image_mode", IMAGE_MODES), ("network_config.type", NETWORK_TYPES)]
)
def test_choices_are_the_only_values(field: str, choices: tuple[str, ...]) -> None:
    for value in (choices[0].upper(), choices[0] + "\n", f" {choices[0]}", "", "x" * 300):
        outer, _, inner = field.partition(".")
        assert wrong_fields(**{outer: {inner: value} if inner else value}) == [field]


@pytest.mark.parametrize("os_type", ["linux", "windows", "freebsd", "win11", "a_b-c.d"])
def test_an_os_type_is_one_small_word(os_type: str) -> None:
    assert wrong_fields(os_type=os_type) == []


@pytest.mark.parametrize("os_type", ["", "Linux", "linux\n", "linux 6", "<linux/>", "l" * 64, "línux"])
def test_an_os_type_of_another_form_is_refused(os_type: str) -> None:
    assert wrong_fields(os_type=os_type) == ["os_type"]


def test_an_image_is_the_name_of_a_volume_and_no_path() -> None:
    for name in ("debian-12.qcow2", "Debian 12 (bookworm)", "ä", "{{ x }}"):
        assert wrong_fields(image=name) == [], name
    for name in ("", "../x", "a/b", "/etc/shadow", "a\nb", "a\n", "a\x00", "a\x7f", "x" * 256):
        assert wrong_fields(image=name) == ["image"], name


@pytest.mark.parametrize("field", ["description", "os_version"])
def test_free_text_is_whatever_xml_can_carry(field: str) -> None:
    for text in ("", "a\nb\tc\rd", "<a>&\"'", "]]>", "{{ x }}", "ü 名 😀", "\x85\u2028"):
        assert wrong_fields(**{field: text}) == [], text
    for text in ("\x00", "a\x1b[31m", "\x0b", "\ud800", "\udfff", "\ufffe", "\uffff"):
        assert wrong_fields(**{field: text}) == [field], text


def test_free_text_has_a_length() -> None:
    assert wrong_fields(description="x" * 4096, os_version="x" * 255) == []
    assert wrong_fields(description="x" * 4097, os_version="x" * 256) == ["os_version", "description"]


def test_tags_are_short_words_each_once() -> None:
    assert wrong_fields(tags=["env=prod", "a/b", "x:y", "0", "t" * 63]) == []
    assert wrong_fields(tags=["ok", "", "a b", "a\n", "-x", "t" * 64, "<x>", "é"]) == [f"tags.{n}" for n in range(1, 8)]
    assert wrong_fields(tags=["a", "b", "a"]) == ["tags"]
    assert wrong_fields(tags=[f"t{n}" for n in range(64)]) == []
    assert wrong_fields(tags=[f"t{n}" for n in range(65)]) == ["tags"]


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        ({"type": "nat"}, []),
        ({"type": "none"}, []),
        ({"type": "bridge", "bridge_name": "br0.100"}, []),
        ({"type": "network", "network_name": "my net"}, []),
        ({"type": "bridge"}, ["network_config.bridge_name"]),
        ({"type": "network"}, ["network_config.network_name"]),
        ({"type": "nat", "bridge_name": "br0"}, ["network_config.bridge_name"]),
        ({"type": "none", "network_name": "default"}, ["network_config.network_name"]),
        ({"type": "bridge", "bridge_name": "x" * 16}, ["network_config.bridge_name"]),
        ({"type": "bridge", "bridge_name": "br0\n"}, ["network_config.bridge_name"]),
        ({"type": "bridge", "bridge_name": "../br"}, ["network_config.bridge_name"]),
        ({"type": "bridge", "bridge_name": "br 0"}, ["network_config.bridge_name"]),
        ({"type": "network", "network_name": "a/b"}, ["network_config.network_name"]),
        ({"type": "network", "network_name": "a\x00"}, ["network_config.network_name"]),
        ({"typ": "nat"}, ["network_config.typ"]),
    ],
)
def test_a_network_config_fits_its_type_and_names_its_fields_with_dots(config: Any, wrong: list[str]) -> None:
    assert wrong_fields(network_config=config) == wrong


@pytest.mark.parametrize(
    ("hostname", "good"),
    [
        ("web", True),
        ("web-1.example.org", True),
        ("A" * 63 + ".b", True),
        (".".join(["a" * 49] * 5), True),
        ("A" * 64, False),
        (".".join(["a" * 63] * 4), False),
        ("-web", False),
        ("web-", False),
        ("web.", False),
        ("web..org", False),
        ("web\n", False),
        ("a_b", False),
        ("wéb", False),
        ("", False),
    ],
)
def test_a_guests_host_name_is_one_of_the_dns(hostname: str, good: bool) -> None:
    assert wrong_fields(cloud_init={"hostname": hostname}) == ([] if good else ["cloud_init.hostname"])


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        KEY.rpartition(" ")[0],
        "ssh-rsa AAAAB3NzaC1yc2E= somebody's laptop, the old one",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNh zoë 😀",
        "sk-ssh-ed25519@openssh.com AAAAGnNr",
    ],
)
def test_an_openssh_public_key_is_taken(key: str) -> None:
    assert wrong_fields(cloud_init={"ssh_authorized_keys": [key]}) == []


@pytest.mark.parametrize(
    "key",
    [
        "",
        KEY + "\n",
        KEY + "\nssh-ed25519 AAAA second",
        KEY + "\r",
        KEY + "\x00",
        KEY + "\x0bssh-ed25519 AAAA second",
        KEY + "\x85ssh-ed25519 AAAA second",
        KEY + "\u2028ssh-ed25519 AAAA second",  # str.splitlines, which cloud-init reads the file with, splits here
        KEY + "\ud800",
        "\n" + KEY,
        f'command="id" {KEY}',
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "ssh-ed25519",
        "ssh-ed25519 not*base64",
        "ssh-rsa " + "A" * 16384,
    ],
    ids=ascii,
)
def test_what_could_smuggle_a_second_key_or_options_is_refused(key: str) -> None:
    assert wrong_fields(cloud_init={"ssh_authorized_keys": [KEY, key]}) == ["cloud_init.ssh_authorized_keys.1"]


def test_cloud_init_has_bounds() -> None:
    assert wrong_fields(cloud_init={"user_data": "x" * MIB, "network_config": "x" * 65536}) == []
    assert wrong_fields(cloud_init={"user_data": "x" * (MIB + 1)}) == ["cloud_init.user_data"]
    assert wrong_fields(cloud_init={"user_data": "a\x00b"}) == ["cloud_init.user_data"]
    assert wrong_fields(cloud_init={"network_config": "x" * 65537}) == ["cloud_init.network_config"]
    assert wrong_fields(cloud_init={"ssh_authorized_keys": [KEY] * 101}) == ["cloud_init.ssh_authorized_keys"]
    assert wrong_fields(cloud_init={"vendor_data": "x"}) == ["cloud_init.vendor_data"]


def test_unknown_and_missing_fields_are_all_named_at_once() -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec_from({"name": "x", "cpu": 2, "memory_mb": None, "{{ x }}": 1})

    assert {one.field: one.message for one in caught.value.errors} == {
        "cpu_cores": "is required",
        "memory_mb": "is required",
        "disk_gb": "is required",
        "cpu": "is not a field of a VM",
        "{{ x }}": "is not a field of a VM",
    }
    assert caught.value.code == "invalid_spec"
    assert caught.value.field == "cpu_cores"


def test_every_wrong_field_is_named_not_only_the_first() -> None:
    assert wrong_fields(
        name="../x", cpu_cores=0, network_config={"type": "x"}, cloud_init={"hostname": "-"}, tags=["a b"]
    ) == ["name", "cpu_cores", "network_config.type", "cloud_init.hostname", "tags.0"]


def test_messages_say_bounds_with_their_unit() -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec_from({**LEAST, "cpu_cores": 513, "memory_mb": 1, "disk_gb": 0, "firmware": "efi"})

    assert str(caught.value) == (
        "cpu_cores: must be at most 512; memory_mb: must be at least 32 MiB; disk_gb: must be more than 0 GiB; "
        "firmware: must be one of bios, uefi"
    )


def test_none_counts_as_left_out() -> None:
    given = {**LEAST, "image": None, "tags": None, "network_config": {"type": None}, "cloud_init": {"hostname": None}}

    assert spec_from(given) == MachineSpec("web-1", 1, 32, 1, cloud_init=CloudInit())


def test_resources_have_the_bounds_of_a_spec() -> None:
    assert validate_resources(Resources()) == Resources()
    assert validate_resources(Resources(1, 32, 0.5)) == Resources(1, 32, 0.5)
    with pytest.raises(InvalidSpec) as caught:
        validate_resources(Resources(0, 31, math.nan))
    assert [one.field for one in caught.value.errors] == ["cpu_cores", "memory_mb", "disk_gb"]


@pytest.mark.parametrize(
    ("disk_gb", "size"),
    [(1, GIB), (20.0, 20 * GIB), (0.5, GIB // 2), (1e-9, MIB), (5e-324, MIB), (0.1, 103 * MIB), (65536, 65536 * GIB)],
)
def test_a_disk_is_whole_mebibytes_rounded_up(disk_gb: float, size: int) -> None:
    assert disk_bytes(disk_gb) == size


@given(st.floats(min_value=0, max_value=64 * 1024, exclude_min=True))
def test_a_disk_is_never_smaller_than_asked_nor_a_mebibyte_larger(disk_gb: float) -> None:
    size = disk_bytes(disk_gb)

    assert size % MIB == 0
    assert 0 <= size - disk_gb * GIB < MIB + 1


@given(st.floats(min_value=0.001, max_value=64 * 1024))
@example(0.0625)
def test_a_size_is_shown_as_asked_but_for_the_rounding(disk_gb: float) -> None:
    half = 0.0005 + 1e-9  # of the last digit that is shown, and what floats make of 0.062 - 0.0625

    assert -half <= disk_gib(disk_bytes(disk_gb)) - disk_gb <= 1 / 1024 + half


def test_what_cloud_init_is_told_in_free_form_is_secret_and_nothing_else() -> None:
    secret = {
        (spec_class, field.name)
        for spec_class in SPEC_CLASSES
        for field in dataclasses.fields(spec_class)
        if facts_of(spec_class, field.name).secret
    }
    assert secret == {(CloudInit, "user_data"), (CloudInit, "network_config")}


def test_a_secret_is_not_in_what_a_log_would_show() -> None:
    spec = spec_from({**LEAST, "cloud_init": {"user_data": "hunter2", "network_config": "hunter3", "hostname": "h"}})

    assert "hunter" not in f"{spec!r} {spec}"
    assert "hostname='h'" in repr(spec)


def test_a_further_disk_has_the_defaults_of_the_root_disk() -> None:
    spec = spec_from({**LEAST, "disks": [{"size_gb": 5, "image": None}, {"size_gb": 0.5, "bus": "sata"}]})

    assert spec.disks == (DiskConfig(5, None, "copy", "virtio"), DiskConfig(0.5, bus="sata"))


@pytest.mark.parametrize(
    ("disks", "wrong"),
    [
        ([{}], ["disks.0.size_gb"]),
        ([{"size_gb": None}], ["disks.0.size_gb"]),
        ([{"size_gb": 1}, {"size_gb": 0}], ["disks.1.size_gb"]),
        ([{"size_gb": -1}, {"size_gb": 65537}, {"size_gb": math.nan}], [f"disks.{i}.size_gb" for i in range(3)]),
        ([{"size_gb": "5"}, {"size_gb": True}], ["disks.0.size_gb", "disks.1.size_gb"]),
        ([{"size_gb": 1, "image": "../x"}], ["disks.0.image"]),
        ([{"size_gb": 1, "image_mode": "move"}], ["disks.0.image_mode"]),
        ([{"size_gb": 1, "bus": "ide"}], ["disks.0.bus"]),
        ([{"size": 1}, {"size_gb": 1, "pool": "x"}], ["disks.0.size_gb", "disks.0.size", "disks.1.pool"]),
        ([{"size_gb": 1}, 5, []], ["disks.1", "disks.2"]),
        ([None], ["disks.0"]),
        (5, ["disks"]),
        ({"size_gb": 1}, ["disks"]),
        ([{"size_gb": 1}] * 25, ["disks"]),
        ([{"size_gb": 1}] * 24, []),
        ([], []),
    ],
)
def test_each_error_names_the_disk_and_its_field(disks: Any, wrong: list[str]) -> None:
    assert wrong_fields(disks=disks) == wrong


def test_fields_that_are_unknown_or_missing_are_named_at_once_wherever_they_are() -> None:
    assert sorted(wrong_fields(cpus=1, network_config={"typ": "nat"}, cloud_init={"x": 1}, disks=[{}])) == [
        "cloud_init.x",
        "cpus",
        "disks.0.size_gb",
        "network_config.typ",
    ]


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"secure_boot": True}, ["secure_boot"]),
        ({"secure_boot": True, "firmware": "bios"}, ["secure_boot"]),
        ({"secure_boot": True, "firmware": "uefi"}, []),
        ({"tpm": True}, []),
        ({"secure_boot": "yes", "firmware": "uefi"}, ["secure_boot"]),
        ({"tpm": 1}, ["tpm"]),
        ({"cpu_cores": 4, "max_cpu_cores": 3}, ["max_cpu_cores"]),
        ({"cpu_cores": 4, "max_cpu_cores": 4}, []),
        ({"max_cpu_cores": 513}, ["max_cpu_cores"]),
        ({"max_cpu_cores": 1.5}, ["max_cpu_cores"]),
        ({"memory_mb": 64, "max_memory_mb": 63}, ["max_memory_mb"]),
        ({"memory_mb": 64, "max_memory_mb": 64}, []),
        ({"max_memory_mb": 16 * 1024 * 1024 + 1}, ["max_memory_mb"]),
    ],
)
def test_fields_fit_each_other(values: dict[str, Any], wrong: list[str]) -> None:
    assert wrong_fields(**values) == wrong


def test_an_unknown_field_has_no_facts() -> None:
    with pytest.raises(KeyError):
        facts_of(MachineSpec, "nope")


@pytest.mark.parametrize("spec_class", SPEC_CLASSES)
def test_every_field_is_documented_and_the_documentation_ends_a_sentence(spec_class: type) -> None:
    for field in dataclasses.fields(spec_class):
        assert facts_of(spec_class, field.name).doc.endswith("."), field.name
