"""Documents that must be refused, each with the reason: `tests/vectors/refused`, one file a format.

A case has a `why` for people, the `reason` expected, and the document as `raw` text or as `hex`.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from spot_client.wire import document, frame, index, installation, licences, manifest, sealed, thin_snapshot
from spot_client.wire.errors import FormatError
from tests.spot_client.wire.samples import VECTORS, vector


def read_manifest(raw: bytes) -> object:
    return manifest.decode(*sealed.seal(raw, level=1))


def read_index(raw: bytes) -> object:
    return index.decode(frame.compress(raw, level=1))


def read_minted(raw: bytes) -> object:
    return document.decode(raw, installation.Minted, max_bytes=installation.MAX_BYTES, what="The answer")


def read_licences(raw: bytes) -> object:
    return document.decode(raw, licences.LicenceList, max_bytes=licences.MAX_BYTES, what="The answer")


READERS: dict[str, Callable[[bytes], object]] = {
    "manifest": read_manifest,
    "index": read_index,
    "thin-snapshot": thin_snapshot.decode,
    "minted": read_minted,
    "licences": read_licences,
}


def cases() -> Iterator[Any]:
    for name in READERS:
        for case in json.loads(vector(f"refused/{name}.json")):
            raw = bytes.fromhex(case["hex"]) if "hex" in case else case["raw"].encode()
            yield pytest.param(name, raw, case["reason"], id=f"{name}: {case['why']}")


@pytest.mark.parametrize(("name", "raw", "reason"), list(cases()))
def test_a_document_that_breaks_a_rule_is_refused_by_name(name: str, raw: bytes, reason: str) -> None:
    with pytest.raises(FormatError) as error:
        READERS[name](raw)
    assert error.value.reason == reason
    str(error.value).encode()  # the sentence can be printed, whatever the document held


@pytest.mark.parametrize("name", READERS)
def test_a_document_that_keeps_the_rules_is_read_by_the_same_reader(name: str) -> None:
    assert READERS[name](vector(f"{name}.json"))


def test_every_file_of_refusals_is_read() -> None:
    assert {path.stem for path in (VECTORS / "refused").iterdir()} == READERS.keys()
