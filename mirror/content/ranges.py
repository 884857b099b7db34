"""Which part of a file a request asks for (RFC 9110 §13 and §14), with strong entity tags only.

Headers are hostile: each is looked at only up to `MAX_HEADER` characters, and what is not exactly of the form is
ignored, as RFC 9110 §14.2 allows; the whole file is then the answer. Several ranges at once are answered with the
whole file too. Dates (`If-Modified-Since`, a date in `If-Range`) never match: nothing here has one.

Pure.
"""

import re
from typing import Final

import msgspec

MAX_HEADER: Final = 1024
"""Longest header value that is looked at, in characters."""

_RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,15})-(?P<last>[0-9]{0,15})", re.ASCII | re.IGNORECASE)
_TAG = r'(?:W/)?"[\x21\x23-\x7e]*"'
_TAGS = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*", re.ASCII)


class Whole(msgspec.Struct, frozen=True):
    """All of the file: 200."""


class Part(msgspec.Struct, frozen=True):
    """Bytes `start` up to, not including, `stop`: 206."""

    start: int
    stop: int


class NotModified(msgspec.Struct, frozen=True):
    """The caller has it: 304."""


class Unsatisfiable(msgspec.Struct, frozen=True):
    """The range lies outside the file: 416."""


Wanted = Whole | Part | NotModified | Unsatisfiable


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


def _names(header: str, etag: str) -> bool:
    """RFC 9110 §13.1.2: weak comparison, so `W/` is passed over."""
    if len(header) > MAX_HEADER:
        return False
    if header == "*":
        return True
    return bool(_TAGS.fullmatch(header)) and etag in re.findall(r'"[^"]*"', header)


def _select(spec: str, length: int) -> Wanted:
    found = _RANGE.fullmatch(spec) if len(spec) <= MAX_HEADER else None
    if not found:
        return Whole()
    first, last = found["first"], found["last"]
    if not first:
        return _suffix(last, length)
    start = int(first)
    if last and int(last) < start:
        return Whole()  # not a range at all (§14.1.2)
    if start >= length:
        return Unsatisfiable()
    return Part(start, min(int(last) + 1, length) if last else length)


def _suffix(last: str, length: int) -> Wanted:
    if not last:
        return Whole()
    count = int(last)
    if count == 0:
        return Unsatisfiable()
    return Part(max(0, length - count), length) if length else Whole()
