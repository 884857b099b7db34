"""Answers that are files: metadata and index targets of the catalogue, manifests and packs.

Only timestamp.json changes under its name. Small files, manifests and small packs are held in memory, once they were
held to what was signed; large packs go from a memory map to the socket. A file that the catalogue offers and the disk
lacks, or has in another length, is our fault, not the caller's: 503 and a loud line in the log, never half an answer.
"""

from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import Any, Final

import msgspec
from structlog.typing import FilteringBoundLogger

from mirror.blobs import BlobReader, Blobs
from mirror.content.answer import Answer
from mirror.content.memory import State
from mirror.content.packs import MAX_PACKS, MAX_SMALL, Packs, is_looked_up
from mirror.content.problems import Refused
from mirror.content.representation import CHANGING, Conditions, Form, conditional, shelved
from mirror.content.shelf import MAX_HELD, MAX_MANIFEST, MAX_MANIFESTS, TIMESTAMP, Manifests, Shelf, Shelved
from mirror.errors import BlobFault, CatalogueFault
from mirror.memory.values import Offer
from spot_client.wire.problem import Reason
from spot_client.wire.routes import METADATA_BASE, Kind, Route
from spot_client.wire.sealed import Seal

_JSON: Final = Form("application/json")
_CHANGING_JSON: Final = Form("application/json", CHANGING)
_ZSTD: Final = Form("application/zstd")
_BYTES: Final = Form("application/octet-stream")
_PACK: Final = Form("application/octet-stream", suffix=".pack")


