# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's certificates say what they are for, and are made once."""

from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from lab.authority import Authority


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def test_server_is_named_by_name_and_address_and_signed_by_the_authority(tmp_path: Path) -> None:
    Authority(tmp_path / "ca").issue_server(tmp_path / "server", "host1.lab.test", "127.0.0.1")
    server, authority = certificate(tmp_path / "server/servercert.pem"), certificate(tmp_path / "server/cacert.pem")
    server.verify_directly_issued_by(authority)
    signer = server.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert signer == authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["host1.lab.test"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_a_client_is_no_server_and_neither_may_sign(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    authority.issue_server(tmp_path / "both", "host1.lab.test", "127.0.0.1")
    authority.issue_client(tmp_path / "both", "lab")
    for side, purpose in (("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH)):
        extensions = certificate(tmp_path / "both" / f"{side}cert.pem").extensions
        assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [purpose]
        assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_authority_that_is_there_is_taken_and_another_is_another(tmp_path: Path) -> None:
    for folder in ("one", "one", "other"):
        Authority(tmp_path / folder).issue_client(tmp_path / folder, "lab")
    certificate(tmp_path / "one/clientcert.pem").verify_directly_issued_by(certificate(tmp_path / "one/cacert.pem"))
    assert (tmp_path / "one/cacert.pem").read_bytes() != (tmp_path / "other/cacert.pem").read_bytes()


def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    Authority(tmp_path / "ca").issue_client(tmp_path / "client", "lab")
    for file in tmp_path.rglob("*"):
        assert file.stat().st_mode & 0o077 == 0, file
