"""Which mirrors there are, and which certificates each may show: the target `house/trust.json`, signed by people.

`house` is a role like a product's, readable by every client. What stands here replaces the mirrors and pins that a
client has; nothing else does (DESIGN §2.2). Pins stand by purpose: `current` is what the server shows, `next` what it
will show, `backup` one whose key lies offline for the day when the others are lost. Pure.
"""

from typing import Annotated, Final

import msgspec

from spot_client.wire import document
from spot_client.wire.errors import FormatError

ROLE: Final = "house"
"""The TUF role that signs it."""

PATH: Final = "house/trust.json"
"""Its path among the TUF targets."""

MAX_BYTES: Final = 2**20
_WHAT = "The list of mirrors"

Pem = Annotated[str, msgspec.Meta(min_length=1, max_length=16384)]
"""One certificate, PEM."""


class OfficialMirror(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A mirror: its URL, `https://HOST[:PORT]`, and the certificates that it may show."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https://[^\s/?#@\\\"]{1,255}\Z")]
    current: Pem
    next: Pem | None = None
    backup: Pem | None = None

    @property
    def pins(self) -> tuple[str, ...]:
        """All of them, PEM, the current one first."""
        return tuple(pem for pem in (self.current, self.next, self.backup) if pem is not None)


class Trust(document.Document, frozen=True):
    """The official mirrors, the one to ask first at the beginning; no URL twice."""

    mirrors: Annotated[tuple[OfficialMirror, ...], msgspec.Meta(min_length=1, max_length=16)]


def encode(trust: Trust) -> bytes:
    """Check a list and give its canonical bytes.

    Raises:
        FormatError: reason `bad-trust`, or as `wire.document`.
    """
    _check(trust)
    return document.encode(trust)


def decode(raw: bytes) -> Trust:
    """Read a list from bytes that TUF has verified. What the certificates say is for whoever pins them.

    Raises:
        FormatError: reason `bad-trust`, the reasons of `wire.document`, or `too-new`.
    """
    trust = document.decode(raw, Trust, max_bytes=MAX_BYTES, what=_WHAT)
    _check(trust)
    return trust


def _check(trust: Trust) -> None:
    urls = [mirror.url for mirror in trust.mirrors]
    if len(urls) != len(set(urls)):
        raise FormatError("bad-trust", f"{_WHAT} names a mirror twice.")
