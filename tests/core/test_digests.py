# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums of what streams by are those of the whole."""

import hashlib
import os

from ansible_collections.hostler.libvirt.plugins.module_utils.digests import ALGORITHMS, Digests


def test_they_are_those_of_all_pieces_in_order() -> None:
    pieces = [os.urandom(size) for size in (0, 1, 1000, 2**20, 3)] * 20
    digests = Digests(tuple(ALGORITHMS))

    for piece in pieces:
        digests.update(piece)

    whole = b"".join(pieces)
    assert digests.result() == {name: hashlib.new(name, whole).hexdigest() for name in ALGORITHMS}
    assert {name: len(one) for name, one in digests.result().items()} == ALGORITHMS


def test_one_that_is_given_up_ends() -> None:
    digests = Digests(("sha256",))
    digests.update(b"x")

    digests.close()
    digests.close()

    assert digests.result() == {"sha256": hashlib.sha256(b"x").hexdigest()}
