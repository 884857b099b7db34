"""The high-water mark takes what was verified and nothing else, and is never written so that it cannot be read."""

from pathlib import Path

import msgspec
import pytest

from mirror.errors import MirrorError, SigningError
from mirror.publishing import changes
from mirror.signing import marks, timer
from mirror.signing.marks import HighWater
from tests.mirror.signing.ceremony import House


def mark_after_a_turn(house: House) -> HighWater:
    path = house.top / "mark.json"
    timer.turn(msgspec.structs.replace(house.signing(), high_water=path), house.online, force=True)
    found = marks.read(path)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["3.root.json", "9.root.json", "evil.root.json"])
@pytest.mark.parametrize("raw", [b"\xff\xfe", b"{}", b"a" * (marks.MAX_BYTES + 1)], ids=["no text", "{}", "huge"])
def test_roots_that_lie_about_in_the_catalogues_folder_do_not_get_in(house: House, name: str, raw: bytes) -> None:
    (house.catalogue / name).write_bytes(raw)
    assert mark_after_a_turn(house).roots.keys() == {"1"}


def test_files_that_are_not_what_was_signed_do_not_get_in(house: House) -> None:
    changes.halt(house.signing("carol"), "sdk/tool", "1.0", None, "it burns")
    house.turn()
    mark_after_a_turn(house)
    before = (house.top / "mark.json").read_bytes()
    (halts,) = (house.catalogue / "targets/halts").iterdir()
    halts.write_bytes(b"a" * halts.stat().st_size)
    with pytest.raises(MirrorError) as error:
        mark_after_a_turn(house)
    assert error.value.reason == "damaged"
    assert (house.top / "mark.json").read_bytes() == before


def test_a_mark_that_would_be_too_long_to_be_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "mark.json"
    marks.write(path, HighWater(versions={"sdk": 1}))
    with pytest.raises(SigningError) as error:
        marks.write(path, HighWater(statements={"halts": "a" * marks.MAX_BYTES}))
    assert error.value.reason == "bad-mark"
    assert marks.read(path) == HighWater(versions={"sdk": 1})
