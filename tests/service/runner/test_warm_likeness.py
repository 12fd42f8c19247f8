# SPDX-License-Identifier: GPL-3.0-or-later
"""A run in a fork is what it would be in a process of its own: nothing is left of others, and nothing is missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hostler.runner import LogLine, PlaybookRunner
from tests.service.runner.conftest import Site, said, server_of, warm_start_of, warmed_up

pytestmark = pytest.mark.anyio

# What a process can tell of itself that has nothing to do with what it was asked to do.
LOOK = """\
import locale
import logging
import os
import re
import sys
import time

from ansible import constants
from ansible.plugins.lookup import LookupBase


def status(pid, name):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(name + ":"):
            return line.split(":")[1].strip()


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        pid = os.getppid()  # ansible-playbook, whose worker this is
        environment = open(f"/proc/{pid}/environ").read().rstrip("\\0").split("\\0")
        own = open("/proc/self/environ").read().rstrip("\\0").split("\\0")
        stat = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
        folder = os.getcwd()
        descriptors = {}
        for number in os.listdir(f"/proc/{pid}/fd"):
            descriptors[number] = re.sub("[0-9]+", "N", os.readlink(f"/proc/{pid}/fd/{number}"))
        same = lambda text: text.replace(folder, "FOLDER").replace(str(pid), "PID")
        return [{
            "arguments": [same(argument) for argument in sys.argv],
            "environment": sorted(same(line) for line in environment),
            "own environment": sorted(same(line) for line in own),
            "os.environ": sorted(same(f"{name}={value}") for name, value in os.environ.items()),
            "name": open(f"/proc/{pid}/comm").read(),
            "masks": [status(pid, name) for name in ("SigIgn", "SigBlk", "SigCgt", "Umask", "Uid", "Gid", "Groups")],
            "leads its session": [stat[2] == str(pid), stat[3] == str(pid)],
            "has its terminal": stat[4] != "0",
            "threads": status(pid, "Threads"),
            "descriptors": sorted(descriptors.items()),
            "limits": open(f"/proc/{pid}/limits").read(),
            "nice": os.nice(0),
            "locale": [locale.setlocale(locale.LC_ALL), sys.getfilesystemencoding(), time.tzname],
            "python": [sys.executable, sys.prefix, sys.flags.hash_randomization, sys.flags.no_user_site],
            "temp": same(os.path.dirname(constants.DEFAULT_LOCAL_TMP)),
            "temp of this run": f"ansible-local-{pid}" in constants.DEFAULT_LOCAL_TMP,
            "log": [type(handler).__name__ for handler in logging.getLogger().handlers],
        }]
"""


IDS = """\
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import get_unique_id


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        return [get_unique_id()[:23]]  # the last group counts up in each process
"""


async def test_a_fork_is_as_a_process_of_its_own_would_be(tmp_path: Path, anyio_backend: str) -> None:
    """In all that can be seen from inside: so nothing of the warm process is in it, and nothing is missing."""
    playbooks = tmp_path / "playbooks"
    (playbooks / "lookup_plugins").mkdir(parents=True)
    (playbooks / "lookup_plugins" / "look.py").write_text(LOOK)
    seen: dict[bool, Any] = {}
    for warm in (False, True):
        runner = warmed_up(PlaybookRunner(tmp_path / "state", warm_start=warm, playbooks_dir=playbooks))
        site = Site(tmp_path / "state", playbooks, runner, warm)
        site.write("look", "- {name: Look, ansible.builtin.debug: {msg: \"{{ lookup('look') }}\"}}")
        before = os.umask(0o027)
        try:
            outcome = await site.run("look")
        finally:
            os.umask(before)
        await runner.close()
        assert outcome.failure is None
        seen[warm] = outcome.results["Look"]["msg"]

    assert seen[True] == seen[False]
    assert seen[True]["masks"][3] == "0027"
    assert seen[True]["temp of this run"] is True


async def test_runs_of_one_process_share_neither_ids_nor_random_numbers(site: Site) -> None:
    site.write(
        "random",
        """
        - name: Numbers
          ansible.builtin.debug:
            msg: "{{ [1000000000000 | random, lookup('password', '/dev/null'), lookup('ids')] }}"
        """,
    )
    (site.playbooks / "lookup_plugins").mkdir()
    (site.playbooks / "lookup_plugins" / "ids.py").write_text(IDS)

    outcomes = [await site.run("random") for _ in range(2)]

    first, second = (outcome.results["Numbers"]["msg"] for outcome in outcomes)
    assert [one == other for one, other in zip(first, second, strict=True)] == [False] * 3


async def test_nothing_of_a_run_stays_in_the_warm_process(own: Site) -> None:
    """Neither in its memory nor in its folder: what the next run is forked from has never seen it."""
    secret, public = "swordfish-" + os.urandom(8).hex(), "public-" + os.urandom(8).hex()
    own.write("secret", '- {name: Say, ansible.builtin.shell: "cat; echo {{ word }}", args: {stdin: "{{ word }}"}}')
    pid = server_of(own.runner).pid
    folder = warm_start_of(own.runner)._folder
    assert folder is not None
    names = sorted(str(path) for path in folder.rglob("*"))

    outcome = await own.run("secret", extravars={"word": secret, "other": public})

    assert secret in outcome.results["Say"]["stdout"]
    assert server_of(own.runner).pid == pid
    assert holds(pid, b"hostler.libvirt.vm")  # or looking for anything would prove nothing
    assert not holds(pid, secret.encode())
    assert not holds(pid, f"{own.state}/runs/run-".encode())  # not even the name of its folder
    assert sorted(str(path) for path in folder.rglob("*")) == names
    assert said(own.runner) == ""


def holds(pid: int, text: bytes) -> bool:
    """Answer whether the process has the text anywhere in its writable memory."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, access = line.split()[:2]
            if access.startswith("rw"):
                start, end = (int(address, 16) for address in span.split("-"))
                memory.seek(start)
                if text in memory.read(end - start):
                    return True
    return False


