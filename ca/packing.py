"""Puts a bundle together: pins and TUF root come in as files, and a client certificate is issued for it.

All that can be checked is checked before the certificate is issued, so that none is issued in vain.

The steps are: key, ledger, bundle. The key waits in `.NAME.key` beside the bundle NAME (0600), and goes away when the
bundle is there. Killed between any two steps, the same command finishes: it takes up that key, and the certificate
that the ledger may already have for it. So no certificate is in the ledger whose key nobody has.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from ca.bundle import MAX_BUNDLE, Bundle, MirrorPins, check, check_vendor_side, decode, encode
from ca.errors import BundleError, TlsError
from ca.files import PRIVATE, read_file, sync_folder, write_new
from ca.handout import Certified, certify
from ca.identity import Identity
from ca.issue import Issuer
from ca.keys import plain_pem
from ca.pins import MAX_PINS, read_pins
from ca.profiles import KeyType, Profile
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
    vault: Vault,
    identity: Identity,
    side: VendorSide,
    profile: Profile,
    signer: Issuer,
    *,
    out: Path,
    key_type: KeyType,
    now: datetime,
    uses: int | None = None,
) -> Certified:
    """Issue a client certificate with a new key, and write the bundle with both to `out`, which must not be there.

    Args:
        profile: `ca.profiles.CLIENT`, or `ENROL` for an identity of that role, with the lifetime that is wanted.
        uses: of one for enrolment, how many installations may enrol with it.

    Raises:
        BundleError, IssueError, IdentityError, VaultError, OSError: no bundle was written.
    """
    key_path = _waiting_key(out)
    certified = certify(vault, identity, profile, signer, key_path=key_path, key_type=key_type, now=now, uses=uses)
    bundle = Bundle(
        realm=identity.realm,
        customer=identity.name,
        client_certificate=certified.certificate.public_bytes(Encoding.PEM).decode(),
        client_key=plain_pem(certified.key).decode(),
        mirrors=side.mirrors,
        catalogue_root=side.catalogue_root,
    )
    check(bundle)
    write_new(out, encode(bundle), PRIVATE)
    _remove(key_path)
    return certified


def read_bundle(path: Path) -> Bundle:
    """Read a bundle that was written.

    Raises:
        BundleError: as `ca.bundle.decode` and `ca.files.read_file`.
    """
    return decode(read_file(path, max_bytes=MAX_BUNDLE, refusal=BundleError))


def tidy(path: Path) -> None:
    """Remove the key that waits beside a bundle which holds it: of a run killed right after it wrote the bundle.

    Raises:
        BundleError: as `read_bundle`; nothing was removed.
    """
    key_path = _waiting_key(path)
    if key_path.is_file() and key_path.read_bytes() == read_bundle(path).client_key.encode():
        _remove(key_path)


def _waiting_key(out: Path) -> Path:
    return out.with_name(f".{out.name}.key")


def _remove(key_path: Path) -> None:
    key_path.unlink()
    sync_folder(key_path.parent)


def _mirror(text: str) -> MirrorPins:
    url, _, files = text.partition("=")
    pins = [
        load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
        for file in filter(None, files.split(","))
        for der in read_pins(read_file(Path(file), max_bytes=MAX_PINS, refusal=TlsError))
    ]
    return MirrorPins(url, tuple(pins))
