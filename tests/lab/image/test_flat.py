# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest reads YAML and JSON as a real parser does, in the part of YAML that seeds are written in."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.commands import run
from lab.image.recipe import FOLDER

SCRIPT = FOLDER / "rootfs/usr/lib/guest/flat.awk"

DOCUMENTS = {
    "block collections": """\
#cloud-config
hostname: zora
users:
  - default
  - name: joe
    ssh_authorized_keys:
    - ssh-ed25519 AAAA joe@example.org
    - ssh-rsa BBBB
runcmd:
- [sh, -c, "echo hello > /tmp/x"]
- echo one
-
  - printf
  - '%s'
""",
    "quotes and comments": """\
a: 'it''s'   # not this
b: "tab\\there, \\"quoted\\", \\u00e4\\u20ac \\\\ done"
c: plain # not this
d: with#hash and http://colon
"e f": g
h: ''
""",
    "block scalars": """\
keep: |
  first
    indented

  last
strip: |-
  text
folded: >-
  one
  two

  three
after: x
""",
    "flow collections": """\
network: {version: 2, ethernets: {eth0: {match: {macaddress: "52:54:00:00:00:01"},
    addresses: [10.0.0.2/24, "10.0.0.3/24"], routes: [{to: default, via: 10.0.0.1}]}}}
empty: []
none: ~
""",
    "sequence on top": "- a\n- b: c\n  d: e\n- - f\n  - g\n",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_yaml_is_read_as_a_real_parser_reads_it(document: str, tmp_path: Path) -> None:
    assert flattened(document, tmp_path) == expected(yaml.load(document, yaml.BaseLoader))  # noqa: S506 - reads strings


def test_json_is_read_with_every_character_in_it(tmp_path: Path) -> None:
    value = {
        "a": ["x y", 'q"\\/', "line\nline\ttab", "äöü €", "😀", "#no comment", "$(id) `id` %s %b \\0101", "a: b, [c]"]
    }
    for document in (json.dumps(value), json.dumps(value, indent=2), "#cloud-config\n" + json.dumps(value)):
        assert flattened(document, tmp_path) == expected(value)


@pytest.mark.parametrize("document", ["", "#cloud-config\n", ": :\n", "a: [b\n", "{", '"', "- \n  x\n y\nz", "a:\n\tb"])
def test_broken_document_ends_the_reader(document: str, tmp_path: Path) -> None:
    flattened(document, tmp_path)


def flattened(document: str, folder: Path) -> dict[str, str]:
    """Answer what the guest's script makes of a document: values by path."""
    file = folder / "document"
    file.write_text(document)
    lines = run("busybox", "awk", "-f", SCRIPT, file, timeout=10).splitlines()
    pairs = [line.split("\t", 1) for line in lines]
    return {path: decoded(value) for path, value in pairs}


def decoded(value: str) -> str:
    """Answer what the guest's own printf %b makes of a value."""
    done = subprocess.run(["busybox", "sh", "-c", 'printf %b "$1"', "sh", value], capture_output=True, check=True)
    return done.stdout.decode()


def expected(value: Any) -> dict[str, str]:
    return dict(leaves("", value))


def leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Answer the scalars of a document with their paths."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(f"{path}/{key}" if path else str(key), item)
    else:
        yield path, "" if value == "~" else value
