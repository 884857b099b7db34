"""Changes in the grammar of a format: JSON trees and DER trees, so that a change does not end at the first bracket."""

import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any, Final

from fuzz.script import MAX_INPUT, Script, change_bytes

VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2, 0o644, 0o4755, 2**24, 2**31, 2**53, 2**63, -(2**63), 10**30, 10**4000,
    0.0, -0.0, 1.5, 1e300, float("inf"), float("nan"),
    "", "a", "0", " ", ".", "..", "../x", "/", "a/b", "sdk/core", "a\\b", "\0", "\n", "\x1b[2J", "\x7f", "\u202e",
    "\ud800", "\udfff\ud800", "\ufeff", "\U0001f600", "é", "e\u0301", "ß", "SS", "İ", "con", "NUL.txt", "a.", "a:b",
    "1.0", "1.0.0", "1!2.3rc4.post5.dev6+local.7", ">=1,<2", "===x", "0.1", "99", "any", "house", "root", "x" * 300,
    "0" * 64, "f" * 64, "A" * 64, "2026-02-30T00:00:00Z", "2026-12-31T23:59:59Z", "9999-99-99",
    [], {}, [[]], [0] * 100, {"": 0}, {"format": 1}, {"type": "file"}, {"\ud800": 1}, {"\x1b[2J": 1},
)  # fmt: skip
"""Values that one parser or another did not expect."""

Place = tuple[Any, Any]  # a container and the key or index in it
_MAX_PLACES = 2000


def change_json(
    raw: bytes, script: Script, words: Sequence[bytes] = (), tidy: Callable[[Any], None] | None = None
) -> bytes:
    """The JSON document `raw` with up to four places changed, and now and then its bytes too; bytes, if it is no JSON.

    `tidy` puts a document in order again after a change (sorts what must be sorted), so that it is read further.
    """
    try:
        holder = [json.loads(raw)]
    except (ValueError, RecursionError):
        return change_bytes(raw, script, words)
    for _ in range(script.one_of((0, 1, 1, 1, 1, 2, 2, 4))):
        _change_place(holder, script)
    if tidy is not None and script.below(2) == 0:
        tidy(holder[0])
    text = json.dumps(holder[0], ensure_ascii=script.below(16) == 1, sort_keys=True, separators=(",", ":"))
    changed = text.encode("utf-8", "surrogatepass" if script.below(2) else "replace")
    return change_bytes(changed, script, words) if script.below(4) == 1 else changed


def _change_place(holder: list[Any], script: Script) -> None:
    places = list(_places(holder))
    container, key = script.one_of(places)
    other, other_key = script.one_of(places)
    text = json.dumps(other[other_key])
    copy = json.loads(text)
    alike = [value for value in VALUES if type(value) is type(container[key])]
    match script.below(10):
        case 0:
            container[key] = deepcopy(script.one_of(VALUES))
        case 1:
            container[key] = copy
        case 2 if container is not holder:
            del container[key]
        case 3 if isinstance(container, list) and container is not holder:
            container.insert(key, copy)
        case 4 if isinstance(container, dict):
            container[str(script.one_of(VALUES))] = container.pop(key)
        case 5 if isinstance(container[key], int):
            container[key] += script.below(5) - 2
        case 6 if isinstance(container[key], str):
            container[key] = _respelled(container[key], script)
        case 7:
            count = min(script.one_of((1, 2, 100, 3000)), MAX_INPUT // len(text))
            container[key] = json.loads(f"[{','.join([text] * count)}]")  # one object each, or a change hits them all
        case _:
            container[key] = deepcopy(script.one_of(alike))


def _respelled(text: str, script: Script) -> str:
    piece = script.one_of([value for value in VALUES if isinstance(value, str)])
    at = script.below(len(text) + 1)
    return text[:at] + piece + text[at + script.below(3) :]


def _places(holder: list[Any]) -> Iterator[Place]:
    """Every place in a tree, from the top down; of a large one, the first `_MAX_PLACES`."""
    ahead: list[Place] = [(holder, 0)]
    for container, key in ahead:
        yield container, key
        value = container[key]
        inner = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        ahead.extend((value, name) for name in [*inner][: max(0, _MAX_PLACES - len(ahead))])


class Node:
    """One DER element (X.690 §8.1): its identifier octet, and its content as bytes or, if constructed, as elements."""

    def __init__(self, tag: int, content: bytes) -> None:
        self.tag = tag
        self.content = content
        self.inner = _inside(tag, content)

    def encode(self) -> bytes:
        """The element with its length anew."""
        content = b"".join(node.encode() for node in self.inner) if self.inner else self.content
        length = len(content)
        octets = length.to_bytes((length.bit_length() + 7) // 8 or 1, "big")
        return bytes([self.tag]) + (octets if length < 0x80 else bytes([0x80 | len(octets)]) + octets) + content

    def walk(self) -> "Iterator[Node]":
        """This element and all in it."""
        yield self
        for node in self.inner:
            yield from node.walk()


def change_der(raw: bytes, script: Script) -> bytes:
    """The DER element `raw` with up to three elements changed, all lengths right again; bytes, if it is no DER."""
    try:
        (root,) = _elements(raw)
    except (ValueError, IndexError):
        return change_bytes(raw, script)
    for _ in range(script.below(4)):
        nodes = list(root.walk())
        node, other = script.one_of(nodes), script.one_of(nodes)
        match script.below(6):
            case 0:
                node.tag = script.one_of((node.tag ^ 0x20, script.below(256)))
            case 1:
                node.content, node.inner = change_bytes(node.content, script), []
            case 2:
                node.content, node.inner = other.encode(), []
            case 3 if node.inner:
                node.inner.insert(script.below(len(node.inner)), *_elements(other.encode()))
            case 4 if node.inner:
                del node.inner[script.below(len(node.inner))]
            case _:
                node.content, node.inner = script.one_of((b"", b"\0", b"\xff" * 9, b"\x80" * 300)), []
    return root.encode()


def _inside(tag: int, content: bytes) -> list[Node]:
    try:
        return list(_elements(content)) if tag & 0x20 else []
    except (ValueError, IndexError):
        return []  # says that elements are in it, and there are none


def _elements(raw: bytes) -> Iterator[Node]:
    at = 0
    while at < len(raw):
        tag, length = raw[at], raw[at + 1]
        at += 2
        if length > 0x80:
            octets = length & 0x7F
            length = int.from_bytes(raw[at : at + octets], "big")
            at += octets
        if length == 0x80 or at + length > len(raw):
            raise ValueError("no DER")
        yield Node(tag, raw[at : at + length])
        at += length
