# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed holds what cloud-init is to be told, and no value of it is ever more than a value."""

import io
import sys
from typing import Any

import pycdlib
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.seed import SeedContent, seed_content, seed_image
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import CloudInit, spec_from
from tests.core.machines import UUID

LEAST = {"name": "x", "cpu_cores": 1, "memory_mb": 64, "disk_gb": 1}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q"


def files_of(image: bytes) -> dict[str, bytes]:
    """The files of the ISO image by name, as Linux shows them (Rock Ridge); the same as Windows does (Joliet)."""
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(image))
    assert iso.pvd.volume_identifier.decode().strip() == "cidata"
    files = {}
    for kind in ("rr_path", "joliet_path"):
        found = {}
        for child in iso.list_children(**{kind: "/"}):
            if child.is_file():
                name = (
                    child.rock_ridge.name().decode()
                    if kind == "rr_path"
                    else child.file_identifier().decode("utf-16-be")
                )
                content = io.BytesIO()
                iso.get_file_from_iso_fp(content, **{kind: f"/{name}"})
                found[name] = content.getvalue()
        assert not files or found == files
        files = found
    iso.close()
    return files


def meta_data(cloud_init: CloudInit, name: str = "web-1") -> Any:
    return yaml.safe_load(seed_content(cloud_init, UUID, name).meta_data)


def test_the_image_holds_the_files_that_cloud_init_looks_for() -> None:
    content = seed_content(
        CloudInit("web", (KEY,), "#!/bin/sh\necho é\n", "version: 2\nethernets: {}\n"), UUID, "web-1"
    )

    files = files_of(seed_image(content))

    assert files == {
        "meta-data": content.meta_data.encode(),
        "user-data": "#!/bin/sh\necho é\n".encode(),
        "network-config": b"version: 2\nethernets: {}\n",
    }
    assert yaml.safe_load(files["meta-data"]) == {
        "instance-id": UUID,
        "local-hostname": "web",
        "public-keys": [KEY],
    }


def test_what_is_left_out_or_empty_is_not_in_it() -> None:
    for nothing in (CloudInit(), CloudInit(user_data="", network_config="")):
        files = files_of(seed_image(seed_content(nothing, UUID, "web-1")))

        assert set(files) == {"meta-data", "user-data"}
        assert files["user-data"].startswith(b"#cloud-config\n")
        assert yaml.safe_load(files["user-data"]) == {}
        assert yaml.safe_load(files["meta-data"]) == {"instance-id": UUID, "local-hostname": "web-1"}


@pytest.mark.parametrize("hostname", ["true", "null", "0x1F", "1e3", "12.5", "no", "2024-05-06", "010"])
def test_a_host_name_that_yaml_would_read_as_something_else_stays_text(hostname: str) -> None:
    assert meta_data(CloudInit(hostname=hostname))["local-hostname"] == hostname


@pytest.mark.parametrize(
    "comment",
    [
        "zoë",
        "😀 名前",
        "a: b",
        "#no comment",
        "'\"",
        "\\n \\u0041 \\",
        "- [x, {y: z}]",
        "*alias &anchor !!python/object:os.system",
        "{{ x }} %YAML",
        ": | >",
    ],
)
def test_a_keys_comment_is_text_whatever_yaml_makes_of_it(comment: str) -> None:
    key = f"{KEY} {comment}"
    spec_from(
        {"name": "x", "cpu_cores": 1, "memory_mb": 64, "disk_gb": 1, "cloud_init": {"ssh_authorized_keys": [key]}}
    )

    assert meta_data(CloudInit(ssh_authorized_keys=(key, KEY)))["public-keys"] == [key, KEY]


@given(st.text(max_size=40))
def test_any_key_that_the_spec_takes_reaches_the_guest_as_it_is(comment: str) -> None:
    key = f"{KEY} {comment}"
    try:
        spec_from({**LEAST, "cloud_init": {"ssh_authorized_keys": [key]}})
    except InvalidSpec:
        return
    seed = seed_content(CloudInit(ssh_authorized_keys=(key,)), UUID, "web-1")

    assert yaml.safe_load(seed.meta_data.encode())["public-keys"] == [key]


def test_user_data_passes_through_untouched_and_in_full() -> None:
    text = "#cloud-config\n" + "# é😀\r\n---\n...\n\t{{ x }}\n" * 20_000
    assert len(text.encode()) > 64 * 1024

    assert files_of(seed_image(SeedContent("m\n", text)))["user-data"] == text.encode()


def test_the_digest_is_that_of_the_content() -> None:
    def digest(**changes: Any) -> str:
        return seed_content(CloudInit(**{"hostname": "web", "user_data": "x", **changes}), UUID, "web-1").digest

    same = digest()
    assert same == digest()
    assert len(same) == 12
    different = [
        digest(hostname="wew"),
        digest(user_data="y"),
        digest(network_config="x"),
        digest(ssh_authorized_keys=(KEY,)),
    ]
    assert len({same, *different}) == 5
    assert SeedContent("a", "bc").digest != SeedContent("ab", "c").digest


def test_the_digest_stays_the_same_for_ever() -> None:
    """A volume's name has it: another way of counting would make every seed a new one."""
    assert SeedContent("meta\n", "user\n", None).digest == "21b22f2cee1a"


def test_a_missing_library_is_said_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycdlib", None)

    with pytest.raises(Unsupported, match="pycdlib") as caught:
        seed_image(SeedContent("m", "u"))
    assert caught.value.field == "cloud_init"
