"""Puts a bundle together: pins and TUF root come in as files, and a client certificate is issued for it.

All that can be checked is checked before the certificate is issued, so that none is issued in vain. A run killed
after that leaves a certificate in the ledger whose key nobody has; the next run issues another.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from ca.bundle import MAX_BUNDLE, Bundle, MirrorPins, check, check_vendor_side
from ca.errors import BundleError, TlsError
from ca.files import read_file
from ca.identity import Identity
from ca.issue import Issuer
from ca.keys import new_key, plain_pem
from ca.pins import MAX_PINS, read_pins
from ca.profiles import CLIENT, KeyType
from ca.vault import Vault


class VendorSide(msgspec.Struct, frozen=True):
    """What a bundle says of the vendor: the same for every customer."""

    mirrors: tuple[MirrorPins, ...]
    catalogue_root: str


def read_vendor_side(mirrors: Sequence[str], catalogue_root: Path) -> VendorSide:
    """Read the files of a bundle.

    Args:
        mirrors: each `URL=FILE` or `URL=FILE,FILE`: PEM files of server certificates.
        catalogue_root: the TUF root.json.

    Raises:
        BundleError: reason `bundle-mismatch`, or of `ca.files.read_file`. TlsError: as `ca.pins.read_pins`.
    """
    raw = read_file(catalogue_root, max_bytes=MAX_BUNDLE, refusal=BundleError)
    # What is not UTF-8 is not JSON either, and is refused as such below.
    side = VendorSide(tuple(_mirror(text) for text in mirrors), raw.decode(errors="replace"))
    check_vendor_side(side.mirrors, side.catalogue_root)
    return side


def pack(
    vault: Vault, identity: Identity, side: VendorSide, signer: Issuer, *, key_type: KeyType, now: datetime
) -> Bundle:
    """Issue a client certificate with a new key, and return the bundle with both.

    Raises:
        BundleError, IssueError, IdentityError, VaultError: nothing was handed out.
    """
    key = new_key(key_type)
    certificate = vault.issue(identity, key.public_key(), CLIENT, signer, now)
    bundle = Bundle(
        realm=identity.realm,
        customer=identity.name,
        client_certificate=certificate.public_bytes(Encoding.PEM).decode(),
        client_key=plain_pem(key).decode(),
        mirrors=side.mirrors,
        catalogue_root=side.catalogue_root,
    )
    check(bundle)
    return bundle


def _mirror(text: str) -> MirrorPins:
    url, _, files = text.partition("=")
    pins = [
        load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
        for file in filter(None, files.split(","))
        for der in read_pins(read_file(Path(file), max_bytes=MAX_PINS, refusal=TlsError))
    ]
    return MirrorPins(url, tuple(pins))
