"""The targets of `spot_client.wire` that are bytes: JSON documents, frames, blocks, seals."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from packaging.version import InvalidVersion, Version

from ca import strict_json
from ca.errors import JsonError
from fuzz.script import Script, change_bytes
from fuzz.shapes import change_json
from fuzz.target import Broken, Target, same
from spot_client.wire import (
    baselines,
    document,
    frame,
    halts,
    index,
    installation,
    licences,
    manifest,
    pack,
    problem,
    sealed,
    thin_snapshot,
    trust,
)
from spot_client.wire.digest import sha256_hex
from spot_client.wire.errors import DigestError, FormatError

_VECTORS: Final = Path(__file__).resolve().parents[1] / "tests" / "vectors"
_FRAME_LIMIT: Final = 2**20  # most bytes that a frame may unpack to here


def targets() -> tuple[Target, ...]:
    """All of them."""
    return (*_documents(), *_packed())


def vector(name: str) -> bytes:
    """The stored bytes of a vector."""
    return (_VECTORS / name).read_bytes()


def refused(name: str) -> tuple[bytes, ...]:
    """The documents of `tests/vectors/refused` for a format."""
    cases = json.loads(vector(f"refused/{name}.json"))
    return tuple(bytes.fromhex(case["hex"]) if "hex" in case else case["raw"].encode() for case in cases)


def _documents() -> tuple[Target, ...]:
    minted = partial(_read_document, installation.Minted, installation.MAX_BYTES)
    listed = partial(_read_document, licences.LicenceList, licences.MAX_BYTES)
    return (
        _document("strict-json", "thin-snapshot", _read_json, JsonError),
        _document("thin-snapshot", "thin-snapshot", _read_thin_snapshot, FormatError),
        _document("minted", "minted", minted, FormatError),
        _document("licences", "licences", listed, FormatError),
        _document("index", "index", _read_index, FormatError, _tidy_index),
        _document("baselines", "baselines", _read_baselines, FormatError),
        _document("halts", "halts", _read_halts, FormatError, _tidy_halts),
        _document("trust", "trust", _read_trust, FormatError),
        _document("manifest", "manifest", _read_manifest, FormatError, _tidy_manifest),
        Target(name="problem", seeds=(vector("problem.json"),), read=_read_problem, refusals=(), change=change_json),
    )


def _document(
    name: str,
    vectors: str,
    read: Callable[[bytes], bool],
    refusal: type[FormatError | JsonError],
    tidy: Callable[[Any], None] | None = None,
) -> Target:
    # The whole document stands there so often that three of four inputs begin from it.
    bad = refused(vectors)
    seeds = (vector(f"{vectors}.json"),) * 3 * len(bad) + bad
    words = (b'"format":1,', b'"format":2,', b"NaN", b"1e999", b"-0", b'"\\ud800"', b"\xef\xbb\xbf", b"1" * 5000)

    def change(raw: bytes, script: Script) -> bytes:
        return change_json(raw, script, words, tidy)

    return Target(name=name, seeds=seeds, read=read, refusals=(refusal,), change=change)


def _read_json(raw: bytes) -> bool:
    return same("strict JSON", strict_json.encode(strict_json.decode(raw, Any, max_bytes=2**20)), raw)


def _read_document(shape: type[document.Document], max_bytes: int, raw: bytes) -> bool:
    return same(shape.__name__, document.encode(document.decode(raw, shape, max_bytes=max_bytes, what="It")), raw)


def _read_thin_snapshot(raw: bytes) -> bool:
    return same("thin snapshot", thin_snapshot.encode(thin_snapshot.decode(raw).components), raw)


def _read_index(raw: bytes) -> bool:
    value = index.decode(frame.compress(raw, level=1))
    return same("index", frame.decompress(index.encode(value, level=1), max_size=len(raw), what="It"), raw)


def _read_baselines(raw: bytes) -> bool:
    value = baselines.decode(frame.compress(raw, level=1))
    return same("baselines", frame.decompress(baselines.encode(value, level=1), max_size=len(raw), what="It"), raw)


def _read_halts(raw: bytes) -> bool:
    value = halts.decode(frame.compress(raw, level=1))
    return same("halts", frame.decompress(halts.encode(value, level=1), max_size=len(raw), what="It"), raw)


def _read_trust(raw: bytes) -> bool:
    return same("list of mirrors", trust.encode(trust.decode(raw)), raw)


def _read_manifest(raw: bytes) -> bool:
    value = manifest.decode(*sealed.seal(raw, level=1))
    again, seal = manifest.encode(value, level=1)
    if any(entry.path.startswith("/") or ".." in entry.path.split("/") for entry in value.entries):
        raise Broken("a path that leads out")
    return same("manifest", sealed.unseal(again, seal, max_size=len(raw), what="It"), raw)


def _read_problem(raw: bytes) -> bool:
    told = problem.read_reason(raw)
    if told is not None and not all(text.isprintable() for text in told):
        raise Broken(f"text that cannot be shown: {told!r}")
    return told is not None


def _tidy_manifest(value: Any) -> None:
    _sort(value, "entries", lambda entry: entry["path"])


def _tidy_index(value: Any) -> None:
    for field in ("releases", "tombstones"):
        _sort(value, field, lambda line: (Version(line["version"]), line["platform"]))


def _tidy_halts(value: Any) -> None:
    _sort(value, "halts", lambda line: (line["component"], Version(line["version"]), line["platform"]))


def _sort(value: Any, field: str, key: Callable[[Any], Any]) -> None:
    try:
        value[field].sort(key=key)
    except (AttributeError, InvalidVersion, KeyError, TypeError):
        return  # too much has changed to be put in order


def _packed() -> tuple[Target, ...]:
    skippable = bytes.fromhex("502a4d18") + (4).to_bytes(4, "little") + b"skip"  # RFC 8878 §3.1.2
    content = vector("index.json")
    good = frame.compress(content, level=1)
    zeros, values = frame.compress(bytes(64 * 2**20), level=1), frame.compress(b"[" + b"{}," * 2**23, level=1)
    common = (good, vector("index.json.zst"), frame.compress(b"", level=1), good + skippable)
    frames = common * 20 + (zeros, values)  # few that are large: they take all the time
    blocks = tuple(len(content).to_bytes(4, "little") + packed for packed in frames)
    wire = (FormatError, DigestError)
    return (
        Target(name="frame", seeds=frames, read=_read_frame, refusals=wire, change=change_bytes),
        Target(name="index-frame", seeds=frames, read=_read_index_frame, refusals=wire, change=change_bytes),
        Target(name="block", seeds=blocks, read=_read_block, refusals=wire, change=change_bytes),
        Target(
            name="sealed", seeds=(vector("manifest.sealed"),), read=_read_sealed, refusals=wire, change=change_bytes
        ),
    )


def _read_frame(raw: bytes) -> bool:
    content = frame.decompress(raw, max_size=_FRAME_LIMIT, what="It")
    if len(content) > _FRAME_LIMIT:
        raise Broken(f"{len(content)} bytes out of a frame")
    return True


def _read_index_frame(raw: bytes) -> bool:
    index.check(index.decode(raw))
    return True


def _read_block(raw: bytes) -> bool:
    """Its first four bytes are the size that the manifest gives it."""
    size, packed = int.from_bytes(raw[:4], "little"), raw[4:]
    if not 1 <= size <= manifest.MAX_BLOCK_SIZE:
        return False
    block = manifest.Block(length=len(packed), sha256=sha256_hex(packed), size=size)
    return same("size of a block", len(pack.decode_block(packed, block)), size)


def _read_sealed(raw: bytes) -> bool:
    """Signed for as it is: what only the signer could send."""
    line = raw[: raw.find(b"\n") + 1]
    value = manifest.decode(raw, sealed.Seal(head=sha256_hex(line), length=len(raw)))
    manifest.check(value)
    return True
