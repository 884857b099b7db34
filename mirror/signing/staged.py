"""What waits for signatures: the next version of each role that changes, and the files that these lead to.

    publishing/staged.json    statements with the signatures that they have, files, and what changes, for people

One file, replaced whole: what waits is never half there. Nothing in it is believed: a statement counts when a threshold
of its role's keys has signed it (`mirror.signing.candidate`), and becomes visible in one step
(`mirror.signing.visible`). A role has one next version at most. Whoever adds to it changes what others have signed
already, and their signatures go.
"""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Final, cast

import msgspec
from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.serialization import DeserializationError, SerializationError

from ca import files, strict_json
from ca.errors import JsonError
from mirror.catalogue import MAX_METADATA_BYTES, Chain
from mirror.errors import SigningError
from spot_client.wire import document
from spot_client.wire.errors import FormatError
from spot_client.wire.index import Moment

MAX_BYTES: Final = 64 * 2**20

Statement = Metadata[Root] | Metadata[Targets]


Key = Annotated[
    str, msgspec.Meta(pattern=r"^releases(/[a-z0-9][a-z0-9._+!_-]{0,127}){4}/(manifest|pack)\Z", max_length=700)
]
"""The key of what is stored for a release: nothing else is ever removed because it stands in a file."""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that was staged. `what`: for people; `blobs`: the keys of what was stored for it."""

    role: str
    what: str
    at: Moment
    blobs: tuple[Key, ...] = ()


class _File(document.Document, frozen=True):
    """`statements`: metadata as JSON, by role. `files`: base64, by their path in the catalogue's folder."""

    statements: dict[str, str]
    files: dict[str, Annotated[str, msgspec.Meta(max_length=16 * 2**20)]]
    changes: tuple[Change, ...]


class Staged:
    """What waits: changed in memory, then written by `save`."""

    def __init__(self) -> None:
        self.statements: dict[str, Statement] = {}
        self.files: dict[str, bytes] = {}
        self.changes: list[Change] = []

    def put(self, role: str, signed: Root | Targets, change: Change | None = None) -> None:
        """Put the next version of a role in place of the one that waited; its signatures go."""
        self.statements[role] = cast("Statement", Metadata(signed))
        if change is not None:
            self.changes.append(change)

    def sign(self, role: str, signer: Signer) -> None:
        """Add a signature to the next version of a role. Raises SigningError: reason `too-large`."""
        statement = self.statements[role]
        statement.sign(signer, append=True)
        kind = "root" if role == "root" else "targets"
        if len(statement.to_bytes()) > MAX_METADATA_BYTES[kind]:
            raise SigningError("too-large", f"The {role} metadata is longer than clients accept.")

    def payload(self, role: str) -> bytes | None:
        """What the next version of a role says, to the byte, without its signatures; None if none waits."""
        waiting = self.statements.get(role)
        return waiting.signed_bytes if waiting else None

    def root(self, chain: Chain | None) -> Root | None:
        """The next root if one waits, else the one there is."""
        waiting = self.statements.get("root")
        return cast("Root", waiting.signed) if waiting else chain.root if chain else None

    def targets(self, role: str, chain: Chain | None) -> Targets | None:
        """The next version of targets or of a role that it delegates if one waits, else the one there is."""
        if role in self.statements:
            return cast("Targets", self.statements[role].signed)
        if chain is None:
            return None
        return chain.targets if role == "targets" else chain.products.get(role)

    def drop(self, roles: frozenset[str]) -> tuple[Change, ...]:
        """Forget what waits for these roles; what it was."""
        gone = tuple(change for change in self.changes if change.role in roles)
        self.changes = [change for change in self.changes if change.role not in roles]
        self.statements = {role: one for role, one in self.statements.items() if role not in roles}
        return gone

    def bound(self, roles: frozenset[str]) -> frozenset[str]:
        """The other roles that are part of a change of these: half of one is not what people asked for."""
        asked = {(change.what, change.at) for change in self.changes if change.role in roles}
        found = {change.role for change in self.changes if (change.what, change.at) in asked}
        return frozenset(found & self.statements.keys()) - roles

    def follow(self, chain: Chain | None) -> tuple[Change, ...]:
        """Forget what is visible by now, does not follow on what is, or is of a role that nobody delegates any more."""
        known = {role: signed.version for role, signed in chain.roles.items()} if chain else {}
        stale = {role for role, one in self.statements.items() if one.signed.version <= known.get(role, 0)}
        if "root" in self.statements and self.statements["root"].signed.version != known.get("root", 0) + 1:
            stale.add("root")  # clients go from root to root; other roles may leave versions out (`marks`)
        gone = self.drop(frozenset(stale))
        targets = self.targets("targets", chain)
        delegated = (targets.delegations.roles or {}) if targets and targets.delegations else {}
        return gone + self.drop(frozenset(self.statements.keys() - {"root", "targets"} - delegated.keys()))

    def save(self, path: Path) -> None:
        """Write it down; durable on return. What no statement leads to any more is left out."""
        wanted = {f"targets/{name}" for name in _targets(self.statements)}
        self.files = {name: raw for name, raw in self.files.items() if name in wanted}
        if not self.statements:
            path.unlink(missing_ok=True)
            files.sync_folder(path.parent)
            return
        files.replace(path, self.encode(), files.PRIVATE)

    def encode(self) -> bytes:
        """All of it as one document."""
        return document.encode(
            _File(
                statements={role: one.to_bytes().decode() for role, one in self.statements.items()},
                files={name: base64.b64encode(raw).decode() for name, raw in self.files.items()},
                changes=tuple(self.changes),
            )
        )


