"""The targets that are text on one line: paths, names and headers of requests."""

import itertools
import json
from collections.abc import Callable

from ca import identity
from ca.errors import IdentityError
from fuzz.documents import vector
from fuzz.script import Script, change_bytes
from fuzz.target import Broken, Target, same
from mirror.content import ranges
from spot_client.wire import installation, names, routes
from spot_client.wire.errors import BadName


def targets() -> tuple[Target, ...]:
    """All of them."""
    paths = json.loads(vector("routes.json"))
    known = tuple(path.encode() for path in (*paths["paths"], *paths["nowhere"]))
    uris = (b"spiffe://build.example.com/client/acme", b"spiffe://build.example.com/client/acme/7k2m9xq40gct31vz")
    called = (b"sdk", b"1.40.1", b"linux-x86_64", b"a/b/c\n../../x", b"2!1.0rc1.post2.dev3+local.7", "ü/é".encode())
    asked = (b"bytes=0-0", b"bytes=5-", b"bytes=-3", b"bytes=0-1,3-4, 7-", b'W/"x", "abc"', b"*")
    words = (b"0", b"9" * 15, b"-", b"bytes=", b"0-", b"\xd9\xa1", b"W/", b'"abc"', b"/../", b"%2e", b"//", b"\r\n")

    def change(raw: bytes, script: Script) -> bytes:
        return change_bytes(raw, script, words)

    return (
        Target(name="route", seeds=known, read=_read_route, refusals=(), change=change),
        Target(name="identity", seeds=uris, read=_read_identity, refusals=(IdentityError,), change=change),
        Target(name="name", seeds=called, read=_read_name, refusals=(), change=change),
        Target(name="short-form", seeds=(b"0000-0000-00",), read=_read_short, refusals=(BadName,), change=change),
        Target(name="range", seeds=asked, read=_read_range, refusals=(), change=change),
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")  # as the HTTP library hands headers and paths over


def _read_route(raw: bytes) -> bool:
    route = routes.parse(_text(raw))
    return route is not None and same("path", route.path, _text(raw))


def _read_identity(raw: bytes) -> bool:
    return same("identity", identity.parse(_text(raw)).uri, _text(raw))


def _read_name(raw: bytes) -> bool:
    """The first line under every rule for names, the second as the target of a link there."""
    name, _, target = _text(raw).partition("\n")
    checks: tuple[Callable[[], object], ...] = (
        lambda: same("product", names.check_product(name), name),
        lambda: same("component", "/".join(names.split_component(name)), name),
        lambda: same("version", str(names.check_version(name)), name),
        lambda: same("platform", names.check_platform(name), name),
        lambda: same("path", names.check_path(name), name),
        lambda: same("link", names.check_link(name, target), target),
    )
    return sum(_is_allowed(check) for check in checks) > 0


def _is_allowed(check: Callable[[], object]) -> bool:
    try:
        check()
    except BadName:
        return False
    return True


def _read_short(raw: bytes) -> bool:
    head = installation.read_short_form(_text(raw))
    return same("short form", installation.read_short_form(installation.short_form(head)), head)


def _read_range(raw: bytes) -> bool:
    """All three headers at once and each alone, for files of three lengths."""
    text = _text(raw)
    for length in (0, 10, 2**40):
        for asked in (
            ranges.wanted('"abc"', length, spec=text),
            ranges.wanted('"abc"', length, if_none_match=text, spec=text, if_range=text),
        ):
            _check_parts(asked, length)
    return isinstance(ranges.wanted('"abc"', 10, spec=text), ranges.Part | ranges.Parts)


def _check_parts(asked: ranges.Wanted, length: int) -> None:
    parts = asked.parts if isinstance(asked, ranges.Parts) else (asked,) if isinstance(asked, ranges.Part) else ()
    ordered = sorted((part.start, part.stop) for part in parts)
    if any(not 0 <= start < stop <= length for start, stop in ordered):
        raise Broken(f"a part outside of {length} bytes: {ordered}")
    if any(left[1] >= right[0] for left, right in itertools.pairwise(ordered)):
        raise Broken(f"parts that overlap or touch: {ordered}")
