"""mirror.content.shelf: catalogue and manifests, read once, checked, and forgotten when there are too many."""

from pathlib import Path

import pytest

from mirror.blobs import LocalBlobs
from mirror.content.shelf import MAX_FILE, Manifests, Shelf
from mirror.errors import BlobFault, CatalogueFault
from spot_client.wire import sealed
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


async def test_what_is_held_can_be_had_at_once(tmp_path: Path) -> None:
    (tmp_path / "1.root.json").write_bytes(b"root")
    shelf = Shelf(tmp_path)
    assert shelf.held("1.root.json") is None
    assert await shelf.read("1.root.json") is shelf.held("1.root.json")


RAW, SEAL = sealed.seal(b"content of a manifest", level=1)
KEY = "releases/sdk/botocore/1.40.0/any/manifest"


def laid(folder: Path, raw: bytes = RAW) -> Path:
    path = folder / KEY
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return path


async def test_a_manifest_is_read_once_and_then_held(tmp_path: Path) -> None:
    manifests = Manifests(LocalBlobs(tmp_path))
    assert manifests.held(SEAL) is None
    path = laid(tmp_path)
    first = await manifests.read(KEY, SEAL)
    path.unlink()
    assert (first.raw, first.sha256) == (RAW, SEAL.head)
    assert await manifests.read(KEY, SEAL) is first is manifests.held(SEAL)


@pytest.mark.parametrize("place", [0, 20, len(RAW) - 1])
async def test_a_manifest_that_was_changed_on_the_disk_is_a_fault_until_it_is_whole(tmp_path: Path, place: int) -> None:
    manifests = Manifests(LocalBlobs(tmp_path))
    laid(tmp_path, RAW[:place] + bytes([RAW[place] ^ 1]) + RAW[place + 1 :])
    with pytest.raises(BlobFault) as caught:
        await manifests.read(KEY, SEAL)
    assert caught.value.reason == "damaged"
    assert manifests.held(SEAL) is None
    laid(tmp_path)
    assert (await manifests.read(KEY, SEAL)).raw == RAW


@pytest.mark.parametrize(
    ("raw", "reason"), [(RAW[:-1], "wrong-length"), (RAW + b"x", "wrong-length"), (None, "missing")]
)
async def test_a_manifest_of_another_length_or_none_is_a_fault(tmp_path: Path, raw: bytes | None, reason: str) -> None:
    if raw is not None:
        laid(tmp_path, raw)
    with pytest.raises(BlobFault) as caught:
        await Manifests(LocalBlobs(tmp_path)).read(KEY, SEAL)
    assert caught.value.reason == reason