class Files:
    """Answers what is a file of the catalogue or of a release, for callers that the policy let in."""

    def __init__(self, catalogue: Path, blobs: Blobs, log: FilteringBoundLogger, workers: int = 1) -> None:
        """`catalogue`: the folder of its files; `workers`: how many processes share the room for what is held."""
        self._blobs, self._log = blobs, log
        self._shelf = Shelf(catalogue, max_held=MAX_HELD // workers)
        self._manifests = Manifests(blobs, max_held=MAX_MANIFESTS // workers)
        self._packs = Packs(blobs, max_held=MAX_PACKS // workers)

    def answer(
        self, route: Route, state: State, conditions: Conditions, channels: frozenset[str] | None = None
    ) -> Answer | Coroutine[Any, Any, Answer]:
        """The file that `route` names, or the part of it that `conditions` choose; to be awaited if it is not at hand.

        `channels`: of a release only what is offered in one of them; None: in any.

        Raises:
            Refused: reason `not-found`, `not-licensed`, `range-not-satisfiable` or `unavailable`.
        """
        if route.kind in (Kind.MANIFEST, Kind.PACK):
            return self._release(route, _offered(route, state, channels), state, conditions)
        if route.file == TIMESTAMP:
            return shelved(_CHANGING_JSON, state.timestamp, conditions)
        name = _name(route, state)
        form = _JSON if name.endswith(".json") else _ZSTD
        held = self._shelf.held(name)
        if held is not None:
            return shelved(form, held, conditions)
        sha256 = (
            state.catalogue.files.get(name) if route.kind is Kind.METADATA else (route.file or "").partition(".")[0]
        )
        return self._read(self._shelf.read(name, sha256=sha256), form, route, state, conditions)

    def _release(
        self, route: Route, seal: Seal, state: State, conditions: Conditions
    ) -> Answer | Coroutine[Any, Any, Answer]:
        key = route.path.removeprefix("/")
        if route.kind is Kind.PACK and is_looked_up(seal):
            return self._pack(key, route, seal, conditions)
        if route.kind is Kind.MANIFEST and seal.length <= MAX_MANIFEST:
            held = self._manifests.held(seal)
            if held is not None:
                return shelved(_BYTES, held, conditions)
            return self._read(self._manifests.read(key, seal), _BYTES, route, state, conditions)
        length = seal.length if route.kind is Kind.MANIFEST else None
        return self._blob(key, route, seal, conditions, length)

    def _pack(self, key: str, route: Route, seal: Seal, conditions: Conditions) -> Answer | Coroutine[Any, Any, Answer]:
        held, length = self._packs.held(seal), self._packs.length(seal)
        if held is not None:
            return shelved(_PACK, held, conditions)
        if length is not None and length > MAX_SMALL:
            return self._blob(key, route, seal, conditions, length)
        return self._read_pack(key, route, seal, conditions)

    async def _read_pack(self, key: str, route: Route, seal: Seal, conditions: Conditions) -> Answer:
        try:
            found = await self._packs.read(key.rpartition("/")[0], seal)
        except (BlobFault, OSError) as error:
            raise self._lacking(route, error) from error
        if found is not None:
            return shelved(_PACK, found, conditions)
        return self._blob(key, route, seal, conditions, self._packs.length(seal))

    def _blob(self, key: str, route: Route, seal: Seal, conditions: Conditions, length: int | None) -> Answer:
        """From the disk to the socket; `length`: what it must have, if that is known."""
        try:
            blob = _opened(self._blobs, key, length)
        except (BlobFault, OSError) as error:
            raise self._lacking(route, error) from error
        form = _PACK if route.kind is Kind.PACK else _BYTES
        try:
            answer = conditional(form, f'"{seal.head}{form.suffix}"', blob.length, blob.view, conditions)
        except Refused:
            blob.close()
            raise
        return msgspec.structs.replace(answer, let_go=blob.close)

    async def _read(
        self, coming: Awaitable[Shelved | None], form: Form, route: Route, state: State, conditions: Conditions
    ) -> Answer:
        try:
            found = await coming
        except (BlobFault, CatalogueFault, OSError) as error:
            raise self._lacking(route, error) from error
        if found is None:
            raise self._without(route, state)
        return shelved(form, found, conditions)

    def _without(self, route: Route, state: State) -> Refused:
        """Of a file that is not there: whether it does not exist, or is on offer and missing."""
        if not _is_offered(route, state):
            return Refused(Reason.NOT_FOUND, "not on offer")
        self._log.error("the catalogue offers what the disk lacks", path=route.path, problem="it is missing")
        return Refused(Reason.UNAVAILABLE, "missing")

    def _lacking(self, route: Route, error: Exception) -> Refused:
        self._log.error("the catalogue offers what the disk lacks", path=route.path, problem=str(error))
        return Refused(Reason.UNAVAILABLE, str(error))


def check_channels(route: Route, state: State, channels: frozenset[str] | None) -> None:
    """Whether a release that was sent to somebody with these channels still may be, if it is still on offer.

    Raises:
        Refused: reason `not-licensed`.
    """
    release = _release_of(route, state) if route.kind in (Kind.MANIFEST, Kind.PACK) else None
    if release is not None:
        _check_release(release, channels)


def _offered(route: Route, state: State, channels: frozenset[str] | None) -> Seal:
    """What is signed for the manifest of a release that is on offer to the caller."""
    release = _release_of(route, state)
    if release is None:
        raise Refused(Reason.NOT_FOUND, "not on offer")
    _check_release(release, channels)
    return release.manifest


def _release_of(route: Route, state: State) -> Offer | None:
    place = (route.product or "", route.component or "", route.version or "", route.platform or "")
    return state.catalogue.release(*place)


def _check_release(release: Offer, channels: frozenset[str] | None) -> None:
    if channels is not None and channels.isdisjoint(release.channels):
        raise Refused(Reason.NOT_LICENSED, f"offered in {' '.join(release.channels)} only")


def _is_offered(route: Route, state: State) -> bool:
    """Whether the catalogue of now names this file, not only one before it."""
    file = route.file or ""
    if route.kind is Kind.METADATA:
        number, role, _ = file.split(".")
        return int(number) == state.catalogue.current.get(role)
    above, _, _ = route.path.removeprefix(f"{METADATA_BASE}targets/").rpartition("/")
    digest, _, name = file.partition(".")
    return state.catalogue.target(f"{above}/{name}") == digest


def _name(route: Route, state: State) -> str:
    """What a file of the catalogue is called on the shelf."""
    if route.kind is not Kind.METADATA:
        return route.path.removeprefix(METADATA_BASE)
    file = route.file or ""
    number, role, _ = file.split(".")
    # A higher number is a publish in progress, or what a killed one left: it does not exist yet.
    if int(number) > state.catalogue.current.get(role, 0):
        raise Refused(Reason.NOT_FOUND, "not on offer")
    return file


def _opened(blobs: Blobs, key: str, length: int | None) -> BlobReader:
    blob = blobs.open(key)
    if length is not None and blob.length != length:
        blob.close()
        raise BlobFault("wrong-length", f"{key} has {blob.length} bytes, and {length} were signed for.")
    return blob
