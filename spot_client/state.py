"""What SPOT remembers of an installation, and the lock that one SPOT at a time holds.

    .spot/identity.json   realm, customer, mirrors with their pins, installation id
    .spot/mirrors.json    the mirrors that the signed catalogue named, if it did (`mirrors`)
    .spot/client.pem      client certificate and key, one file so that they are always a pair
    .spot/next.json       key and request of the next ones, next.pem while they are tried (`pending`)
    .spot/root.json       the catalogue's root of trust, as the bundle brought it; another one comes in by `new_root`
    .spot/catalogue/      what was verified of the mirrors' catalogue, and .spot/offline/ that of offline sets
    .spot/state.json      versions in use and kept, whether a thin snapshot is owed
    .spot/known/          what was believed last of catalogues: tombstones and halts that bind (`known`)
    .spot/journal.json    a change under way (`install.journal`)
    .spot/history.jsonl   changes that have ended (`history`)
    .spot/lock            held while anything is changed

Each file is replaced whole (`durable.write`). A file of a newer SPOT is refused with the way out.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import filelock
import msgspec

from spot_client import durable, new_root
from spot_client.config import Paths
from spot_client.errors import Busy, LocalFault, NotEnrolled
from spot_client.wire import document
from spot_client.wire.digest import Sha256
from spot_client.wire.errors import FormatError
from spot_client.wire.sealed import Seal

MAX_BYTES: Final = 4 * 2**20


class Installed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A release on this machine: what was signed for its manifest, and its folder below the component's `versions`.

    requires: versions (PEP 440 specifiers) of other components that it needs, by `PRODUCT/COMPONENT`.
    """

    version: str
    platform: str
    manifest: Seal
    folder: str
    requires: dict[str, str] = msgspec.field(default_factory=dict)


class ComponentState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A component: the release in use, and those kept for going back, newest use first.

    seen: head of the manifest by `VERSION PLATFORM`, of every release that was ever in use here.
    """

    current: Installed
    kept: tuple[Installed, ...] = ()
    seen: dict[str, str] = msgspec.field(default_factory=dict)


class State(document.Document, frozen=True):
    """`components` by `PRODUCT/COMPONENT`. `owed`: the mirror does not have the newest thin snapshot yet."""

    components: dict[str, ComponentState] = msgspec.field(default_factory=dict)
    owed: bool = False

    @property
    def versions(self) -> dict[str, str]:
        """What a thin snapshot says: the version in use by `PRODUCT/COMPONENT`."""
        return {ref: component.current.version for ref, component in sorted(self.components.items())}


class Pinned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mirror: its URL, and the PEM of each certificate that it may show."""

    url: str
    pins: tuple[str, ...]


class Identity(document.Document, frozen=True):
    """Who this installation is. `request` makes a repeated enrolment the same one; `installation` is "" before."""

    realm: str
    customer: str
    mirrors: tuple[Pinned, ...]
    request: str
    installation: str = ""


class SignedMirrors(document.Document, frozen=True):
    """What came of the signed list of mirrors whose bytes have the SHA-256 `taken`.

    mirrors: they hold in place of the bundle's. Empty: that list was passed over, because a person said so.
    """

    taken: Sha256
    mirrors: tuple[Pinned, ...]


D = TypeVar("D", bound=document.Document)


class Store:
    """The files in SPOT's own folder. Reading takes no lock; whoever writes holds `lock`."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    @property
    def credentials(self) -> Path:
        """Client certificate and key, PEM."""
        return self.paths.own / "client.pem"

    @property
    def root(self) -> Path:
        """The catalogue's root of trust."""
        return self.paths.own / "root.json"

    @property
    def catalogues(self) -> tuple[Path, Path]:
        """The folders of what was verified: of the mirrors, and of offline sets."""
        return self.paths.own / "catalogue", self.paths.own / "offline"

    def identity(self) -> Identity | None:
        """Who this installation is, or None before `enrol`. Raises `LocalFault`."""
        return self._read("identity.json", Identity)

    def enrolled(self) -> Identity:
        """Who this installation is; raises `NotEnrolled` before an enrolment has ended."""
        identity = self.identity()
        if identity is None or not identity.installation:
            raise NotEnrolled(
                "not-enrolled", f"{self.paths.root} is not enrolled: run 'spot enrol BUNDLE' with the vendor's bundle."
            )
        return identity

    def signed_mirrors(self) -> SignedMirrors | None:
        """What the signed catalogue said of mirrors, or None before it did. Raises `LocalFault`."""
        return self._read("mirrors.json", SignedMirrors)

    def state(self) -> State:
        """What is installed. Raises `LocalFault`."""
        return self._read("state.json", State) or State()

    def write_identity(self, identity: Identity) -> None:
        """Replace the identity; durable on return."""
        durable.write(self.paths.own / "identity.json", document.encode(identity))

    def write_signed_mirrors(self, signed: SignedMirrors | None) -> None:
        """Replace what the signed catalogue said of mirrors, or forget it; durable on return."""
        path = self.paths.own / "mirrors.json"
        if signed is None:
            durable.remove(path)
        else:
            durable.write(path, document.encode(signed))

    def write_state(self, state: State) -> None:
        """Replace the state; durable on return."""
        durable.write(self.paths.own / "state.json", document.encode(state))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the installation for a change; what a killed run was writing goes first, and a new root is finished.

        Raises:
            Busy: another SPOT holds it; the message names it.
        """
        durable.make_private(self.paths.own)
        holder = self.paths.own / "lock.pid"
        lock = filelock.FileLock(self.paths.own / "lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            who = holder.read_text(errors="replace").strip()[:20] if holder.exists() else "unknown"
            raise Busy(
                "busy", f"Another SPOT (process {who}) is at work on {self.paths.root}: wait until it has ended."
            ) from error
        try:
            holder.write_text(f"{os.getpid()}\n")
            self._sweep()
            new_root.finish(self.paths.own)
            yield
        finally:
            lock.release()

    def _sweep(self) -> None:
        """Remove the temporary files of a killed run: a private key may stand in one of them."""
        own, *below = (self.paths.own / name for name in ("", "catalogue", "offline", "known"))
        of_tuf = (path for one in below for path in one.glob("tmp*") if not path.suffix)  # metadata ends in .json
        parts = (path for one in below for path in one.rglob(".*.part"))
        for left in (*own.glob(".*.part"), *parts, *of_tuf):
            left.unlink()

    def _read(self, name: str, shape: type[D]) -> D | None:
        path = self.paths.own / name
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        try:
            return document.decode(raw, shape, max_bytes=MAX_BYTES, what=str(path))
        except FormatError as error:
            way_out = (
                "Use the SPOT that wrote it, or a newer one."
                if error.reason == "too-new"
                else "Restore it from a backup, or remove ROOT/.spot, enrol again and install again."
            )
            raise LocalFault("bad-state", f"{error} {way_out}") from error
