"""A script: drawn bytes, read as instructions. All zeros, or none at all, change as little as there is to change."""

from collections.abc import Sequence
from typing import Final, TypeVar

MAX_INPUT: Final = 256 * 2**10
"""Longest input made, in bytes: larger ones are cut."""

COMMON: Final = (b"", b"..", *(bytes([byte]) for byte in b'0",:/\\ []{}\0\n\xc3\xff'))
"""What breaks parsers of any kind."""

T = TypeVar("T")


class Script:
    """Numbers out of bytes, one after another; zeros when they have run out."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def below(self, limit: int) -> int:
        """The next number, 0 <= number < `limit`; a `limit` below 2 takes nothing."""
        if limit < 2:
            return 0
        width = 1 if limit <= 2**8 else 2 if limit <= 2**16 else 4
        piece = self._raw[self._at : self._at + width]
        self._at += width
        return int.from_bytes(piece, "little") % limit

    def one_of(self, choices: Sequence[T]) -> T:
        """One of `choices`, which are not empty."""
        return choices[self.below(len(choices))]


def change_bytes(raw: bytes, script: Script, words: Sequence[bytes] = ()) -> bytes:
    """`raw` with up to four pieces cut, replaced by one of `words`, copied elsewhere, repeated, or with bits turned."""
    data = bytearray(raw)
    for _ in range(script.below(5)):
        at = script.below(len(data) + 1)
        until = min(len(data), at + script.one_of((0, 1, 2, 4, 16, 300)))
        match script.below(6):
            case 0:
                data[at:until] = script.one_of((*COMMON, *words))
            case 1:
                data[at : at + 1] = bytes([script.below(256)])
            case 2:
                del data[at:until]
            case 3:
                data[at:at] = data[at:until] * script.one_of((1, 2, 100, 5000))
            case 4:
                target = script.below(len(data) + 1)
                data[target:target] = data[at:until]
            case _:
                del data[at:]
        del data[MAX_INPUT:]
    return bytes(data)
