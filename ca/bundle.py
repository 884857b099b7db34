"""The bundle: the one file that an installation package carries, both directions.

    format              1; a reader that knows only lower ones says "newer SPOT needed" and reads no further
    min_spot            the oldest SPOT that can use it, PEP 440
    realm, customer     whose it is
    client_certificate  PEM, the leaf alone: the mirror has the issuing CAs. Of a client; or, in a bundle for enrolment
                        only, of that role: it can do nothing but get a certificate for a key made on the machine
    client_key          PEM, PKCS#8, not encrypted: an installed product starts unattended. So the file is a secret
    mirrors             URL and pins of each; `pins` are PEM server certificates, any one of which is believed
    catalogue_root      the TUF root.json with which trust in the catalogue begins, as text, byte for byte

It is one canonical JSON document (`ca.strict_json`). `decode` says that the form is right, `check` that the parts
belong together: a reader calls both before it uses anything. Dates are not looked at: there is no clock here.

Pure: bytes in, values out.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from ca import strict_json
from ca.errors import BundleError, CaError, IdentityError, JsonError, TlsError
from ca.identity import Role, make
from ca.peer import read_peer
from ca.pins import names_host, read_pins
from ca.profiles import is_strong
from ca.reading import UNREADABLE

FORMAT: Final = 1
MAX_BUNDLE: Final = 1024 * 1024
"""Longest bundle, in bytes."""

_MAX_ROOT = 256 * 1024  # bytes of catalogue_root
_Pem = Annotated[str, msgspec.Meta(max_length=32 * 1024)]


class MirrorPins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mirror: `https://HOST` or `https://HOST:PORT`, and the server certificates it may show, PEM."""

    url: Annotated[str, msgspec.Meta(max_length=300)]
    pins: Annotated[tuple[_Pem, ...], msgspec.Meta(max_length=8)]


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bundle of one customer; the fields are told in the module's docstring."""

    realm: str
    customer: str
    client_certificate: _Pem
    client_key: _Pem
    mirrors: Annotated[tuple[MirrorPins, ...], msgspec.Meta(max_length=32)]
    catalogue_root: Annotated[str, msgspec.Meta(max_length=_MAX_ROOT)]
    format: int = FORMAT
    min_spot: str = "0.1"

    def __repr__(self) -> str:  # the key must not get into a log or a traceback
        return f"Bundle({self.customer!r} of {self.realm!r})"


def encode(bundle: Bundle) -> bytes:
    """The bytes of a bundle."""
    return strict_json.encode(bundle)


def decode(raw: bytes) -> Bundle:
    """Read a bundle of at most `MAX_BUNDLE` bytes. Its parts are not compared: `check` does that.

    Raises:
        BundleError: reason `bad-bundle`, or `too-new` for a format this program does not know.
    """
    try:
        _check_format(strict_json.loads(raw, max_bytes=MAX_BUNDLE))
        return strict_json.decode(raw, Bundle, max_bytes=MAX_BUNDLE)
    except JsonError as error:
        sentence = f"This is not a bundle, or a damaged one ({error.reason}): get a new one from your vendor."
        raise BundleError("bad-bundle", sentence) from error


def check(bundle: Bundle) -> None:
    """Refuse a bundle whose parts do not belong together; the message names everything that is wrong.

    Raises:
        BundleError: reason `bundle-mismatch`.
    """
    _refuse([*_client_problems(bundle), *mirror_problems(bundle.mirrors), *_root_problems(bundle.catalogue_root)])


def check_vendor_side(mirrors: Sequence[MirrorPins], catalogue_root: str) -> None:
    """Of `check`, what can be said before there is a client certificate; so none is issued in vain.

    Raises:
        BundleError: reason `bundle-mismatch`.
    """
    _refuse([*mirror_problems(mirrors), *_root_problems(catalogue_root)])


