"""Signing on another machine: what is to be signed goes there on a stick, and signatures come back.

    to sign       what waits, and the catalogue that it follows on: enough to verify that from its first root down, and
                  to show what would change, with no network and no access to the mirror
    signatures    by role: version, key id, signature (Ed25519, hexadecimal)

Neither is secret and neither is believed: what is to be signed is verified there, signatures are verified here.
"""

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
from securesystemslib.signer import Signature
from tuf.api.metadata import Targets

from ca import files
from mirror.blobs import LocalBlobs, make_folder
from mirror.catalogue import Chain
from mirror.errors import SigningError
from mirror.place import Place
from mirror.signing import candidate, marks, proposal, staged
from mirror.signing.ring import Ring
from mirror.signing.staged import Staged
from mirror.targets import read_file
from spot_client.wire import document, routes
from spot_client.wire.errors import FormatError

MAX_BYTES: Final = 256 * 2**20


class _ToSign(document.Document, frozen=True):
    """What is carried there.

    `catalogue`: files by name in its folder, base64; `names` of public keys; `waiting`: `Staged.encode`, base64;
    `floors`: after a restore, what is to be signed above (`marks.floors`), base64.
    """

    catalogue: dict[str, str]
    names: dict[str, Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]]
    waiting: str
    floors: str = ""


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    keyid: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    signature: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}\Z")]


class _Signatures(document.Document, frozen=True):
    signatures: dict[str, _Line]


class Unpacked(msgspec.Struct, frozen=True):
    """What is to be signed, laid out. `names` of public keys as the mirror has them: said by nobody who signed."""

    place: Place
    known: Chain | None
    waiting: Staged
    names: dict[str, str]


def to_sign(place: Place, ring: Ring) -> bytes:
    """What waits, to be carried to another machine.

    Raises:
        SigningError: reason `nothing-waits`, or `bad-staged`.
        CatalogueFault: the catalogue cannot be read.
    """
    known, waiting = proposal.chain(place), proposal.read_staged(place)
    waiting.follow(known)
    if not waiting.statements:
        raise SigningError("nothing-waits", "Nothing waits for signatures.")
    names = [*_names(known, waiting)] if known else []
    # After a restore, newer roots are in the mark.
    names = [name for name in names if not name.endswith(".root.json") or (place.catalogue / name).exists()]
    carried = {name: base64.b64encode(read_file(place.catalogue / name, MAX_BYTES)).decode() for name in names}
    called = {name: key.public for name, key in ring.keys.items()}
    text = base64.b64encode(waiting.encode()).decode()
    floors = base64.b64encode(read_file(place.floors, marks.MAX_BYTES)).decode() if place.floors.exists() else ""
    return document.encode(_ToSign(catalogue=carried, names=called, waiting=text, floors=floors))


def read(path: Path) -> bytes:
    """A file that was carried here. Raises SigningError: reason `bad-paper`."""
    try:
        with files.open_ordinary(path) as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SigningError("bad-paper", f"{path} cannot be read: {error.strerror}.") from error
    if len(raw) > MAX_BYTES:
        raise SigningError("bad-paper", f"{path} has more than the {MAX_BYTES} bytes allowed.")
    return raw


def unpack(raw: bytes, folder: Path) -> Unpacked:
    """Lay out in the empty `folder` what is to be signed: the catalogue, verified, and what waits to follow on it.

    Raises:
        SigningError: reason `bad-paper`, `bad-staged` or `bad-mark`.
        CatalogueFault: the catalogue that was carried does not verify.
    """
    place = Place(folder, LocalBlobs(folder))
    try:
        paper = document.decode(raw, _ToSign, max_bytes=MAX_BYTES, what="The file to be signed")
        waiting = staged.decode(base64.b64decode(paper.waiting, validate=True), "What is to be signed")
        carried = {name: base64.b64decode(text, validate=True) for name, text in paper.catalogue.items()}
        floors = base64.b64decode(paper.floors, validate=True)
    except (FormatError, binascii.Error, ValueError) as error:
        raise SigningError("bad-paper", f"This is not to be signed, or damaged: {error}. Export it again.") from error
    for name, content in carried.items():
        if routes.parse(f"{routes.METADATA_BASE}{name}") is None:
            raise SigningError("bad-paper", f"{name[:120]!r} is no file of a catalogue: export it again.")
        make_folder((place.catalogue / name).parent)
        files.replace(place.catalogue / name, content)
    if floors:
        make_folder(place.folder)
        files.replace(place.floors, floors, files.PRIVATE)
    known = proposal.chain(place)
    waiting.follow(known)
    return Unpacked(place, known, waiting, paper.names)


def first_root(carried: Unpacked) -> bytes | None:
    """The root that the carried catalogue begins with; None where the first one is only to be signed."""
    try:
        return (carried.place.catalogue / "1.root.json").read_bytes()
    except FileNotFoundError:
        return None


def sign(ring: Ring, name: str, known: Chain | None, waiting: Staged) -> bytes:
    """The signatures of the key `name` on all that it may sign.

    Raises:
        SigningError, PassphraseError: as `Ring.signer`; reason `not-a-signer`: there is nothing for it to sign.
    """
    keyid = ring.key(name).verifier.keyid
    mine = [line.role for line in candidate.waits(known, waiting) if keyid in line.keyids]
    if not mine:
        raise SigningError("not-a-signer", f"There is nothing here for {name} to sign.")
    lines = {}
    for role in mine:
        signature = ring.signer(name).sign(waiting.statements[role].signed_bytes)
        lines[role] = _Line(waiting.statements[role].signed.version, keyid, signature.signature)
    return document.encode(_Signatures(signatures=lines))


def take(raw: bytes, known: Chain | None, waiting: Staged) -> tuple[str, ...]:
    """Add signatures that came back to what waits; the roles. Each is verified.

    Raises:
        SigningError: reason `bad-paper`, `other-version` (what waits has changed), or `bad-signature`.
    """
    try:
        paper = document.decode(raw, _Signatures, max_bytes=MAX_BYTES, what="The file of signatures")
    except FormatError as error:
        raise SigningError("bad-paper", f"{error} {_hint(raw)}") from error
    for role, line in paper.signatures.items():
        statement = waiting.statements.get(role)
        if statement is None or statement.signed.version != line.version:
            raise SigningError("other-version", f"{role} {line.version} does not wait any more: export and sign anew.")
        statement.signatures[line.keyid] = Signature(line.keyid, line.signature)
        found = {one.role: one for one in candidate.waits(known, waiting)}
        if line.keyid not in found[role].signed:
            raise SigningError(
                "bad-signature", f"The signature for {role} is not good: what waits has changed, or another key signed."
            )
    return tuple(paper.signatures)


def _hint(raw: bytes) -> str:
    try:
        document.decode(raw, _ToSign, max_bytes=MAX_BYTES, what="The file to be signed")
    except FormatError:
        return "Have it signed again."
    return "This is the file to be signed: import what 'signing sign' has made of it."


def _names(known: Chain, waiting: Staged) -> Iterator[str]:
    """The files of the catalogue that are needed to verify it, and to compare what waits with it."""
    yield from (f"{number}.root.json" for number in range(1, known.root.version + 1))
    yield from (f"{one.version}.{role}.json" for role, one in known.roles.items() if role not in {"root", "timestamp"})
    yield "timestamp.json"
    for role, statement in waiting.statements.items():
        last, new = known.products.get(role), statement.signed
        if last is not None and isinstance(new, Targets):
            for path, target in last.targets.items():
                if new.targets.get(path) != target:
                    yield f"targets/{target.get_prefixed_paths()[0]}"
