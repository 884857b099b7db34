"""JSON that is small to send and large to read, or that other parsers take for a number: refused by name, and soon.

Each document goes to every parser of ours that reads JSON of somebody else's. What is over a parser's size is refused
for that, unread. Processor time is measured, so a busy machine is no reason to fail.
"""

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from ca import bundle, strict_json
from ca.errors import CaError
from spot_client.wire import baselines, document, halts, installation, licences, problem, thin_snapshot, trust
from spot_client.wire.errors import WireError
from tests.spot_client.wire.readers import READERS
from tests.spot_client.wire.samples import vector

MEGABYTES = 10 * 2**20
SECONDS = 1.0  # of the processor; the longest takes a tenth of it


def read_strict_json(raw: bytes) -> object:
    return strict_json.decode(raw, Any, max_bytes=2 * MEGABYTES)


PARSERS: dict[str, Callable[[bytes], object]] = {**READERS, "strict-json": read_strict_json, "bundle": bundle.decode}
LIMITS = {
    "thin-snapshot": thin_snapshot.MAX_BYTES,
    "minted": installation.MAX_BYTES,
    "licences": licences.MAX_BYTES,
    "baselines": baselines._MAX_BYTES,
    "halts": halts._MAX_BYTES,
    "trust": trust.MAX_BYTES,
}
MOST_VALUES = {
    "index": 2_000_000,
    "manifest": document.MAX_VALUES,
    "baselines": baselines._MAX_VALUES,
    "halts": halts._MAX_VALUES,
}
ORDINARY = b'{"format":1,"min_spot":"0.1"}'

SMALL: dict[str, tuple[bytes, str]] = {
    "NaN": (b'{"format":NaN,"min_spot":"0.1"}', "not-json"),
    "Infinity": (b'{"format":Infinity,"min_spot":"0.1"}', "not-json"),
    "-Infinity": (b'{"format":-Infinity,"min_spot":"0.1"}', "not-json"),
    "1e999": (b'{"format":1e999,"min_spot":"0.1"}', "not-json"),
    "-1e-999": (b'{"format":-1e-999,"min_spot":"0.1"}', "not-json"),
    "-0.0": (b'{"format":-0.0,"min_spot":"0.1"}', "not-json"),
    "a number of 5,000 digits": (b'{"format":%b,"min_spot":"0.1"}' % (b"1" * 5000), "not-json"),
    "a leading zero": (b'{"format":01,"min_spot":"0.1"}', "not-json"),
    "a leading plus": (b'{"format":+1,"min_spot":"0.1"}', "not-json"),
    "a hexadecimal number": (b'{"format":0x1,"min_spot":"0.1"}', "not-json"),
    "a key twice": (b'{"format":1,"format":1,"min_spot":"0.1"}', "duplicate-key"),
    "a key twice further down": (b'{"format":1,"min_spot":"0.1","x":[{"y":{"z":1,"z":1}}]}', "duplicate-key"),
    "a surrogate in UTF-8": (b'{"format":1,"min_spot":"0.1","x":"\xed\xa0\x80"}', "not-json"),
    "an overlong slash": (b'{"format":1,"min_spot":"0.1","x":"\xc0\xaf"}', "not-json"),
    "a byte order mark": (b"\xef\xbb\xbf" + ORDINARY, "not-json"),
    "UTF-16": (ORDINARY.decode().encode("utf-16"), "not-json"),
    "UTF-16 without a mark": (ORDINARY.decode().encode("utf-16-le"), "not-json"),
    "a comment": (b'{"format":1,/* */"min_spot":"0.1"}', "not-json"),
    "a comma at the end": (b'{"format":1,"min_spot":"0.1",}', "not-json"),
    "a NUL at the end": (ORDINARY + b"\0", "not-json"),
    "two documents": (ORDINARY + b"\n" + ORDINARY, "not-json"),
    "nothing": (b"", "not-json"),
}  # fmt: skip

