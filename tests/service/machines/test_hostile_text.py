# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a user types arrives in libvirt as text, by a playbook and directly; nothing of it is ever executed."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pycdlib
import pytest

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.settings import Settings
from lab.host import Host
from tests.service.machines.lab_service import create, volumes

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

RECORD = "{urn:hostler:vm:1}"


@pytest.fixture(params=["playbook", "direct"])
def settings(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Settings:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    # what a site would do with a VM's variables
    (hooks / "vm_create_before.yml").write_text(
        "- name: Write a ticket\n"
        "  ansible.builtin.copy:\n"
        "    content: '{{ vm_name }}: {{ vm_description | default() }} {{ vm_os_version }}'\n"
        f"    dest: {tmp_path}/ticket\n"
        "    mode: '0600'\n"
        "- name: Say it\n"
        "  ansible.builtin.debug:\n"
        "    var: vm_description\n"
    )
    by = {"vm_create": request.param, "vm_resize": request.param}
    return settings.model_copy(update={"dispatch": by, "hooks_dir": hooks})


def record(host: Host, name: str) -> dict[str, list[str | None]]:
    """The texts of the record that the domain carries; XML that came in with one would be a child."""
    metadata = ElementTree.fromstring(host.virsh("dumpxml", name)).find("metadata")  # noqa: S314 - libvirt made it
    assert metadata is not None
    (ours,) = metadata
    found: dict[str, list[str | None]] = {}
    for child in ours:
        assert len(child) == 0
        found.setdefault(child.tag.removeprefix(RECORD), []).append(child.text)
    return found


def seed(host: Host) -> dict[str, str]:
    """The files of the one seed in the pool."""
    (file,) = [host.layout.pools["default"] / name for name in volumes(host) if name.endswith(".iso")]
    disc = pycdlib.PyCdlib()
    disc.open(str(file))
    found = {}
    for entry in disc.list_children(joliet_path="/"):
        if entry.is_file():
            name = entry.file_identifier().decode("utf-16-be")
            content = io.BytesIO()
            disc.get_file_from_iso_fp(content, joliet_path=f"/{name}")
            found[name] = content.getvalue().decode()
    disc.close()
    return found


async def test_hostile_text_stays_text(
    api: httpx.AsyncClient, server: Server, clean_host: Host, tmp_path: Path, settings: Settings
) -> None:
    mark = tmp_path / "executed"
    spells = [
        "{{ lookup('pipe', 'touch " + str(mark) + "') }}",
        "{% for x in lookup('pipe', 'touch " + str(mark) + "') %}{% endfor %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        f"$(touch {mark}) `touch {mark}` ; touch {mark}",
        "</hostler:description><hostler:protected>yes</hostler:protected>",
        "</description></vm></metadata><devices/>",
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;',
        "]]> <![CDATA[ &lt; &#0; &amp;",
        "' \" \\ \\n %s %n {} {0}",
        "--extra-vars @/etc/passwd",
        "!vault |\n  $ANSIBLE_VAULT;1.1;AES256",
        '{"__ansible_unsafe": "x"}',
        "__omit_place_holder__",
        "naïve 日本 💥 \u202e\u200b",
        "rubbed out \x7f",  # the one control character of ASCII that XML has nothing against
    ]
    spell = "\n".join(spells)
    user_data = "#cloud-config\n# " + spell
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 " + spells[0]

    vm = await create(
        api,
        server,
        "spelled",
        description=spell,
        os_version=spell[:255],
        tags=["a", "team:b/c=d"],
        cloud_init={"user_data": user_data, "network_config": spell, "ssh_authorized_keys": [key], "hostname": "h"},
    )

    assert vm["description"] == spell
    assert vm["os_version"] == spell[:255]
    assert vm["protected"] is False
    kept = record(clean_host, "spelled")
    assert kept["description"] == [spell]
    assert kept["osVersion"] == [spell[:255]]
    assert kept["tag"] == ["a", "team:b/c=d"]
    assert "protected" not in kept
    files = seed(clean_host)
    assert files["user-data"] == user_data
    assert files["network-config"] == spell
    assert "touch" in files["meta-data"]
    assert not mark.exists()
    if settings.dispatch["vm_create"] == "playbook":
        assert (tmp_path / "ticket").read_text() == f"spelled: {spell} {spell[:255]}"


async def test_text_that_looks_like_something_else_stays_text(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    description, os_version, tags = '  {"a": [1, null]}\t\n', "123", ["1", "no"]

    vm = await create(api, server, "lookalike", description=description, os_version=os_version, tags=tags)

    assert (vm["description"], vm["os_version"], vm["tags"]) == (description, os_version, tags)
    kept = record(clean_host, "lookalike")
    assert (kept["description"], kept["osVersion"], kept["tag"]) == ([description], [os_version], tags)


async def test_user_data_is_in_the_seed_and_in_nothing_that_is_kept_or_shown(
    api: httpx.AsyncClient, server: Server, clean_host: Host, settings: Settings
) -> None:
    secret = "correct-horse-battery-staple"

    vm = await create(api, server, "secretive", cloud_init={"user_data": f"#cloud-config\npassword: {secret}\n"})

    assert secret in seed(clean_host)["user-data"]
    job = await Job.get()
    assert job.parameters["cloud_init"] == {"user_data": "(not shown)"}
    shown = (await api.get(f"/api/jobs/{job.id}")).text
    for text in (str(vm), shown, clean_host.virsh("dumpxml", "secretive")):
        assert secret not in text
    for file in settings.state_dir.rglob("*"):  # the database, and what a playbook's run has left
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file
