"""Answers that are files: metadata and index targets of the catalogue, manifests and packs.

What is immutable says so and may be kept for a year, by the caller alone; only timestamp.json changes under its name.
Small manifests are held in memory, once they were held to what was signed; packs go from a memory map to the socket. A
file that the catalogue offers and the disk lacks is our fault, not the caller's: 503 and a loud line in the log, never
half an answer.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from mirror.blobs import Blobs
from mirror.content import ranges
from mirror.content.answer import Answer
from mirror.content.memory import State
from mirror.content.problems import Refused
from mirror.content.shelf import MAX_MANIFEST, TIMESTAMP, Manifests, Shelf, Shelved
from mirror.errors import BlobFault, CatalogueFault
from spot_client.wire.problem import Reason
from spot_client.wire.routes import METADATA_BASE, Kind, Route

_IMMUTABLE: Final = "private, max-age=31536000, immutable"
_CHANGING: Final = "private, no-cache"


class Conditions(msgspec.Struct, frozen=True):
    """The headers that choose a part of a file, or nothing of it; `spec` is `Range`, None for a HEAD."""

    if_none_match: str | None = None
    spec: str | None = None
    if_range: str | None = None


class _Form(msgspec.Struct, frozen=True):
    etag: str
    media_type: str
    cache: str = _IMMUTABLE


class Files:
    """Answers what is a file of the catalogue or of a release, for callers that the policy let in."""

    def __init__(self, shelf: Shelf, blobs: Blobs, log: FilteringBoundLogger) -> None:
        self._shelf = shelf
        self._blobs = blobs
        self._manifests = Manifests(blobs)
        self._log = log

    async def answer(
        self, route: Route, state: State, conditions: Conditions, channels: frozenset[str] | None = None
    ) -> Answer:
        """The file that `route` names, or the part of it that `conditions` choose.

        `channels`: of a release only what is offered in one of them; None: in any.

        Raises:
            Refused: reason `not-found`, `not-licensed`, `range-not-satisfiable` or `unavailable`.
        """
        try:
            if route.kind in (Kind.MANIFEST, Kind.PACK):
                return await self._release(route, state, conditions, channels)
            shelved = await self._catalogue_file(route, state)
        except (BlobFault, CatalogueFault, OSError) as error:
            self._log.error("the catalogue offers what the disk lacks", path=route.path, problem=str(error))
            raise Refused(Reason.UNAVAILABLE, str(error)) from error
        if shelved is None:
            raise self._without(route, state)
        form = _Form(
            etag=f'"{shelved.sha256}"',
            media_type="application/json" if route.path.endswith(".json") else "application/zstd",
            cache=_CHANGING if route.file == TIMESTAMP else _IMMUTABLE,
        )
        raw = memoryview(shelved.raw)
        return _conditional(form, len(raw), lambda start, stop: raw[start:stop], conditions)

    async def _catalogue_file(self, route: Route, state: State) -> Shelved | None:
        file = route.file or ""
        if route.kind is not Kind.METADATA:
            return await self._shelf.read(route.path.removeprefix(METADATA_BASE), sha256=file.partition(".")[0])
        if file == TIMESTAMP:
            return state.timestamp
        number, role, _ = file.split(".")
        # A higher number is a publish in progress, or what a killed one left: it does not exist yet.
        if int(number) > state.catalogue.current.get(role, 0):
            return None
        return await self._shelf.read(file)

    def _without(self, route: Route, state: State) -> Refused:
        """Of a file that is not there: whether it does not exist, or is on offer and missing."""
        if not _is_offered(route, state):
            return Refused(Reason.NOT_FOUND, "not on offer")
        self._log.error("the catalogue offers what the disk lacks", path=route.path, problem="it is missing")
        return Refused(Reason.UNAVAILABLE, "missing")

    async def _release(
        self, route: Route, state: State, conditions: Conditions, channels: frozenset[str] | None
    ) -> Answer:
        place = (route.product or "", route.component or "", route.version or "", route.platform or "")
        release = state.catalogue.release(*place)
        if release is None:
            raise Refused(Reason.NOT_FOUND, "not on offer")
        if channels is not None and channels.isdisjoint(release.channels):
            raise Refused(Reason.NOT_LICENSED, f"offered in {' '.join(release.channels)} only")
        key, seal = route.path.removeprefix("/"), release.manifest
        etag = f'"{seal.head}"' if route.kind is Kind.MANIFEST else f'"{seal.head}.pack"'
        form = _Form(etag=etag, media_type="application/octet-stream")
        if route.kind is Kind.MANIFEST and seal.length <= MAX_MANIFEST:
            raw = memoryview((await self._manifests.read(key, seal)).raw)
            return _conditional(form, len(raw), lambda start, stop: raw[start:stop], conditions)
        blob = self._blobs.open(key)
        if route.kind is Kind.MANIFEST and blob.length != seal.length:
            blob.close()
            raise BlobFault("wrong-length", f"{route.path} has {blob.length} bytes, and {seal.length} were signed for.")
        try:
            answer = _conditional(form, blob.length, blob.view, conditions)
        except Refused:
            blob.close()
            raise
        return msgspec.structs.replace(answer, let_go=blob.close)


def _is_offered(route: Route, state: State) -> bool:
    """Whether the catalogue of now names this file, not only one before it."""
    file = route.file or ""
    if route.kind is Kind.METADATA:
        number, role, _ = file.split(".")
        return int(number) == state.catalogue.current.get(role)
    above, _, _ = route.path.removeprefix(f"{METADATA_BASE}targets/").rpartition("/")
    digest, _, name = file.partition(".")
    part = state.catalogue.parts.get(f"{above}/{name}")
    return part is not None and part.blob.sha256 == digest


def _conditional(form: _Form, length: int, view: Callable[[int, int], memoryview], conditions: Conditions) -> Answer:
    headers = _headers(form)
    wanted = ranges.wanted(
        form.etag,
        length,
        if_none_match=conditions.if_none_match,
        spec=conditions.spec,
        if_range=conditions.if_range,
    )
    if isinstance(wanted, ranges.Parts):
        several = _several(form, length, view, wanted.parts)
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


def _several(form: _Form, length: int, view: Callable[[int, int], memoryview], parts: Sequence[ranges.Part]) -> Answer:
    # The tag begins with a digest of the very content (or of the manifest, which names the pack's digests): whatever
    # content somebody publishes, it cannot have its own digest in it.
    boundary = form.etag[1:33]
    heads = ranges.heads(parts, length, form.media_type, boundary)
    pieces: list[bytes | memoryview] = []
    for head, part in zip(heads, parts, strict=False):
        pieces += (head, view(part.start, part.stop))
    media_type = f"multipart/byteranges; boundary={boundary}"
    return Answer(206, _headers(form) | {"Content-Type": media_type}, (*pieces, heads[-1]))


def _headers(form: _Form) -> dict[str, str]:
    return {"ETag": form.etag, "Cache-Control": form.cache, "Accept-Ranges": "bytes"}
