"""One small CA a key type, made once (RSA keys are slow), and what its certificates look like as files."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias, TypedDict

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ca.entry import Entry
from ca.errors import CaError
from ca.identity import Identity, Role
from ca.issue import Issuer, Request, issue
from ca.profiles import CLIENT, ISSUING, ROOT, SERVER, Profile
from ca.subjects import Authority, Hosts

NOW: Final = datetime.now(UTC).replace(microsecond=0)  # openssl and TLS clients go by the real clock
REALM: Final = "build.example.com"

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_serials: Iterator[int] = itertools.count(1000)


def pem_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def key_pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def reason_of(call: Callable[[], object]) -> str | None:
    """The reason for which a call is refused; None if it is not. Anything but a refusal of ours is a failure."""
    try:
        call()
    except CaError as error:
        return error.reason
    return None


class PairFiles(TypedDict):
    """A certificate and its key as files: two parameters of `ca.tls`."""

    certificate: Path
    key: Path


class Party(msgspec.Struct, frozen=True):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def issuer(self) -> Issuer:
        return Issuer(self.key, self.certificate)

    def files(self, folder: Path, name: str) -> PairFiles:
        """Write both."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(pem_of(self.certificate))
        key.touch(mode=0o600)
        key.write_bytes(key_pem(self.key))
        return {"certificate": certificate, "key": key}


class House(msgspec.Struct, frozen=True):
    """A root, its issuing CA, a server and a client."""

    keys: dict[str, Key]
    root: Party
    issuing: Party
    server: Party
    client: Party

    def leaf(self, subject: Hosts | Identity, profile: Profile, now: datetime = NOW, by: Party | None = None) -> Party:
        return sign(self.keys["leaf"], subject, profile, (by or self.issuing).issuer, now)


def sign(
    key: Key, subject: Authority | Hosts | Identity, profile: Profile, issuer: Issuer, now: datetime = NOW
) -> Party:
    certificate = issue(Request(key.public_key(), subject), profile, issuer, serial=next(_serials), now=now)
    return Party(certificate, key)


def client(name: str = "acme", realm: str = REALM) -> Identity:
    return Identity(realm, Role.CLIENT, name)


HOSTS: Final = Hosts("mirror-1", ("localhost",), ("127.0.0.1", "::1"))


def make_house(new_key: Callable[[], Key], realm: str = REALM) -> House:
    keys = {name: new_key() for name in ("root", "issuing", "leaf")}
    root = sign(keys["root"], Authority(realm), ROOT, Issuer(keys["root"], None))
    issuing = sign(keys["issuing"], Authority(realm), ISSUING, root.issuer)
    return House(
        keys=keys,
        root=root,
        issuing=issuing,
        server=sign(keys["leaf"], HOSTS, SERVER, issuing.issuer),
        client=sign(keys["leaf"], client(realm=realm), CLIENT, issuing.issuer),
    )


def odd_certificate(key: Key, *extensions: tuple[x509.ExtensionType, bool], serial: int = 7) -> x509.Certificate:
    """A self-signed certificate as our CA would never make it: these extensions, and no other."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")])
    day = timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), serial, NOW - day, NOW + day)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(key, hashes.SHA256())


ENTRY: Final = Entry(
    serial="abc0",
    profile="client",
    name="acme",
    who="spiffe://build.example.com/client/acme",
    issuer_key="00ff",
    not_before=NOW,
    not_after=NOW + timedelta(days=1),
    fingerprint="f" * 64,
    created=NOW,
    certificate=b"\x30\x00",
)
