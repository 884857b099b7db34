"""What a client certificate says of its bearer, for a policy that decides per request (DESIGN §2.1).

The handshake (`ca.tls`) has proved that a current issuing CA signed the certificate and that the peer holds its key.
Everything else is read here, from the certificate's DER, and *all* that is wrong is reported at once: a refusal can
then be named, counted and explained. RFC 5280 §4.2 for the extensions.

Pure: bytes in, a value out.
"""

from datetime import datetime
from typing import Final

import msgspec
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.errors import IdentityError
from ca.identity import Identity, parse
from ca.reading import UNREADABLE

MAX_CERTIFICATE: Final = 64 * 1024
"""Longest certificate that is looked at, in bytes."""


class Peer(msgspec.Struct, frozen=True):
    """One client certificate. With any entry in `problems`, its bearer is nobody: `identity` is then only for logs.

    problems: `no-san`, `two-sans`, `not-a-uri`, the reasons of `ca.identity.parse` (`bad-uri`, `bad-realm`,
        `bad-role`, `bad-path`, `bad-id`), `is-a-ca`, `wrong-usage`, `no-issuer-key`.
    serial: with `issuer_key`, what a CRL names.
    issuer_key: the authority key identifier; empty if there is none.
    not_before, not_after: UTC; the first and the last second of validity.
    """

    identity: Identity | None
    problems: tuple[str, ...]
    serial: int
    issuer_key: bytes
    not_before: datetime
    not_after: datetime


def read_peer(der: bytes) -> Peer:
    """Read a client certificate of at most `MAX_CERTIFICATE` bytes.

    NOT verified here: signature and chain (the handshake did), dates (compare `not_before` and `not_after` with the
    clock), revocation (look `issuer_key` and `serial` up), whether `issuer_key` is a configured issuer, whether the
    realm is ours, and what the role may do.

    Raises:
        IdentityError: reason `bad-certificate`, if the bytes are no certificate that can be read to its end.
    """
    if len(der) > MAX_CERTIFICATE:
        raise IdentityError("bad-certificate", f"The certificate has {len(der)} bytes, more than {MAX_CERTIFICATE}.")
    try:
        return _read(x509.load_der_x509_certificate(der))
    except UNREADABLE as error:
        raise IdentityError("bad-certificate", f"The certificate cannot be read: {error}.") from error


def _read(certificate: x509.Certificate) -> Peer:
    extensions = certificate.extensions
    identity, problems = _identity(extensions)
    if _is_ca(extensions):
        problems.append("is-a-ca")
    if not _is_client_only(extensions):
        problems.append("wrong-usage")
    issuer_key = _issuer_key(extensions)
    if not issuer_key:
        problems.append("no-issuer-key")
    return Peer(
        identity=identity,
        problems=tuple(problems),
        serial=certificate.serial_number,
        issuer_key=issuer_key,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _identity(extensions: x509.Extensions) -> tuple[Identity | None, list[str]]:
    try:
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    problems = [] if names else ["no-san"]
    if len(names) > 1:
        problems.append("two-sans")
    uris = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    if len(uris) < len(names):
        problems.append("not-a-uri")
    if problems:
        return None, problems
    try:
        return parse(uris[0]), []
    except IdentityError as error:
        return None, [error.reason]


def _is_ca(extensions: x509.Extensions) -> bool:
    try:
        return extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _is_client_only(extensions: x509.Extensions) -> bool:
    try:
        usages = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return False
    return usages == [ExtendedKeyUsageOID.CLIENT_AUTH]


def _issuer_key(extensions: x509.Extensions) -> bytes:
    try:
        key_id = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return b""
    return key_id or b""
