"""Answers out of bytes that are at hand: all of them, a part, several parts, or nothing (RFC 9110 §13 and §14).

What is immutable says so and may be kept for a year, by the caller alone.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from mirror.content import ranges
from mirror.content.answer import Answer, prepared
from mirror.content.problems import Refused
from mirror.content.shelf import Shelved
from spot_client.wire.problem import Reason

_IMMUTABLE: Final = "private, max-age=31536000, immutable"
CHANGING: Final = "private, no-cache"
"""The `Cache-Control` of what changes under its name."""


class Conditions(msgspec.Struct, frozen=True):
    """The headers that choose a part of a file, or nothing of it; `spec` is `Range`, None for a HEAD."""

    if_none_match: str | None = None
    spec: str | None = None
    if_range: str | None = None


class Form(msgspec.Struct, frozen=True):
    """How a kind of file is served. `suffix`: of the tag, which is that of a manifest for its pack, too."""

    media_type: str
    cache: str = _IMMUTABLE
    suffix: str = ""


def shelved(form: Form, file: Shelved, conditions: Conditions) -> Answer:
    """The answer for a file that is held in memory. Raises as `conditional`."""
    if conditions.if_none_match is None and conditions.spec is None:
        ready = file.answers.get(form.media_type)
        if ready is None:
            ready = file.answers[form.media_type] = prepared(_of(form, file, conditions))
        return ready
    return _of(form, file, conditions)


def _of(form: Form, file: Shelved, conditions: Conditions) -> Answer:
    raw, etag = memoryview(file.raw), f'"{file.sha256}{form.suffix}"'
    return conditional(form, etag, len(raw), lambda start, stop: raw[start:stop], conditions)


def conditional(
    form: Form, etag: str, length: int, view: Callable[[int, int], memoryview], conditions: Conditions
) -> Answer:
    """The answer for bytes that `view` gives, from one place up to another.

    Raises:
        Refused: reason `range-not-satisfiable`.
    """
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
    form: Form, etag: str, length: int, view: Callable[[int, int], memoryview], parts: Sequence[ranges.Part]
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


def _headers(form: Form, etag: str) -> dict[str, str]:
    return {"ETag": etag, "Cache-Control": form.cache, "Accept-Ranges": "bytes"}
