"""Strict JSON, both directions: one value has exactly one spelling.

Everything that crosses a trust boundary as JSON of ours is *canonical*: UTF-8, keys sorted by code point, no white
space, no escapes beyond those JSON demands, integers only. `decode` refuses whatever `encode` would not have written,
so a document cannot be spelled in two ways (no duplicate keys, no hidden bytes, no floats, no NaN), and a digest of
its bytes is a digest of its meaning. RFC 8259; the spirit of RFC 8785, without floating-point numbers.

Pure: bytes in, values out.
"""

import json
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from ca.errors import JsonError

MAX_DEPTH: Final = 64
"""Deepest nesting accepted. The parser's own limit depends on who calls it, so what passes here might fail there."""

T = TypeVar("T")


def encode(value: object) -> bytes:
    """The canonical bytes of `value`: a msgspec Struct, or builtins (dict, list, str, int, bool, None)."""
    builtins = msgspec.to_builtins(value)
    text = json.dumps(builtins, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def decode(
    raw: bytes,
    shape: type[T],
    *,
    max_bytes: int,
    canonical: bool = True,
    first_look: Callable[[Any], None] | None = None,
) -> T:
    """Parse `raw` into `shape` (a msgspec Struct or any type msgspec converts to).

    Args:
        raw: the whole document.
        max_bytes: longest document accepted, in bytes; checked before anything else.
        canonical: also demand that `raw` is what `encode` writes for the value. Off only for files that people edit.
        first_look: called with the builtins before they are given a shape; raises its own error, for instance for a
            format number that is too new to have a shape here.

    Raises:
        JsonError: reason `too-large`, `not-json`, `duplicate-key`, `too-deep`, `wrong-shape` or `not-canonical`.
    """
    builtins = loads(raw, max_bytes=max_bytes)
    if first_look is not None:
        first_look(builtins)
    try:
        value = msgspec.convert(builtins, shape, strict=True)
    except msgspec.ValidationError as error:
        raise JsonError("wrong-shape", f"The document does not have the expected shape: {error}.") from error
    except UnicodeEncodeError as error:  # msgspec meets a lone surrogate where it looks a name up
        raise JsonError("not-canonical", "The document has a string that is not Unicode text.") from error
    del builtins  # a large document is three times this before the next step
    if canonical and not _is_canonical(value, raw):
        raise JsonError("not-canonical", "The document is not in canonical form: one value may have one spelling only.")
    return value


def loads(raw: bytes, *, max_bytes: int) -> Any:
    """Parse strict JSON into builtins. Refuses duplicate keys, floats, NaN, and documents over `max_bytes`.

    Raises:
        JsonError: as `decode`, except `wrong-shape` and `not-canonical`.
    """
    if len(raw) > max_bytes:
        raise JsonError("too-large", f"The document has {len(raw)} bytes, more than the {max_bytes} allowed.")
    try:
        value = json.loads(
            raw.decode("utf-8", "strict"),
            object_pairs_hook=_no_duplicates,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except RecursionError as error:
        raise JsonError("too-deep", "The document is nested too deeply.") from error
    except ValueError as error:  # UnicodeDecodeError, JSONDecodeError, int() beyond its digit limit
        raise JsonError("not-json", f"The document is not JSON as we accept it: {error}.") from error
    _check_depth(value)
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return
        level = inner
    raise JsonError("too-deep", f"The document is nested more than {MAX_DEPTH} levels deep.")


def _is_canonical(value: object, raw: bytes) -> bool:
    try:
        return encode(value) == raw
    except UnicodeEncodeError:  # lone surrogates
        return False


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise JsonError("duplicate-key", "The document names a key twice.")
    return result


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is not an integer")
