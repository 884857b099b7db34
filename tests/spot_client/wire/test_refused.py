"""Documents that must be refused, each with the reason: `tests/vectors/refused`, one file a format.

A case has a `why` for people, the `reason` expected, and the document as `raw` text or as `hex`.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from spot_client.wire.errors import FormatError
from tests.spot_client.wire.readers import READERS
from tests.spot_client.wire.samples import VECTORS, vector


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