def mirror_problems(mirrors: Sequence[MirrorPins]) -> Iterator[str]:
    """What forbids to use these mirrors, as halves of sentences; nothing, if they are good.

    At least one, no URL twice, each spelled `https://HOST` or `https://HOST:PORT`; each pin one certificate of a server
    for that host, as `read_pins` takes it.
    """
    if not mirrors:
        yield "no mirror is named"
    if len({mirror.url for mirror in mirrors}) < len(mirrors):
        yield "a mirror is named twice"
    for mirror in mirrors:
        host = _host(mirror.url)
        if host is None:
            yield f"{mirror.url!r} is not of the form https://HOST or https://HOST:PORT"
        if not mirror.pins:
            yield f"the mirror {mirror.url!r} has no pin"
        for pem in mirror.pins:
            yield from (f"a pin of {mirror.url!r} {problem}" for problem in _pin_problems(pem, host))


def _refuse(problems: list[str]) -> None:
    if problems:
        raise BundleError("bundle-mismatch", f"The bundle's parts do not belong together: {'; '.join(problems)}.")


def _check_format(document: object) -> None:
    """Before anything else is read: a later format may look altogether different."""
    number = document.get("format") if isinstance(document, dict) else None
    if type(number) is not int or number < 1:
        raise BundleError("bad-bundle", "This is not a bundle: it has no format number.")
    if number > FORMAT:
        raise BundleError("too-new", f"The bundle has format {number}, and this program knows {FORMAT}: update it.")


def _client_problems(bundle: Bundle) -> Iterator[str]:
    try:
        wanted = [make(bundle.realm, role, bundle.customer) for role in (Role.CLIENT, Role.ENROL)]
        certificate = x509.load_pem_x509_certificate(bundle.client_certificate.encode())
        peer = read_peer(certificate.public_bytes(Encoding.DER))
    except (IdentityError, *UNREADABLE) as error:
        yield f"the client certificate, realm or customer is unusable ({error})"
        return
    if bundle.client_certificate.count("-----BEGIN ") > 1:
        yield "the client certificate is more than the leaf"
    yield from (f"the client certificate has the problem {problem}" for problem in peer.problems)
    found = peer.identity
    if found is not None and msgspec.structs.replace(found, installation=None) not in wanted:
        yield f"the client certificate is that of {found.uri}, not of {wanted[0].uri}"
    yield from _key_problems(bundle.client_key, certificate)


def _key_problems(pem: str, certificate: x509.Certificate) -> Iterator[str]:
    try:
        public_key = load_pem_private_key(pem.encode(), password=None).public_key()
        if public_key != certificate.public_key():
            yield "the client key is not that of the client certificate"
        elif not is_strong(certificate.public_key()):
            yield "the client key is too weak"
    except UNREADABLE:  # not `error`: whatever the library says about a key stays out of messages
        yield "the client key is not an unencrypted PKCS#8 key"


def _pin_problems(pem: str, host: str | None) -> Iterator[str]:
    try:
        pins = read_pins(pem.encode())
    except TlsError as error:
        yield f"is refused ({error.reason})"
        return
    if len(pins) != 1:
        yield "is more than one certificate"
    elif host is not None and not names_host(pins[0], host):
        yield f"is not a certificate for {host}"


def _host(url: str) -> str | None:
    """The host of a mirror's URL, or None if it is spelled in any way but ours."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    netloc = f"[{host}]" if ":" in host else host
    spelled = f"https://{netloc}" if port is None else f"https://{netloc}:{port}"
    return host if url == spelled and port != 0 and host.isascii() else None


def _root_problems(text: str) -> Iterator[str]:
    try:
        document = strict_json.loads(text.encode(), max_bytes=_MAX_ROOT)
    except (CaError, UnicodeEncodeError):
        document = None
    signed = document.get("signed") if isinstance(document, dict) else None
    if not isinstance(signed, dict) or signed.get("_type") != "root":
        yield "the catalogue root is not a TUF root.json"
