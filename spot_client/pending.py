"""The next certificate on its way: the key that was made for it, and the very bytes that ask for it.

    .spot/next.json   key, request, since when, until when not to ask again, and the last refusal
    .spot/next.pem    the certificate that came, with that key, while it is tried

Both are there before anything is sent that depends on them: killed at any moment, the next run sends the same bytes
again, or goes on with the certificate that came. The key never leaves this machine. Whoever writes holds the
installation's lock.
"""

import base64
import binascii
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from ca import keys
from ca.errors import CaError
from ca.identity import Identity
from ca.keys import MAX_KEY
from ca.profiles import KeyType, key_kind
from spot_client import durable
from spot_client.decide.renewal import FINAL, Asked
from spot_client.errors import LocalFault
from spot_client.state import Store
from spot_client.wire import document, est
from spot_client.wire.errors import FormatError

_MAX_BYTES: Final = 64 * 2**10
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Pending(document.Document, frozen=True):
    """A request that was made.

    identity: the URI that it asks for. key: PEM. request: base64 of the DER. since, after: UTC.
    """

    identity: str
    key: str
    request: str
    since: _Moment
    after: _Moment | None = None
    reason: str = ""

    def __repr__(self) -> str:  # the key must not get into a log or a traceback
        return f"Pending({self.identity!r})"

    @property
    def asked(self) -> Asked:
        """What decides on it."""
        return Asked(self.after, self.reason)

    @property
    def body(self) -> bytes:
        """The bytes to send, every time the same."""
        return est.encode_request(base64.b64decode(self.request))

    @property
    def private_key(self) -> CertificateIssuerPrivateKeyTypes:
        """The key that was made for it. Raises `VaultError`; what `read` gave has one."""
        return keys.load_plain(self.key.encode())


def make(identity: Identity, like: Path, now: datetime) -> Pending:
    """A new key, of the kind that the credentials in the file `like` have, and a request signed with it."""
    key = keys.new_key(_kind(like))
    name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)])
    builder = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(name, critical=False)
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return Pending(
        identity=identity.uri,
        key=keys.plain_pem(key).decode(),
        request=base64.b64encode(der).decode(),
        since=now.replace(microsecond=0),
    )


def read(store: Store) -> Pending | None:
    """The request that waits, or None.

    Raises:
        LocalFault: reason `bad-renewal`: the file is damaged.
    """
    path = _path(store)
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        found = document.decode(raw, Pending, max_bytes=_MAX_BYTES, what=str(path))
        base64.b64decode(found.request, validate=True)
        _ = found.private_key
    except FileNotFoundError:
        return None
    except (FormatError, CaError, binascii.Error) as error:
        raise LocalFault(
            "bad-renewal",
            f"{path}, which holds the request for the next certificate, is damaged: 'spot renew --again' makes a new "
            "one. The certificate in use is not touched by that.",
        ) from error
    return found


def write(store: Store, pending: Pending) -> None:
    """Replace what waits; durable on return."""
    durable.write(_path(store), document.encode(pending))


def forget(store: Store) -> None:
    """Drop the request with its key, and what came of it; durable on return."""
    durable.remove(candidate(store))
    durable.remove(_path(store))


def take_up(store: Store) -> None:
    """Other credentials have come: a request that was refused is made anew, one that waits is sent again at once."""
    found = read(store)
    if found is not None and found.reason in FINAL:
        forget(store)
    elif found is not None:
        write(store, msgspec.structs.replace(found, after=None, reason=""))


def is_in_use(store: Store, pending: Pending) -> bool:
    """Whether the certificate that was asked for is in use: a run was killed before it could forget the request."""
    try:
        in_use = keys.load_plain(store.credentials.read_bytes()[:MAX_KEY])
    except (OSError, CaError):
        return False
    return in_use.public_key() == pending.private_key.public_key()


def candidate(store: Store) -> Path:
    """Where the new certificate and its key lie until they are in use."""
    return store.paths.own / "next.pem"


def _path(store: Store) -> Path:
    return store.paths.own / "next.json"


def _kind(like: Path) -> KeyType:
    """RSA-2048 is the house's choice where the key here is none of ours."""
    try:
        with like.open("rb") as file:
            public = keys.load_plain(file.read(MAX_KEY)).public_key()
    except (OSError, CaError):
        return KeyType.RSA2048
    if isinstance(public, ec.EllipticCurvePublicKey):
        return KeyType.ECDSA_P256
    return KeyType.RSA3072 if key_kind(public) == KeyType.RSA3072.value else KeyType.RSA2048
