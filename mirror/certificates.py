"""What ops bring here from the CA, as files: the server's certificate, the issuing CAs, their revocation lists."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from ca.errors import RevocationError, TlsError
from ca.files import read_file
from ca.reading import UNREADABLE
from ca.revocation import MAX_CRL, Revocations, read_crl
from mirror.errors import ServeError

PUSHED: Final = "crls"
"""The folder, in that of the data, of the lists that the issuing host sent."""

_MAX_CERTIFICATE: Final = 64 * 2**10


def read_certificate(path: Path) -> x509.Certificate:
    """The first certificate in a PEM file, for its dates and names. Whether it can serve is for `ca.tls` to say.

    Raises:
        TlsError: reason `bad-certificate`, or as `ca.files.read_file`.
    """
    raw = read_file(path, max_bytes=_MAX_CERTIFICATE, refusal=TlsError)
    try:
        return x509.load_pem_x509_certificate(raw)
    except UNREADABLE as error:
        raise TlsError("bad-certificate", f"There is no PEM certificate in {path}: {error}.") from error


def read_issuer(path: Path, realm: str) -> x509.Certificate:
    """The certificate of an issuing CA of `realm`. That it is a CA, and of the right depth, is for `ca.tls` to say.

    Raises:
        TlsError: reason `bad-certificate`, or as `ca.files.read_file`.
        ServeError: reason `wrong-realm`.
    """
    issuer = read_certificate(path)
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.NameConstraints).value
    except (x509.ExtensionNotFound, *UNREADABLE) as error:
        raise TlsError("bad-certificate", f"There is no certificate of an issuing CA in {path}: {error}.") from error
    if realm not in {name.value for name in constraints.permitted_subtrees or ()}:
        raise ServeError(
            "wrong-realm", f"The CA in {path} is not one of the realm {realm}: correct 'realm', or the CA."
        )
    return issuer


def key_id(issuer: x509.Certificate) -> bytes:
    """The key identifier of a CA of ours, as `ca.peer.Peer` names an issuer."""
    return issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def pushed_list(folder: Path, issuer: x509.Certificate) -> Path:
    """Where the list of an issuing CA lies that was pushed."""
    return folder / f"{key_id(issuer).hex()}.crl"


def read_list(
    path: Path, issuers: Sequence[x509.Certificate], now: datetime, previous: Revocations | None = None
) -> Revocations:
    """The CRL in a file, which must be one of `issuers`'; `previous`: what was read there before.

    Raises:
        RevocationError: as `ca.revocation.read_crl` and `ca.files.read_file`; the sentence names the file.
    """
    raw = read_file(path, max_bytes=MAX_CRL, refusal=RevocationError)
    for issuer in issuers:
        try:
            return read_crl(raw, issuer, now=now, previous=previous)
        except RevocationError as error:
            if error.reason != "wrong-issuer":
                raise RevocationError(error.reason, f"{path}: {error}") from error
    raise RevocationError("wrong-issuer", f"{path} is not a CRL of any of the configured issuing CAs.")