LARGE: dict[str, tuple[bytes, str]] = {
    "10 MB of lists in one another": (b"[" * MEGABYTES, "too-deep"),
    "10 MB of lists in one another, closed": (b"[" * (MEGABYTES // 2) + b"]" * (MEGABYTES // 2), "too-deep"),
    "10 MB of objects in one another": (b'{"":' * (MEGABYTES // 4), "too-deep"),
    "10 MB of closing brackets": (b"]" * MEGABYTES, "not-json"),
    "10 MB of one number": (b"1" * MEGABYTES, "not-json"),
    "10 MB of one number below zero": (b"-" + b"9" * MEGABYTES, "not-json"),
    "10 MB of a fraction": (b"0." + b"1" * MEGABYTES, "not-json"),
    "10 MB of an exponent": (b"1e" + b"9" * MEGABYTES, "not-json"),
    "10 MB of signs": (b"-" * MEGABYTES, "not-json"),
    "10 MB of blanks": (b" " * MEGABYTES, "not-json"),
    "10 MB of a text without end": (b'"' + b"a" * MEGABYTES, "not-json"),
    "10 MB of escapes without end": (b'"' + b"\\" * (MEGABYTES + 1), "not-json"),
    "10 MB of NUL": (bytes(MEGABYTES), "not-json"),
    "10 MB that are no UTF-8": (b"\xff" * MEGABYTES, "not-json"),
    "10 MB of a key": (b'{"' + b"k" * MEGABYTES + b'":1,"format":NaN}', "not-json"),
}


def refusal(parser: str, raw: bytes) -> str:
    begun = time.process_time()
    try:
        PARSERS[parser](raw)
    except (WireError, CaError) as error:
        taken, said, reason = time.process_time() - begun, str(error), error.reason
    else:
        pytest.fail("It was read.")
    assert taken < SECONDS
    assert len(said) <= 1000
    return reason


def expected(parser: str, raw: bytes, reason: str) -> str:
    if parser == "bundle":  # it has one reason for all that is no bundle
        return "bad-bundle"
    large = len(raw) > LIMITS.get(parser, len(raw)) or values(raw) > MOST_VALUES.get(parser, len(raw))
    return "too-large" if large else reason


def values(raw: bytes) -> int:
    return sum(map(raw.count, (b",", b"[", b"{")))


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("what", SMALL)
def test_what_only_looks_like_json_is_refused_by_every_parser(parser: str, what: str) -> None:
    raw, reason = SMALL[what]
    assert refusal(parser, raw) == expected(parser, raw, reason)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("what", LARGE)
def test_a_large_one_is_refused_by_every_parser_for_its_size_or_by_name(parser: str, what: str) -> None:
    raw, reason = LARGE[what]
    assert refusal(parser, raw) == expected(parser, raw, reason)


def as_refusal(raw: bytes) -> bytes:
    """The same with a reason in it, in whatever encoding: without the trap it is a whole refusal."""
    for encoding in ("ascii", "utf-16-le"):
        raw = raw.replace('"0.1"'.encode(encoding), '"0.1","reason":"expired"'.encode(encoding))
    return raw


def test_without_a_trap_it_is_a_refusal() -> None:
    assert problem.read_reason(as_refusal(ORDINARY)) == ("expired", "", "")


@pytest.mark.parametrize("what", [what for what in SMALL if what != "nothing"])
def test_a_refusal_of_the_mirrors_with_a_trap_in_it_is_none(what: str) -> None:
    raw = SMALL[what][0]
    assert as_refusal(raw) != raw
    assert problem.read_reason(as_refusal(raw)) is None


def test_a_refusal_of_one_byte_too_many_is_none() -> None:
    whole = as_refusal(ORDINARY)[:-1] + b',"x":"%b"}'
    room = problem.MAX_BYTES - len(whole % b"")
    assert problem.read_reason(whole % (b"x" * room)) == ("expired", "", "")
    assert problem.read_reason(whole % (b"x" * (room + 1))) is None


@pytest.mark.parametrize("raw", [raw for raw, _ in LARGE.values()], ids=LARGE)
def test_a_large_one_is_soon_known_to_be_no_refusal_of_the_mirrors(raw: bytes) -> None:
    begun = time.process_time()
    assert problem.read_reason(raw) is None
    assert time.process_time() - begun < SECONDS


@pytest.mark.parametrize("parser", sorted(PARSERS.keys() - {"strict-json"}))
@pytest.mark.parametrize("surrogate", [b"\\ud800", b"\\udfff", b"\\udfff\\ud800"])
def test_half_a_character_is_refused_as_key_and_as_value(parser: str, surrogate: bytes) -> None:
    good = vector(f"{parser}.json") if parser in READERS else ORDINARY
    for more in (b',"%b":1}', b',"x":"%b"}', b',"x":["%b"]}'):
        assert refusal(parser, good[:-1] + more % surrogate) in {"bad-bundle", "not-canonical", "wrong-shape"}


@pytest.mark.parametrize("parser", READERS)
def test_minus_nothing_is_not_a_spelling_of_nothing(parser: str) -> None:
    good = vector(f"{parser}.json")
    assert refusal(parser, good.replace(b'"format":1', b'"format":-0')) == "wrong-shape"
    if b'"offset":0' in good:
        assert refusal(parser, good.replace(b'"offset":0', b'"offset":-0', 1)) == "not-canonical"


@pytest.mark.parametrize("piece", [b"{},", b"[],", b'"ab",', b"1000,", b'{"":0},'])
@pytest.mark.parametrize("parser", MOST_VALUES)
def test_more_values_than_any_document_has_are_refused_before_one_of_them_is_made(parser: str, piece: bytes) -> None:
    """A frame of 3 KB unpacks to 32 MB, and 32 MB of empty objects would become 900 MB in memory."""
    raw = b"[" + piece * (MOST_VALUES[parser] // values(piece)) + b"0]"
    tracemalloc.start()
    try:
        with pytest.raises(WireError) as error:
            PARSERS[parser](raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.value.reason == "too-large"
    assert peak < 3 * len(raw) + 2**22  # a zstd context is in it
