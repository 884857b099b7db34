"""What hypothesis draws for tests of several rooms: any JSON, any TOML, and a document with one thing in it changed."""

import json
from datetime import date, datetime, time
from typing import Any

from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_whole = st.integers(-5, 25) | st.sampled_from([2**31, 2**63, 2**64, -(2**70)])
_plain = st.booleans() | _whole | st.floats() | texts


def _nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    )


json_values = _nested(_plain | st.none()) | st.sampled_from(["\ud800", {"\ud800": 1}, "\U0001f512"])
"""Whatever Python's own `json` writes: also what strict JSON refuses, such as NaN and half a surrogate pair."""

toml_values = _nested(_plain | st.dates() | st.times() | st.datetimes())
"""Every kind of value that TOML has."""


@st.composite
def json_documents(draw: st.DrawFn, *documents: bytes) -> bytes:
    """Any JSON at all, or one of `documents` with one thing in it changed; mostly spelled in the one canonical way."""
    value = draw(json_values) if draw(st.integers(0, 3)) == 0 else draw(_changed(draw(st.sampled_from(documents))))
    separators = (", ", ": ") if draw(st.integers(0, 9)) == 0 else (",", ":")
    text = json.dumps(value, ensure_ascii=draw(st.integers(0, 9)) == 0, sort_keys=True, separators=separators)
    return text.replace("\ud800", "\\ud800").encode()


@st.composite
def respelled(draw: st.DrawFn, raw: bytes) -> bytes:
    """A canonical JSON document in another spelling, of the same value to whoever parses it."""
    value = json.loads(raw)
    spellings = {
        json.dumps(value, ensure_ascii=False, sort_keys=True),
        json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), indent=1),
        json.dumps({key: value[key] for key in reversed(value)}, ensure_ascii=False, separators=(",", ":")),
        raw.decode().replace('"format"', '"\\u0066ormat"'),
        *(f"{raw.decode()}{end}" for end in " \t\r\n"),
    }
    return draw(st.sampled_from(sorted(spellings - {raw.decode()}))).encode()


@st.composite
def _changed(draw: st.DrawFn, raw: bytes) -> Any:
    """The value of a JSON document with one value exchanged, put in or taken out, wherever it lies."""
    root = [json.loads(raw)]
    holder: Any = root
    key: Any = 0
    while isinstance(holder[key], dict | list) and holder[key] and draw(st.integers(0, 7)):
        holder = holder[key]
        key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    match draw(st.integers(0, 4)):
        case 0 if holder is not root:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[draw(texts | st.just("\ud800"))] = draw(json_values)
        case 2 if isinstance(holder, list) and holder is not root:
            holder.insert(key, holder[key])
        case 3:
            holder[key] = "\ud800"
        case _:
            holder[key] = draw(json_values)
    return root[0]


def toml(table: dict[str, Any]) -> str:
    """A TOML document that holds `table`, a line each; what is nested stands in its line."""
    return "".join(f"{quoted(key)} = {toml_value(value)}\n" for key, value in table.items())


def toml_value(value: Any) -> str:
    """One value, as TOML spells it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case date() | datetime() | time():
            return value.isoformat()
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
        case dict():
            return "{" + ", ".join(f"{quoted(key)} = {toml_value(inner)}" for key, inner in value.items()) + "}"
        case _:
            return repr(value)


def quoted(text: str) -> str:
    """`text` in quotes, with the escapes that JSON and TOML share; TOML wants one for DEL, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
