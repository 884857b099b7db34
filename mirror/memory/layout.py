"""The tables of the memory and the keys in them. Pure; `mirror.memory.values` has the values.

    holders        customer's name        number (8 octets), suspended (1), licences
    names          number of a holder     customer's name
    installations  id                     number of its holder (8 octets); one more: it has a certificate of its own
    serials        issuer, serial         nothing: it is revoked
    offers         product, component, version, platform    channels, seal of the manifest
    versions       product, component, version              nothing: it is or was on offer
    targets        path                   SHA-256 of the catalogue's file of that path, in hex
    about          `lists`, `catalogue`, `timestamp`        a list of `ListFacts`, `CatalogueFacts`, the file's bytes

An installation whose holder's number has no name is one of a removed customer.
"""

from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

TABLES: Final = ("holders", "names", "installations", "serials", "offers", "versions", "targets", "about")

_MAX_KEY = 480  # LMDB takes 511 octets; the longest name of ours has 209
_MAX_SERIAL = 31
NUMBER_OCTETS: Final = 8
"""How long a number of a holder is."""
OWN: Final = b"\1"
"""Behind the number: the installation has a certificate of its own."""


class ListFacts(msgspec.Struct, frozen=True):
    """A revocation list without its serials. `issuer_key`: as in `ca.peer.Peer`; dates are UTC."""

    issuer_key: bytes
    number: int
    this_update: datetime
    next_update: datetime


class CatalogueFacts(msgspec.Struct, frozen=True):
    """A catalogue without what it offers, as in `mirror.catalogue.Catalogue`. files: its metadata's SHA-256, in hex."""

    version: int
    current: dict[str, int]
    expires: dict[str, datetime]
    files: dict[str, str] = {}


def name_key(*parts: str) -> bytes:
    """The key of a name of several parts. Any text has one, and no two have the same."""
    joined = "\0".join(parts)
    if joined.isascii() and 0 < len(joined) <= _MAX_KEY and joined.count("\0") == len(parts) - 1:
        return joined.encode()  # the common case, in half the time
    key = joined.encode("utf-8", "surrogatepass")
    if 0 < len(key) <= _MAX_KEY and key.count(0) == len(parts) - 1:
        return key
    return b"\xff" + sha256(repr(parts).encode()).digest()  # no UTF-8 begins so


def number_key(number: int) -> bytes:
    """The key of a holder's number."""
    return number.to_bytes(NUMBER_OCTETS, "big")


def issuer_prefix(issuer_key: bytes) -> bytes:
    """What the keys of an issuer's serials begin with."""
    return sha256(issuer_key).digest()[:16]


def serial_key(prefix: bytes, serial: int) -> bytes:
    """The key of a certificate's serial. Any serial has one, and no two of an issuer have the same."""
    raw = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    return prefix + (raw if len(raw) <= _MAX_SERIAL else sha256(raw).digest())
