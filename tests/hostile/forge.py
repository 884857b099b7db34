"""Certificates of any form, signed with a CA's own key: what our CA never signs, to see what becomes of its bearer."""

import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.ca.house import NOW, REALM, Key, Party

ACME: Final = f"spiffe://{REALM}/client/acme"
CLIENT_AUTH: Final = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER_AUTH: Final = ExtendedKeyUsageOID.SERVER_AUTH
_DAY: Final = timedelta(days=1)


def uri(text: str) -> x509.UniformResourceIdentifier:
    """A name as our identities are."""
    return x509.UniformResourceIdentifier(text)


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in a certificate. Left as it is: a client's, and good. `usages`: None for no such extension."""

    names: tuple[x509.GeneralName, ...] = (uri(ACME),)
    usages: tuple[x509.ObjectIdentifier, ...] | None = (CLIENT_AUTH,)
    is_ca: bool = False
    begins: datetime = NOW - _DAY
    ends: datetime = NOW + _DAY
    names_issuer_key: bool = True

    @property
    def extensions(self) -> list[tuple[x509.ExtensionType, bool]]:
        """Those that do not depend on who signs; each with whether it is critical."""
        found: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(self.is_ca, None), True)]
        if self.names:
            found.append((x509.SubjectAlternativeName(self.names), False))
        if self.usages is not None:
            found.append((x509.ExtendedKeyUsage(self.usages), False))
        return found


def forge(form: Form, by: Party | None, key: Key | None = None) -> Party:
    """A certificate of that form, signed by a CA; by itself, for None."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "forged")])
    issuer, signer = (subject, key) if by is None else (by.certificate.subject, by.key)
    serial = x509.random_serial_number()
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), serial, form.begins, form.ends)
    for extension, critical in form.extensions:
        builder = builder.add_extension(extension, critical)
    if form.names_issuer_key:
        of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(of_issuer, critical=False)
    return Party(builder.sign(signer, hashes.SHA256()), key)


def forge_request(key: Key, *names: x509.GeneralName) -> bytes:
    """A request for a certificate (DER, PKCS #10)."""
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def forge_with_sha1(name: str, usage: str, by: Party, folder: Path) -> Party:
    """A certificate signed by way of SHA-1, as our libraries no longer do; name and usage in openssl's words."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = by.files(folder, "sha1-ca")
    (folder / "sha1.csr").write_bytes(forge_request(key))
    form = f"subjectAltName={name}\nextendedKeyUsage={usage}\n"
    (folder / "sha1.cnf").write_text(f"basicConstraints=critical,CA:FALSE\nauthorityKeyIdentifier=keyid\n{form}")
    command = ["openssl", "x509", "-req", "-sha1", "-inform", "DER", "-in", "sha1.csr", "-extfile", "sha1.cnf"]
    command += ["-CA", str(issuer["certificate"]), "-CAkey", str(issuer["key"]), "-set_serial", "77", "-days", "9"]
    pem = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    return Party(x509.load_pem_x509_certificate(pem), key)


def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """A key that may be too weak to be taken."""
    return rsa.generate_private_key(65537, bits)
