"""The values of customers and releases in the memory, both directions. Pure; see `mirror.memory.layout`.

What cannot be read was not written by this version: msgspec.DecodeError.
"""

import msgspec

from mirror.memory.layout import NUMBER_OCTETS, number_key
from mirror.records.protocol import Holder, Licence
from spot_client.wire.index import Release
from spot_client.wire.sealed import Seal


class _Held(Licence, frozen=True, array_like=True):
    """A licence as it lies in the memory."""


_lines = msgspec.msgpack.Decoder(tuple[_Held, ...])
_offers = msgspec.msgpack.Decoder(tuple[tuple[str, ...], str, int])


class Offer(msgspec.Struct, frozen=True):
    """What a request needs of a release on offer."""

    channels: tuple[str, ...]
    manifest: Seal


class Holding(msgspec.Struct, frozen=True):
    """What a customer has: its licences, ended ones too; `suspended`: and is refused everything."""

    licences: tuple[Licence, ...] = ()
    suspended: bool = False


def pack_holder(holder: Holder) -> bytes:
    """A customer's value."""
    lines = [msgspec.structs.astuple(licence) for licence in holder.licences]
    suspended = b"\1" if holder.customer.suspended is not None else b"\0"
    return number_key(holder.number) + suspended + msgspec.msgpack.encode(lines)


def holding(value: bytes) -> Holding:
    """What a customer has, by its value. Raises msgspec.DecodeError."""
    return Holding(_lines.decode(value[NUMBER_OCTETS + 1 :]), value[NUMBER_OCTETS] != 0)


def pack_offer(release: Release) -> bytes:
    """A release's value."""
    return msgspec.msgpack.encode((release.channels, release.manifest.head, release.manifest.length))


def offer(value: bytes) -> Offer:
    """A release, by its value. Raises msgspec.DecodeError."""
    channels, head, length = _offers.decode(value)
    return Offer(channels, Seal(head, length))
