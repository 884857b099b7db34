"""mirror.content.shelf: the catalogue's files, read once, checked, and forgotten when there are too many."""

from pathlib import Path

import pytest

from mirror.content.shelf import MAX_FILE, Shelf
from mirror.errors import CatalogueFault
from spot_client.wire.digest import sha256_hex


async def test_a_file_is_read_once_and_then_held(tmp_path: Path) -> None:
    (tmp_path / "1.root.json").write_bytes(b"root")
    shelf = Shelf(tmp_path)
    first = await shelf.read("1.root.json")
    (tmp_path / "1.root.json").unlink()
    assert first == await shelf.read("1.root.json")
    assert first is not None
    assert (first.raw, first.sha256) == (b"root", sha256_hex(b"root"))


async def test_what_is_not_there_is_none_and_looked_for_again(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert await shelf.read("1.root.json") is None
    (tmp_path / "1.root.json").write_bytes(b"root")
    assert await shelf.read("1.root.json") is not None


async def test_a_file_that_is_not_what_its_name_says_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"changed on the disk")
    with pytest.raises(CatalogueFault) as caught:
        await Shelf(tmp_path).read("index", sha256=sha256_hex(b"as signed"))
    assert caught.value.reason == "damaged"


async def test_a_file_beyond_the_limit_is_a_fault(tmp_path: Path) -> None:
    with (tmp_path / "1.root.json").open("wb") as file:
        file.truncate(MAX_FILE + 1)
    with pytest.raises(CatalogueFault) as caught:
        await Shelf(tmp_path).read("1.root.json")
    assert caught.value.reason == "too-large"


async def test_a_folder_in_place_of_a_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "1.root.json").mkdir()
    with pytest.raises(CatalogueFault) as caught:
        await Shelf(tmp_path).read("1.root.json")
    assert caught.value.reason == "unreadable"


async def test_the_least_recently_asked_for_is_forgotten_first(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(b"x" * 10)
    shelf = Shelf(tmp_path, max_held=20)
    for name in "abac":
        await shelf.read(name)
    for name in "abc":
        (tmp_path / name).unlink()
    assert [await shelf.read(name) is not None for name in "abc"] == [True, False, True]
