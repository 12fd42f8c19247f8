# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's configuration, as a host gets it."""

from itertools import pairwise
from pathlib import Path

from lab.config import qemu_settings, rendered
from lab.layout import LabLayout


def test_settings_are_written_in_libvirts_syntax() -> None:
    assert rendered({"user": "root", "port": 5, "none": [], "two": ["a", "b"]}) == (
        'user = "root"\nport = 5\nnone = []\ntwo = ["a", "b"]\n'
    )


def test_hosts_of_a_lab_have_ports_of_their_own() -> None:
    lab = LabLayout(Path("/lab"), uid=0)
    for kind in ("remote_display_port", "remote_websocket_port", "migration_port"):
        hosts = [qemu_settings(lab.host(index), slot=39) for index in range(1, 10)]
        spans = [range(int(f"{host[f'{kind}_min']}"), int(f"{host[f'{kind}_max']}") + 1) for host in hosts]
        assert all(len(span) > 0 for span in spans)
        assert all(one.stop <= next_one.start for one, next_one in pairwise(spans))


def test_only_root_may_name_the_user_that_runs_guests() -> None:
    assert qemu_settings(LabLayout(Path("/lab"), uid=0).host(1), slot=0)["user"] == "root"
    assert "user" not in qemu_settings(LabLayout(Path("/lab"), uid=1000).host(1), slot=30)
