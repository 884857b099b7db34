"""Every parser of a JSON document of ours, given the plain document; it is packed, and signed for as it is."""

from collections.abc import Callable

from spot_client.wire import (
    baselines,
    document,
    frame,
    halts,
    index,
    installation,
    licences,
    manifest,
    sealed,
    thin_snapshot,
    trust,
)


def read_manifest(raw: bytes) -> object:
    return manifest.decode(*sealed.seal(raw, level=1))


def read_index(raw: bytes) -> object:
    return index.decode(frame.compress(raw, level=1))


def read_baselines(raw: bytes) -> object:
    return baselines.decode(frame.compress(raw, level=1))


def read_halts(raw: bytes) -> object:
    return halts.decode(frame.compress(raw, level=1))


def read_minted(raw: bytes) -> object:
    return document.decode(raw, installation.Minted, max_bytes=installation.MAX_BYTES, what="The answer")


def read_licences(raw: bytes) -> object:
    return document.decode(raw, licences.LicenceList, max_bytes=licences.MAX_BYTES, what="The answer")


READERS: dict[str, Callable[[bytes], object]] = {
    "manifest": read_manifest,
    "index": read_index,
    "baselines": read_baselines,
    "halts": read_halts,
    "trust": trust.decode,
    "thin-snapshot": thin_snapshot.decode,
    "minted": read_minted,
    "licences": read_licences,
}
