"""Answers that are files: metadata and index targets of the catalogue, manifests and packs.

What is immutable says so and may be kept for a year, by the caller alone; only timestamp.json changes under its name.
Manifests and packs go from a memory map to the socket. A file that the catalogue offers and the disk lacks is our
fault, not the caller's: 503 and a loud line in the log, never half an answer.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec
from structlog.typing import FilteringBoundLogger

from mirror.blobs import Blobs
from mirror.content import ranges
from mirror.content.answer import Answer
from mirror.content.memory import State
from mirror.content.problems import Refused
from mirror.content.shelf import TIMESTAMP, Shelf, Shelved
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
        self._log = log

    def answer(
        self, route: Route, state: State, conditions: Conditions, channels: frozenset[str] | None = None
    ) -> Answer | Coroutine[Any, Any, Answer]:
        """The file that `route` names, or the part of it that `conditions` choose; to be awaited if it is not at hand.

        `channels`: of a release only what is offered in one of them; None: in any.

        Raises:
            Refused: reason `not-found`, `not-licensed`, `range-not-satisfiable` or `unavailable`.
        """
        try:
            if route.kind in (Kind.MANIFEST, Kind.PACK):
                return self._release(route, state, conditions, channels)
            if route.file == TIMESTAMP:
                return _shelved(route, state.timestamp, conditions)
            name = _name(route, state)
            held = self._shelf.held(name)
        except (BlobFault, CatalogueFault, OSError) as error:
            raise self._lacking(route, error) from error
        if held is not None:
            return _shelved(route, held, conditions)
        return self._read(name, route, conditions)

    async def _read(self, name: str, route: Route, conditions: Conditions) -> Answer:
        sha256 = None if route.kind is Kind.METADATA else (route.file or "").partition(".")[0]
        try:
            return _shelved(route, await self._shelf.read(name, sha256=sha256), conditions)
        except (CatalogueFault, OSError) as error:
            raise self._lacking(route, error) from error

    def _lacking(self, route: Route, error: Exception) -> Refused:
        self._log.error("the catalogue offers what the disk lacks", path=route.path, problem=str(error))
        return Refused(Reason.UNAVAILABLE, str(error))

    def _release(self, route: Route, state: State, conditions: Conditions, channels: frozenset[str] | None) -> Answer:
        place = (route.product or "", route.component or "", route.version or "", route.platform or "")
        release = state.catalogue.release(*place)
        if release is None:
            raise Refused(Reason.NOT_FOUND, "not on offer")
        if channels is not None and channels.isdisjoint(release.channels):
            raise Refused(Reason.NOT_LICENSED, f"offered in {' '.join(release.channels)} only")
        seal = release.manifest
        blob = self._blobs.open(route.path.removeprefix("/"))
        if route.kind is Kind.MANIFEST and blob.length != seal.length:
            blob.close()
            raise BlobFault("wrong-length", f"{route.path} has {blob.length} bytes, and {seal.length} were signed for.")
        etag = f'"{seal.head}"' if route.kind is Kind.MANIFEST else f'"{seal.head}.pack"'
        form = _Form(etag=etag, media_type="application/octet-stream")
        try:
            answer = _conditional(form, blob.length, blob.view, conditions)
        except Refused:
            blob.close()
            raise
        return msgspec.structs.replace(answer, let_go=blob.close)


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


def _shelved(route: Route, file: Shelved | None, conditions: Conditions) -> Answer:
    if file is None:
        raise Refused(Reason.NOT_FOUND, "not on offer")
    form = _Form(
        etag=f'"{file.sha256}"',
        media_type="application/json" if route.path.endswith(".json") else "application/zstd",
        cache=_CHANGING if route.file == TIMESTAMP else _IMMUTABLE,
    )
    raw = memoryview(file.raw)
    return _conditional(form, len(raw), lambda start, stop: raw[start:stop], conditions)


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
