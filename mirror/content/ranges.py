"""Which parts of a file a request asks for (RFC 9110 §13 and §14), with strong entity tags only.

Headers are hostile: each is looked at only up to its largest length, and what is not exactly of the form is ignored,
as RFC 9110 §14.2 allows; the whole file is then the answer. What several ranges cost is bounded twice: those that
overlap or touch become one, so no byte is sent twice, and where the parts with their heads would be no shorter than
the file, the file is sent instead (§17.15). Dates (`If-Modified-Since`, a date in `If-Range`) never match: nothing
here has one.

Pure.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

MAX_HEADER: Final = 1024
"""Longest `If-None-Match` or `If-Range` that is looked at, in characters."""

MAX_RANGE_HEADER: Final = 4096
"""Longest `Range` that is looked at, in characters: 100 ranges of files of a terabyte fit."""

MAX_RANGES: Final = 100
"""Most ranges of one request. SPOT asks for the blocks it lacks, a few; each part costs us a head of its own."""

_SET = re.compile(r"bytes=(?P<set>[^ \t].*)", re.ASCII | re.IGNORECASE)
_RANGE = re.compile(r"(?P<first>[0-9]{0,15})-(?P<last>[0-9]{0,15})", re.ASCII)
_TAG = r'(?:W/)?"[\x21\x23-\x7e]*"'
_TAGS = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*", re.ASCII)


class Whole(msgspec.Struct, frozen=True):
    """All of the file: 200."""


class Part(msgspec.Struct, frozen=True):
    """Bytes `start` up to, not including, `stop`: 206."""

    start: int
    stop: int


class Parts(msgspec.Struct, frozen=True):
    """Two or more parts that neither overlap nor touch, in the order in which they were asked for: 206, in `heads`."""

    parts: tuple[Part, ...]


class NotModified(msgspec.Struct, frozen=True):
    """The caller has it: 304."""


class Unsatisfiable(msgspec.Struct, frozen=True):
    """All ranges lie outside the file: 416."""


Wanted = Whole | Part | Parts | NotModified | Unsatisfiable


def wanted(
    etag: str, length: int, *, if_none_match: str | None = None, spec: str | None = None, if_range: str | None = None
) -> Wanted:
    """What to answer for a file, in the order of RFC 9110 §13.2.2.

    Args:
        etag: the file's, strong, with its quotation marks.
        length: the file's, in bytes.
        if_none_match, if_range: the headers of those names; `spec`: the header `Range`, None for a HEAD.
    """
    if if_none_match is not None and _names(if_none_match, etag):
        return NotModified()
    if spec is None or (if_range is not None and if_range != etag):
        return Whole()
    return _select(spec, length)


def heads(parts: Sequence[Part], length: int, media_type: str, boundary: str) -> tuple[bytes, ...]:
    """What stands before each part of a `multipart/byteranges` body, and at last what ends it (RFC 9110 §14.6).

    Args:
        length: the whole file's, in bytes; `media_type`: the whole file's.
        boundary: 1 to 70 letters and digits that do not occur in the file.
    """
    head = f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes "
    lines = [f"{head}{part.start}-{part.stop - 1}/{length}\r\n\r\n" for part in parts]
    ends = (f"\r\n{line}" for line in (*lines[1:], f"--{boundary}--\r\n"))  # the line break belongs to the boundary
    return tuple(line.encode() for line in (lines[0], *ends))


def _names(header: str, etag: str) -> bool:
    """RFC 9110 §13.1.2: weak comparison, so `W/` is passed over."""
    if len(header) > MAX_HEADER:
        return False
    if header == "*":
        return True
    return bool(_TAGS.fullmatch(header)) and etag in re.findall(r'"[^"]*"', header)


def _select(spec: str, length: int) -> Wanted:
    asked = _asked(spec)
    if not asked:
        return Whole()
    if length == 0 and any(first is None and last for first, last in asked):
        return Whole()  # a suffix of nothing is all of it
    parts = _joined([part for first, last in asked if (part := _part(first, last, length))])
    if not parts:
        return Unsatisfiable()
    return parts[0] if len(parts) == 1 else Parts(parts)


def _asked(spec: str) -> list[tuple[int | None, int | None]]:
    """(first, last) of every range, first None for a suffix of `last` bytes; nothing if one of them is none (§14.1.1).

    Empty elements of the list are passed over (§5.6.1.2).
    """
    found = _SET.fullmatch(spec) if len(spec) <= MAX_RANGE_HEADER else None
    elements = [element for text in found["set"].split(",") if (element := text.strip(" \t"))] if found else []
    matches = [_RANGE.fullmatch(element) for element in elements[: MAX_RANGES + 1]]
    asked = [_bounds(match) for match in matches if match]
    if not len(asked) == len(elements) <= MAX_RANGES:
        return []
    return [] if any(_is_none(first, last) for first, last in asked) else asked


def _bounds(match: re.Match[str]) -> tuple[int | None, int | None]:
    return int(match["first"]) if match["first"] else None, int(match["last"]) if match["last"] else None


def _is_none(first: int | None, last: int | None) -> bool:
    """§14.1.2: a last position before the first, or neither."""
    if first is None or last is None:
        return first is last
    return last < first


def _part(first: int | None, last: int | None, length: int) -> Part | None:
    """The bytes of one range that exist; None if there are none."""
    if first is None:
        first, last = max(0, length - (last or 0)), None
    if first >= length:
        return None
    return Part(first, length if last is None else min(last + 1, length))


def _joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts with those that overlap or touch made one, which stands where the first of them stood (§15.3.7.2)."""
    joined: list[tuple[int, Part]] = []
    for place, part in sorted(enumerate(parts), key=lambda placed: placed[1].start):
        if joined and part.start <= joined[-1][1].stop:
            earlier, last = joined.pop()
            joined.append((min(earlier, place), Part(last.start, max(last.stop, part.stop))))
        else:
            joined.append((place, part))
    return tuple(part for _, part in sorted(joined, key=lambda placed: placed[0]))
