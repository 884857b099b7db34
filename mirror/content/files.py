"""Answers that are files: metadata and index targets of the catalogue, manifests and packs.

What is immutable says so and may be kept for a year, by the caller alone; only timestamp.json changes under its name.
Small files and manifests are held in memory, once they were held to what was signed; packs go from a memory map to the
socket. A file that the catalogue offers and the disk lacks is our fault, not the caller's: 503 and a loud line in the
log, never half an answer.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec
from structlog.typing import FilteringBoundLogger

from mirror.blobs import Blobs
from mirror.content import ranges
from mirror.content.answer import Answer, prepared
from mirror.content.memory import State
from mirror.content.problems import Refused
from mirror.content.shelf import MAX_MANIFEST, TIMESTAMP, Manifests, Shelf, Shelved
from mirror.errors import BlobFault, CatalogueFault
from spot_client.wire.problem import Reason
from spot_client.wire.routes import METADATA_BASE, Kind, Route
from spot_client.wire.sealed import Seal

_IMMUTABLE: Final = "private, max-age=31536000, immutable"
_CHANGING: Final = "private, no-cache"


class Conditions(msgspec.Struct, frozen=True):
    """The headers that choose a part of a file, or nothing of it; `spec` is `Range`, None for a HEAD."""

    if_none_match: str | None = None
    spec: str | None = None
    if_range: str | None = None


class _Form(msgspec.Struct, frozen=True):
    media_type: str
    cache: str = _IMMUTABLE


_JSON: Final = _Form("application/json")
_CHANGING_JSON: Final = _Form("application/json", _CHANGING)
_ZSTD: Final = _Form("application/zstd")
_BYTES: Final = _Form("application/octet-stream")


class Files:
    """Answers what is a file of the catalogue or of a release, for callers that the policy let in."""

    def __init__(self, shelf: Shelf, manifests: Manifests, blobs: Blobs, log: FilteringBoundLogger) -> None:
        self._shelf, self._manifests, self._blobs, self._log = shelf, manifests, blobs, log

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
            return _shelved(_CHANGING_JSON, state.timestamp, conditions)
        name = _name(route, state)
        form = _JSON if name.endswith(".json") else _ZSTD
        held = self._shelf.held(name)
        if held is not None:
            return _shelved(form, held, conditions)
        sha256 = (
            state.catalogue.files.get(name) if route.kind is Kind.METADATA else (route.file or "").partition(".")[0]
        )
        return self._read(self._shelf.read(name, sha256=sha256), form, route, state, conditions)

    def _release(
        self, route: Route, seal: Seal, state: State, conditions: Conditions
    ) -> Answer | Coroutine[Any, Any, Answer]:
        is_small = route.kind is Kind.MANIFEST and seal.length <= MAX_MANIFEST
        held = self._manifests.held(seal) if is_small else None
        if held is not None:
            return _shelved(_BYTES, held, conditions)
        key = route.path.removeprefix("/")
        if is_small:
            return self._read(self._manifests.read(key, seal), _BYTES, route, state, conditions)
        try:
            return self._blob(key, route, seal, conditions)
        except (BlobFault, OSError) as error:
            raise self._lacking(route, error) from error

    def _blob(self, key: str, route: Route, seal: Seal, conditions: Conditions) -> Answer:
        blob = self._blobs.open(key)
        if route.kind is Kind.MANIFEST and blob.length != seal.length:
            blob.close()
            raise BlobFault("wrong-length", f"{route.path} has {blob.length} bytes, and {seal.length} were signed for.")
        etag = f'"{seal.head}"' if route.kind is Kind.MANIFEST else f'"{seal.head}.pack"'
        try:
            answer = _conditional(_BYTES, etag, blob.length, blob.view, conditions)
        except Refused:
            blob.close()
            raise
        return msgspec.structs.replace(answer, let_go=blob.close)

    async def _read(
        self, coming: Awaitable[Shelved | None], form: _Form, route: Route, state: State, conditions: Conditions
    ) -> Answer:
        try:
            found = await coming
        except (BlobFault, CatalogueFault, OSError) as error:
            raise self._lacking(route, error) from error
        if found is None:
            raise self._without(route, state)
        return _shelved(form, found, conditions)

    def _without(self, route: Route, state: State) -> Refused:
        """Of a file that is not there: whether it does not exist, or is on offer and missing."""
        if not _is_offered(route, state):
            return Refused(Reason.NOT_FOUND, "not on offer")
        self._log.error("the catalogue offers what the disk lacks", path=route.path, problem="it is missing")
        return Refused(Reason.UNAVAILABLE, "missing")

    def _lacking(self, route: Route, error: Exception) -> Refused:
        self._log.error("the catalogue offers what the disk lacks", path=route.path, problem=str(error))
        return Refused(Reason.UNAVAILABLE, str(error))


def _offered(route: Route, state: State, channels: frozenset[str] | None) -> Seal:
    """What is signed for the manifest of a release that is on offer to the caller."""
    place = (route.product or "", route.component or "", route.version or "", route.platform or "")
    release = state.catalogue.release(*place)
    if release is None:
        raise Refused(Reason.NOT_FOUND, "not on offer")
    if channels is not None and channels.isdisjoint(release.channels):
        raise Refused(Reason.NOT_LICENSED, f"offered in {' '.join(release.channels)} only")
    return release.manifest


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


def _shelved(form: _Form, file: Shelved, conditions: Conditions) -> Answer:
    if conditions.if_none_match is None and conditions.spec is None:
        ready = file.answers.get(form.media_type)
        if ready is None:
            whole = _conditional(form, f'"{file.sha256}"', len(file.raw), lambda *_: memoryview(file.raw), conditions)
            ready = file.answers[form.media_type] = prepared(whole)
        return ready
    raw = memoryview(file.raw)
    return _conditional(form, f'"{file.sha256}"', len(raw), lambda start, stop: raw[start:stop], conditions)


def _conditional(
    form: _Form, etag: str, length: int, view: Callable[[int, int], memoryview], conditions: Conditions
) -> Answer:
    headers = _headers(form, etag)
    wanted = ranges.wanted(
        etag,
        length,
        if_none_match=conditions.if_none_match,
        spec=conditions.spec,
        if_range=conditions.if_range,
    )
    if isinstance(wanted, ranges.Parts):
        several = _several(form, etag, length, view, wanted.parts)
        if sum(map(len, several.body)) < length:
            return several
        wanted = ranges.Whole()
    match wanted:
        case ranges.NotModified():
            return Answer(304, headers)
        case ranges.Unsatisfiable():
            raise Refused(Reason.RANGE_NOT_SATISFIABLE, "", {"Content-Range": f"bytes */{length}"})
        case ranges.Part(start, stop):
            headers |= {"Content-Type": form.media_type, "Content-Range": f"bytes {start}-{stop - 1}/{length}"}
            return Answer(206, headers, (view(start, stop),))
        case ranges.Whole():
            return Answer(200, headers | {"Content-Type": form.media_type}, (view(0, length),))


def _several(
    form: _Form, etag: str, length: int, view: Callable[[int, int], memoryview], parts: Sequence[ranges.Part]
) -> Answer:
    # The tag begins with a digest of the very content (or of the manifest, which names the pack's digests): whatever
    # content somebody publishes, it cannot have its own digest in it.
    boundary = etag[1:33]
    heads = ranges.heads(parts, length, form.media_type, boundary)
    pieces: list[bytes | memoryview] = []
    for head, part in zip(heads, parts, strict=False):
        pieces += (head, view(part.start, part.stop))
    media_type = f"multipart/byteranges; boundary={boundary}"
    return Answer(206, _headers(form, etag) | {"Content-Type": media_type}, (*pieces, heads[-1]))


def _headers(form: _Form, etag: str) -> dict[str, str]:
    return {"ETag": etag, "Cache-Control": form.cache, "Accept-Ranges": "bytes"}