def read(path: Path) -> Staged:
    """What was written down; nothing where there is no such file.

    Raises:
        SigningError: reason `bad-staged`.
    """
    hint = "'spot-mirror discard --all' sets it aside, then stage again: what is published is not touched by it."
    try:
        with files.open_ordinary(path) as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Staged()
    except OSError as error:
        raise SigningError("bad-staged", f"{path} cannot be read: {error.strerror}. {hint}") from error
    return decode(raw, str(path), hint)


def set_aside(path: Path) -> Path:
    """Rename what cannot be read, so that it can be looked into; how it is called now."""
    number = 1
    while (other := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(other)
    files.sync_folder(path.parent)
    return other


def decode(raw: bytes, what: str, hint: str = "Export it again.") -> Staged:
    """Read what `Staged.encode` wrote; `what` names it, `hint` says what to do if it is damaged.

    Raises:
        SigningError: reason `bad-staged`.
    """
    staged = Staged()
    try:
        document_ = document.decode(raw, _File, max_bytes=MAX_BYTES, what=what)
        staged.changes = list(document_.changes)
        for role, text in document_.statements.items():
            staged.statements[role] = parse(role, text.encode())
        staged.files = {name: base64.b64decode(text, validate=True) for name, text in document_.files.items()}
    except (FormatError, DeserializationError, RepositoryError, ValueError, binascii.Error) as error:
        raise SigningError("bad-staged", f"{what} cannot be used: {error}. {hint}") from error
    led_to = {f"targets/{name}" for name in _targets(staged.statements)}
    strange = [name for name in led_to if not _is_plain(name)]
    if strange:
        raise SigningError("bad-staged", f"{what} leads to what is no file: {min(strange)[:120]!a}. {hint}")
    unknown = staged.files.keys() - led_to
    if unknown:
        raise SigningError(
            "bad-staged", f"{what} holds a file that no statement leads to: {min(unknown)[:120]!r}. {hint}"
        )
    return staged


def parse(role: str, raw: bytes) -> Statement:
    """A statement with its signatures, which are not checked here.

    Raises:
        DeserializationError, RepositoryError, ValueError: it is none, too long, or nested too deep.
    """
    kind = Root if role == "root" else Targets
    try:
        strict_json.loads(raw, max_bytes=MAX_METADATA_BYTES[kind.type])
    except JsonError as error:
        raise ValueError(f"the {role} metadata: {error}") from error
    found: Statement = Metadata.from_bytes(raw)
    if found.signed.type != kind.type:
        raise ValueError(f"the {role} metadata is of another kind")
    try:
        found.signed_bytes  # noqa: B018  what has no canonical form can be neither signed nor compared
    except SerializationError as error:
        raise ValueError(f"the {role} metadata has no canonical form") from error
    if role == "targets" and isinstance(found.signed, Targets):
        _check_delegates(found.signed)
    return found


def _check_delegates(targets: Targets) -> None:
    if targets.delegations is None or targets.delegations.roles is None:
        raise ValueError("the targets metadata delegates nothing")


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable() and not {"", ".", ".."} & set(name.split("/"))


def _targets(statements: dict[str, Statement]) -> set[str]:
    """The paths, digest in the name, of all that the statements lead to."""
    return {
        target.get_prefixed_paths()[0]
        for one in statements.values()
        if isinstance(one.signed, Targets)
        for target in one.signed.targets.values()
    }
