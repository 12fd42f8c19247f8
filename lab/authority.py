# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's certificate authority: made at the spot, known to nobody else, gone with the lab.

File names are libvirt's (https://libvirt.org/kbase/tlscerts.html): a folder with them is what ``pkipath`` names.
"""

import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.private_files import write_private

CA_CERTIFICATE = "cacert.pem"
_CA_KEY = "cakey.pem"
_VALID = datetime.timedelta(days=3650)
"""A lab that stands for years is somebody's, and no certificate that ran out is to puzzle them."""


class Authority:
    """The authority in a folder, which is made if need be."""

    def __init__(self, folder: Path):
        folder.mkdir(mode=0o700, exist_ok=True)
        key_file, certificate_file = folder / _CA_KEY, folder / CA_CERTIFICATE
        if not certificate_file.exists():
            key = generate_private_key(SECP256R1())
            name = _name("Hostler lab")
            certificate = (
                _certificate(name, name, key, key.public_key())
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_usage(signs_certificates=True), critical=True)
                .sign(key, hashes.SHA256())
            )
            write_private(key_file, _pem(key))
            # last: where it stands, the key does too
            write_private(certificate_file, certificate.public_bytes(Encoding.PEM))
        loaded = load_pem_private_key(key_file.read_bytes(), None)
        assert isinstance(loaded, EllipticCurvePrivateKey)  # noqa: S101 - written above
        self._key = loaded
        self._certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())

    def issue_server(self, folder: Path, hostname: str, address: str) -> None:
        """Write into `folder` what a server needs to be believed as `hostname` and as `address`, an IP address."""
        names = x509.SubjectAlternativeName([x509.DNSName(hostname), x509.IPAddress(ip_address(address))])
        self._issue(folder, "server", hostname, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def issue_client(self, folder: Path, name: str) -> None:
        """Write into `folder` what a client needs to be let in."""
        self._issue(folder, "client", name, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _issue(
        self,
        folder: Path,
        side: str,
        name: str,
        purpose: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName | None,
    ) -> None:
        key = generate_private_key(SECP256R1())
        certificate = (
            _certificate(_name(name), self._certificate.subject, key, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        )
        if names is not None:
            certificate = certificate.add_extension(names, critical=False)
        folder.mkdir(mode=0o700, exist_ok=True)
        write_private(folder / CA_CERTIFICATE, self._certificate.public_bytes(Encoding.PEM))
        write_private(folder / f"{side}key.pem", _pem(key))
        write_private(
            folder / f"{side}cert.pem", certificate.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        )


def _certificate(
    name: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, issuer_key: EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # clocks of hosts may differ, even where hosts are on one machine and its clock is set back
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + _VALID)
        # Python believes none without these from 3.13 on
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=not signs_certificates,  # libvirt 9.0 insists, whatever the kind of key
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
