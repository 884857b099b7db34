"""A certificate and its key, as PEM: read from their files once, checked, and from then on handed around as bytes.

Who is given them need not read the files again, and cannot meet others by then. `ca.tls` reads them.

Pure.
"""

from typing import TypeAlias

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PEM. certificate: the leaf first, then what is to be sent along. key: unencrypted. No text of this shows it."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Credentials(...)"  # a client has both in one file

    @property
    def chain(self) -> list[x509.Certificate]:
        """The leaf, and what comes after it. Raises ValueError: these are not bytes that were checked."""
        return x509.load_pem_x509_certificates(self.certificate)

    @property
    def private_key(self) -> PrivateKey:
        """The key. Raises ValueError: as `chain`."""
        key = load_pem_private_key(self.key, password=None)
        if not isinstance(key, PrivateKey):
            raise ValueError("neither an RSA key nor one of an elliptic curve")  # noqa: TRY004
        return key
