"""What is wrong with a value of mirror.toml, in words of ours: made of what msgspec says. Pure.

A mistake that has no words here is told in msgspec's own.
"""

import difflib
import re
from collections.abc import Iterator
from typing import Any, Final, get_args

import msgspec

_WITH_PLACE: Final = re.compile(r"(?P<what>.*) - at `\$\.?(?P<place>[^`]*)`", re.DOTALL)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<key>.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<key>\w+)`")
_BOUND: Final = re.compile(r"Expected `int` (?P<side>[<>]=) (?P<bound>-?\d+)")
_LENGTH: Final = re.compile(r"Expected `(?P<kind>array|str)` of length (?P<side>[<>]=) (?P<bound>\d+)")
_KIND: Final = re.compile(r"Expected `(?P<kind>\w+)(?: \| null)?`, got `\w+`")
_SIDES: Final = {">=": "at least", "<=": "at most"}
_KINDS: Final = {
    "int": "a whole number",
    "str": 'a text in quotes, "..."',
    "bool": "true or false",
    "array": "a list, [...]",
    "object": "a table",
}
_COUNTED: Final = {"array": "entries", "str": "characters"}
_LISTEN: Final = 'an address with its port, for instance "0.0.0.0:8443" or "[::]:8443"'
_ALLOWED: Final = {
    "content.workers": 'a whole number from 1 to 256, or "auto"',
    "content.min_tls": '"1.2" or "1.3"',
}
_PATTERNS: Final = {
    "content.listen": _LISTEN,
    "health.listen": _LISTEN,
    "content.proxies": 'an address or a network, for instance "192.0.2.2" or "10.0.0.0/8"; names are not looked up',
}


def in_words(message: str, shape: type[msgspec.Struct]) -> str:
    """A sentence without its full stop.

    Args:
        message: of the `msgspec.ValidationError`.
        shape: what the whole file was to be.
    """
    split = _WITH_PLACE.fullmatch(message)
    what, place = (split["what"], split["place"]) if split else (message, "")
    if unknown := _UNKNOWN.fullmatch(what):
        return _unknown(unknown["key"], place, shape)
    if missing := _MISSING.fullmatch(what):
        return f"`{missing['key']}` is missing{_under(place)}"
    wanted = _wanted(what, place)
    return f"{place} must {wanted}" if place and wanted else message


def _wanted(what: str, place: str) -> str | None:
    """What the value at this place must do."""
    key = place.partition("[")[0]
    if key == place and key in _ALLOWED:
        return f"be {_ALLOWED[key]}"
    if key in _PATTERNS and "matching regex" in what:
        return f"be {_PATTERNS[key]}"
    if bound := _BOUND.fullmatch(what):
        return f"be {_SIDES[bound['side']]} {bound['bound']}"
    if length := _LENGTH.fullmatch(what):
        if (length["side"], length["bound"]) == (">=", "1"):
            return "not be empty"
        return f"have {_SIDES[length['side']]} {length['bound']} {_COUNTED[length['kind']]}"
    kind = _KIND.fullmatch(what)
    return f"be {_KINDS[kind['kind']]}" if kind and kind["kind"] in _KINDS else None


def _unknown(key: str, place: str, shape: type[msgspec.Struct]) -> str:
    known = [field.encode_name for field in msgspec.structs.fields(_table(place, shape))]
    near = difflib.get_close_matches(key[:100], known, n=1)
    hint = f": is `{near[0]}` meant?" if near else f"; there are {', '.join(known)}"
    return f"`{key[:100]}`{_under(place)} is no key{hint}"


def _under(place: str) -> str:
    return f" under [{place}]" if place else ""


def _table(place: str, shape: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The shape of the table at this place."""
    for name in filter(None, place.split(".")):
        kind = next(field.type for field in msgspec.structs.fields(shape) if field.encode_name == name)
        shape = next(_structs(kind))
    return shape


def _structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Of a table that may be left out."""
    for one in (kind, *get_args(kind)):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            yield one
