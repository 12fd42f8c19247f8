# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at before a credential is kept, and what is said of one that can't be used."""

from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_pem_x509_certificate

from hostler.credentials.checking import checked
from hostler.credentials.models import CredentialKind
from hostler.errors import InvalidRequest
from tests.service.credentials.parts import certificate, host_key, pem_of, ssh_key, ssh_parts, tls_parts

SSH, TLS = CredentialKind.SSH, CredentialKind.TLS


def test_fingerprints_are_those_that_ssh_keygen_shows(tmp_path: Path) -> None:
    parts = ssh_parts()
    found = checked(SSH, parts)

    (tmp_path / "key").write_text(parts["private_key"])
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "host.pub").write_text(parts["known_hosts"].split(maxsplit=1)[1])
    shown = [
        subprocess.run(["ssh-keygen", "-lf", str(tmp_path / name)], check=True, capture_output=True, text=True).stdout
        for name in ("key", "host.pub")
    ]
    assert found.fingerprint == shown[0].split()[1]
    assert found.host_keys == [f"{shown[1].split()[1]} (ssh-ed25519)"]


def test_a_key_loses_neither_its_last_line_break_nor_keeps_another_systems() -> None:
    parts = ssh_parts()
    mangled = {name: text.strip().replace("\n", "\r\n") for name, text in parts.items()}
    assert checked(SSH, mangled).parts == checked(SSH, parts).parts


def test_host_keys_may_come_with_hosts_markers_and_comments_or_by_themselves() -> None:
    lines = [f"[h]:2222,10.0.0.7 {host_key()} root@h", f"@cert-authority *.example.com {host_key()}", host_key()]
    text = "\n".join(["# a comment", "", *lines])
    found = checked(SSH, {"private_key": ssh_key(), "known_hosts": text})

    assert len(found.host_keys) == 3
    lines = found.parts["known_hosts"].splitlines()
    assert [line.split()[0] for line in lines] == ["[h]:2222,10.0.0.7", "@cert-authority", "*"]


@pytest.mark.parametrize(
    ("known_hosts", "says"),
    [
        ("# nothing but a comment", "holds no key that a host could show"),
        ("@revoked * {key}", "holds no key that a host could show"),
        ("host1 ssh-ed25519 AAAA", "line 1 is not one of a known_hosts file"),
        ("host1 {key}\nnonsense", "line 2 is not one of a known_hosts file"),
        ("@unheard-of host1 {key}", "line 1 is not one of a known_hosts file"),
        ("host1 ssh-rsa{key[11:]}", "line 1 is not one of a known_hosts file"),
    ],
)
def test_host_keys_that_are_none_are_refused(known_hosts: str, says: str) -> None:
    # a key of now: the tests' names, which have the parameters in them, are the same in each process
    given = known_hosts.replace("{key[11:]}", host_key()[11:]).replace("{key}", host_key())
    with pytest.raises(InvalidRequest, match=says) as refused:
        checked(SSH, {"private_key": ssh_key(), "known_hosts": given})
    assert [problem.field for problem in refused.value.errors] == ["known_hosts"]


def test_a_key_with_a_passphrase_or_none_at_all_is_refused_and_never_repeated(tmp_path: Path) -> None:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret words", "-f", str(file)], check=True)
    for key, says in ((file.read_text(), "has a passphrase"), ("secret nonsense", "is not a private key")):
        with pytest.raises(InvalidRequest, match=says) as refused:
            checked(SSH, {**ssh_parts(), "private_key": key})
        assert [problem.field for problem in refused.value.errors] == ["private_key"]
        assert "secret" not in str(refused.value)


def test_every_part_is_asked_for_and_no_other() -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked(SSH, {"private_key": " ", "client_key": "x"})
    assert {problem.field for problem in refused.value.errors} == {"private_key", "known_hosts", "client_key"}


def test_a_certificate_shows_its_fingerprint_and_its_end() -> None:
    found = checked(TLS, tls_parts(days=10))
    assert found.fingerprint.startswith("SHA256:")
    assert found.expires_at is not None
    assert timedelta(days=9) < found.expires_at - datetime.now(UTC) < timedelta(days=11)


def test_certificates_that_do_not_do_are_refused_by_name() -> None:
    parts = tls_parts()
    for field, text, says in (
        ("client_key", pem_of(certificate()[1]), "is not the key of client_certificate"),
        ("client_key", "nonsense", "is not a private key"),
        ("client_certificate", certificate(days=-1)[0], "has ended on"),
        ("ca_certificate", certificate(days=-1)[0], "has ended on"),
        ("ca_certificate", "nonsense", "holds no certificate"),
    ):
        with pytest.raises(InvalidRequest, match=says) as refused:
            checked(TLS, {**parts, field: text})
        assert field in [problem.field for problem in refused.value.errors]


def test_a_certificate_of_a_kind_of_key_that_nobody_knows_is_refused_by_name() -> None:
    parts = tls_parts()
    der = load_pem_x509_certificate(parts["client_certificate"].encode()).public_bytes(Encoding.DER)
    ecdsa, nonsense = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d027f")
    assert ecdsa in der
    body = base64.encodebytes(der.replace(ecdsa, nonsense)).decode()
    odd = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"

    with pytest.raises(InvalidRequest, match="has a key of a kind that is not known") as refused:
        checked(TLS, {**parts, "client_certificate": odd})
    assert "client_certificate" in [problem.field for problem in refused.value.errors]


@pytest.mark.parametrize("form", ["PKCS#1", "OpenSSH"])
def test_a_large_key_is_looked_at_without_its_primes_being_tried(form: str) -> None:
    # of primes as large as these a trial takes minutes, and whoever waits for this test notices
    p, q, e = 2**9689 - 1, 2**9941 - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), RSAPublicNumbers(e, p * q))
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    shape = PrivateFormat.OpenSSH if form == "OpenSSH" else PrivateFormat.TraditionalOpenSSL
    text = key.private_bytes(Encoding.PEM, shape, NoEncryption()).decode()

    found = checked(SSH, {**ssh_parts(), "private_key": text})

    assert found.fingerprint.startswith("SHA256:")


@pytest.mark.parametrize("before", ["", "junk\n", "# of rack 2\n"])
@pytest.mark.parametrize("kind", ["OpenSSH", "PKCS8"])
def test_whatever_key_is_taken_ssh_can_load(tmp_path: Path, kind: str, before: str) -> None:
    shape = PrivateFormat.OpenSSH if kind == "OpenSSH" else PrivateFormat.PKCS8
    text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, shape, NoEncryption()).decode()

    kept = checked(SSH, {**ssh_parts(), "private_key": before + text})

    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(kept.parts["private_key"])
    shown = subprocess.run(["ssh-keygen", "-lf", file], capture_output=True, text=True, check=True).stdout
    assert kept.fingerprint in shown
    subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", file], capture_output=True, check=True)


def test_what_is_shown_of_checked_parts_holds_no_secret() -> None:
    parts = ssh_parts()
    assert parts["private_key"].splitlines()[2] not in repr(checked(SSH, parts))
