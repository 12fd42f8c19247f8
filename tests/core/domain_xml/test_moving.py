# SPDX-License-Identifier: GPL-3.0-or-later
"""What a domain notes of its migration."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import (
    MOVE_NAMESPACE,
    Move,
    move_xml,
    read_move,
)


def domain(inner: str) -> str:
    """A domain with that metadata, in the namespace that libvirt puts on them."""
    moved = inner.replace("<move ", f"<move xmlns='{MOVE_NAMESPACE}' ", 1)
    return f"<domain><metadata>{moved}<other xmlns='urn:x'/></metadata></domain>"


@pytest.mark.parametrize(
    "move",
    [Move("a", "b"), Move("a", "b", autostart=True, copied=("/x/<&\">' ü.qcow2", "/x/b.iso"))],
)
def test_what_is_written_is_read_again(move: Move) -> None:
    assert read_move(domain(move_xml(move))) == move


def test_a_domain_that_notes_nothing_has_no_move() -> None:
    assert read_move(domain("")) is None
    assert read_move("<domain/>") is None
