# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures, against the specification's own library, its example, and openssl."""

from __future__ import annotations

import base64
import subprocess
import time

import pytest
from standardwebhooks import Webhook as Verifier

from hostler.webhooks.signature import checked_secret, new_secret, signed_headers


def test_the_specifications_own_library_verifies_them_and_signs_the_same() -> None:
    secret, body, now = new_secret(), '{"type":"ping","data":"ä"}'.encode(), int(time.time())

    headers = signed_headers([secret], "msg_1", now, body)

    assert Verifier(secret).verify(body, headers) == {"type": "ping", "data": "ä"}
    assert headers["webhook-timestamp"] == str(now)


def test_the_libraries_published_example_comes_out() -> None:
    """Of the test suites of the reference libraries."""
    headers = signed_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_openssl_makes_the_same() -> None:
    key = bytes(range(32))
    secret = f"whsec_{base64.b64encode(key).decode()}"
    headers = signed_headers([secret], "msg_x", 1700000000, b"{}")

    digest = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"],
        input=b"msg_x.1700000000.{}",
        capture_output=True,
        check=True,
    ).stdout

    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_several_secrets_sign_beside_each_other() -> None:
    old, new = new_secret(), new_secret()
    headers = signed_headers([new, old], "msg_1", int(time.time()), b"{}")

    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        assert Verifier(secret).verify(b"{}", headers) == {}


@pytest.mark.parametrize("size", [24, 32, 64])
def test_secrets_of_good_length_are_taken(size: int) -> None:
    secret = f"whsec_{base64.b64encode(bytes(size)).decode()}"

    assert checked_secret(secret) == secret


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        base64.b64encode(bytes(32)).decode(),
        "whsec_" + "!" * 44,
        "whsec_" + "ä" * 44,
        "whsec_" + "A" * 41,
        "WHSEC_" + base64.b64encode(bytes(32)).decode(),
    ],
)
def test_what_is_no_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="it should be whsec_ and the base64 of 24 to 64 bytes") as error:
        checked_secret(secret)

    assert not secret or secret[6:] not in str(error.value) or len(secret) < 8


def test_no_two_secrets_are_alike() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
