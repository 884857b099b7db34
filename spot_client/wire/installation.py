"""An installation's id, and its short form for the telephone.

The mirror mints the id from 80 random bits: 16 characters of Crockford's base 32 in lower case, `7k2m9xq40gct31vz`. It
says nothing about the machine. The short form is its first 8 characters and 2 check characters, `7K2M-9XQ4-AE`: said
on the telephone, every single wrong character and every swap of two neighbours is noticed. Pure.
"""

import re
from typing import Annotated, Final

import msgspec

from spot_client.wire import document
from spot_client.wire.errors import BadName

ID_BYTES: Final = 10
"""Random bytes in an id."""

MAX_BYTES: Final = 1024
"""Longest answer to a request for an id, in bytes."""

INSTALLATION_ID: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{16}", re.ASCII)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# A prime just below 32²: a wrong character changes the number by d·32^k with 0 < d < 32, a swap of neighbours by
# d·31·32^k, and neither has the factor 1021.
_CHECK_MODULUS = 1021
_READ_AS = str.maketrans("oil", "011", " -")


class Minted(document.Document, frozen=True):
    """The mirror's answer to `POST /installations`."""

    installation: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-hjkmnp-tv-z]{16}\Z")]


def mint(randomness: bytes) -> str:
    """The id made of `ID_BYTES` random bytes."""
    if len(randomness) != ID_BYTES:
        raise ValueError(f"an id is made of {ID_BYTES} bytes, not {len(randomness)}")
    return _letters(int.from_bytes(randomness), 16)


def short_form(installation: str) -> str:
    """The short form of an id, such as `7K2M-9XQ4-AE`."""
    head = installation[:8]
    text = (head + _check(head)).upper()
    return f"{text[:4]}-{text[4:8]}-{text[8:]}"


def read_short_form(text: str) -> str:
    """The first 8 characters of the id that a short form stands for; case, blanks, hyphens, o/0 and i/l/1 are forgiven.

    Raises:
        BadName: reason `bad-short-form` (not of that form) or `check-characters` (misheard or mistyped).
    """
    plain = text.lower().translate(_READ_AS)
    if not re.fullmatch(r"[0-9a-hjkmnp-tv-z]{10}", plain, re.ASCII):
        raise BadName("bad-short-form", f"{text[:40]!r} is not the short form of an installation, like 7K2M-9XQ4-AE.")
    if _check(plain[:8]) != plain[8:]:
        raise BadName(
            "check-characters", f"{text[:40]!r} has a mistake in it: its check characters do not fit. Ask for it again."
        )
    return plain[:8]


def _check(head: str) -> str:
    number = 0
    for letter in head:
        number = number * 32 + _ALPHABET.index(letter)
    return _letters(number * 32 % _CHECK_MODULUS, 2)


def _letters(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(count)))
