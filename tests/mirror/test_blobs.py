"""The contract of `mirror.blobs.Blobs`: every adapter passes it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.blobs import Blobs, LocalBlobs
from mirror.errors import BlobFault
from tests.mirror.publishing.rig import small_disk

KEY = "releases/sdk/botocore/1.40.0/any/pack"


@pytest.fixture(params=["local"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return {"local": LocalBlobs(tmp_path / "data")}[request.param]


@pytest.fixture(params=["same file system", "another file system"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where sources lie: a move is a rename, or a copy."""
    if request.param == "same file system":
        yield tmp_path
        return
    with TemporaryDirectory(dir="/dev/shm") as other:
        assert Path(other).stat().st_dev != tmp_path.stat().st_dev
        yield Path(other)


def put(blobs: Blobs, folder: Path, content: bytes, key: str = KEY) -> None:
    source = folder / "source"
    source.write_bytes(content)
    blobs.put(key, source)
    assert not source.exists()


def read(blobs: Blobs, key: str = KEY) -> bytes:
    reader = blobs.open(key)
    try:
        return bytes(reader.view(0, reader.length))
    finally:
        reader.close()


@pytest.mark.parametrize("content", [b"", b"x", b"0123456789" * 100_000], ids=["empty", "one byte", "a megabyte"])
def test_what_was_put_is_read(blobs: Blobs, folder: Path, content: bytes) -> None:
    put(blobs, folder, content)
    assert blobs.exists(KEY)
    assert blobs.length(KEY) == len(content)
    assert read(blobs) == content


def test_a_second_put_replaces(blobs: Blobs, folder: Path) -> None:
    put(blobs, folder, b"old and longer")
    put(blobs, folder, b"new")
    assert read(blobs) == b"new"


def test_an_open_reader_keeps_what_it_opened(blobs: Blobs, folder: Path) -> None:
    put(blobs, folder, b"old")
    reader = blobs.open(KEY)
    put(blobs, folder, b"new")
    assert bytes(reader.view(0, 3)) == b"old"
    reader.close()


def test_views_are_parts_and_outlive_the_reader(blobs: Blobs, folder: Path) -> None:
    put(blobs, folder, b"0123456789")
    reader = blobs.open(KEY)
    view = reader.view(2, 5)
    reader.close()
    assert bytes(view) == b"234"
    with pytest.raises(ValueError, match="released"):
        reader.view(0, 1)


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 11), (11, 11)])
def test_no_view_beyond_the_blob(blobs: Blobs, folder: Path, start: int, stop: int) -> None:
    put(blobs, folder, b"0123456789")
    reader = blobs.open(KEY)
    with pytest.raises(ValueError, match="no bytes"):
        reader.view(start, stop)
    reader.close()


def test_a_blob_that_is_not_there_is_missing(blobs: Blobs, tmp_path: Path) -> None:
    assert not blobs.exists(KEY)
    for call in (lambda: blobs.open(KEY), lambda: blobs.length(KEY), lambda: blobs.put(KEY, tmp_path / "no source")):
        with pytest.raises(BlobFault) as error:
            call()
        assert error.value.reason == "missing"


def test_remove_may_be_repeated_and_leaves_other_blobs(blobs: Blobs, folder: Path) -> None:
    put(blobs, folder, b"x")
    put(blobs, folder, b"y", "releases/sdk/botocore/1.40.0/any/manifest")
    blobs.remove(KEY)
    blobs.remove(KEY)
    assert not blobs.exists(KEY)
    assert read(blobs, "releases/sdk/botocore/1.40.0/any/manifest") == b"y"


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a/.b", "a\\b", "a\0b", "A", "ü", "a/" * 9 + "b"],
)
def test_a_key_never_leaves_the_store(blobs: Blobs, tmp_path: Path, key: str) -> None:
    for call in (lambda: blobs.open(key), lambda: blobs.put(key, tmp_path), lambda: blobs.remove(key)):
        with pytest.raises(BlobFault) as error:
            call()
        assert error.value.reason == "bad-key"


@given(st.text())
def test_any_key_is_refused_or_lies_below_the_root(key: str) -> None:
    try:
        path = LocalBlobs(Path("/root-of-blobs"))._path(key)
    except BlobFault:
        return
    assert path == Path(os.path.normpath(path))
    assert path.is_relative_to("/root-of-blobs")
    assert path != Path("/root-of-blobs")


def test_put_flushes_the_file_before_its_name_and_every_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    put(LocalBlobs(tmp_path / "data"), tmp_path, b"x", "a/b/pack")
    data = str(tmp_path / "data")
    assert flushed == [str(tmp_path), data, f"{data}/a", str(tmp_path / "source"), f"{data}/a/b"]


def test_folders_are_for_their_owner_only_and_go_when_empty(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "data")
    put(blobs, tmp_path, b"x")
    folders = [path for path in (tmp_path / "data").rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    blobs.remove(KEY)
    assert [*(tmp_path / "data").iterdir()] == []


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 * 1024) as disk:
        blobs = LocalBlobs(disk)
        source = tmp_path / "source"
        source.write_bytes(b"x" * 200_000)
        with pytest.raises(BlobFault) as error:
            blobs.put(KEY, source)
        assert error.value.reason == "no-space"
        assert [path for path in disk.rglob("*") if path.is_file()] == []
        assert source.exists()