async def test_a_plugin_that_a_site_adds_or_changes_counts_in_the_next_run(own: Site) -> None:
    own.write("plugin", '- {name: Ask, ansible.builtin.debug: {msg: "{{ 1 | mine }}"}}')
    (own.playbooks / "filter_plugins").mkdir()
    said_so = []
    for word in ("first", "second"):
        (own.playbooks / "filter_plugins" / "mine.py").write_text(
            f"class FilterModule:\n    def filters(self):\n        return {{'mine': lambda value: '{word}'}}\n"
        )
        said_so.append((await own.run("plugin")).results["Ask"]["msg"])

    assert said_so == ["first", "second"]


async def test_a_site_s_module_utils_are_shipped_in_place_of_ansible_s_own(site: Site) -> None:
    """With the archive that was made before there would be no trace of them."""
    (site.playbooks / "module_utils").mkdir()
    (site.playbooks / "module_utils" / "basic.py").write_text(
        "class AnsibleModule:\n    def __init__(self, *_, **__):\n"
        '        print(\'{"changed": false, "msg": "of the site"}\')\n        raise SystemExit\n'
        "missing_required_lib = env_fallback = None\n"
    )
    site.write("vm", "- {name: Look, hostler.libvirt.vm: {name: x}}")

    outcome = await site.run("vm")

    assert outcome.results["Look"]["msg"] == "of the site"


CALLBACK = '''\
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: oneline
short_description: x
description: x
options:
  path:
    description: x
    env: [{name: HOME}]
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"

    def v2_playbook_on_start(self, playbook):
        self.get_option("path")
        self._display.display("The site's own oneline.")
'''


@pytest.mark.parametrize("place", ["beside the playbook", "of the configuration"])
@pytest.mark.parametrize("warm", [False, True])
async def test_a_plugin_of_a_site_takes_the_place_of_ansible_s_own(
    tmp_path: Path, anyio_backend: str, warm: bool, place: str
) -> None:
    """By a name that is loaded, with its options, before any site is known."""
    folder = tmp_path / ("callback_plugins" if place == "beside the playbook" else "elsewhere")
    folder.mkdir()
    (folder / "oneline.py").write_text(CALLBACK)
    if place == "of the configuration":
        (tmp_path / "ansible.cfg").write_text("[defaults]\nvars_plugins = ./elsewhere\n")
        (folder / "host_group_vars.py").write_text(VARS)
    runner = warmed_up(PlaybookRunner(tmp_path / "state", warm_start=warm, playbooks_dir=tmp_path))
    site = Site(tmp_path / "state", tmp_path, runner, warm)
    site.write("say", "- {name: Say, ansible.builtin.debug: {msg: \"{{ of_site | default('no') }}\"}}")

    outcome = await site.run("say")
    await runner.close()

    lines = [event.text for event in site.events if isinstance(event, LogLine)]
    assert ("The site's own oneline." in lines) == (place == "beside the playbook")
    assert outcome.results["Say"]["msg"] == ("no" if place == "beside the playbook" else "yes")


VARS = """\
from ansible.plugins.vars import BaseVarsPlugin


class VarsModule(BaseVarsPlugin):
    def get_vars(self, loader, path, entities, cache=True):
        return {"of_site": "yes"}
"""
