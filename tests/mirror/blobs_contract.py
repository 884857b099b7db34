"""The protocol of blobs as tests: every adapter passes them, by a subclass with its own fixture `blobs`."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror.blobs import Blobs
from mirror.errors import BlobFault

KEY = "releases/sdk/botocore/1.40.0/any/pack"


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


class BlobsContract(ABC):
    @pytest.fixture
    @abstractmethod
    def blobs(self, tmp_path: Path) -> Blobs:
        """A store without a blob."""

    @pytest.fixture(params=["same file system", "another file system"])
    def folder(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
        """Where sources lie: a move is a rename, or a copy."""
        if request.param == "same file system":
            yield tmp_path
            return
        with TemporaryDirectory(dir="/dev/shm") as other:
            assert Path(other).stat().st_dev != tmp_path.stat().st_dev
            yield Path(other)

    @pytest.mark.parametrize("content", [b"", b"x", b"0123456789" * 100_000], ids=["empty", "one byte", "a megabyte"])
    def test_what_was_put_is_read(self, blobs: Blobs, folder: Path, content: bytes) -> None:
        put(blobs, folder, content)
        assert blobs.exists(KEY)
        assert blobs.length(KEY) == len(content)
        assert read(blobs) == content

    def test_a_blob_is_read_in_pieces_and_has_nothing_beside_them(self, blobs: Blobs, folder: Path) -> None:
        put(blobs, folder, b"0123456789")
        assert [*blobs.pieces(KEY, (3, 0, 7))] == [b"012", b"", b"3456789"]
        for lengths in ((3, 8), (3, 6), ()):
            with pytest.raises(BlobFault) as caught:
                next(blobs.pieces(KEY, lengths))
            assert caught.value.reason == "wrong-length"
        with pytest.raises(BlobFault) as caught:
            next(blobs.pieces(f"{KEY}2", (3,)))
        assert caught.value.reason == "missing"

    def test_a_second_put_replaces(self, blobs: Blobs, folder: Path) -> None:
        put(blobs, folder, b"old and longer")
        put(blobs, folder, b"new")
        assert read(blobs) == b"new"

    def test_an_open_reader_keeps_what_it_opened(self, blobs: Blobs, folder: Path) -> None:
        put(blobs, folder, b"old")
        reader = blobs.open(KEY)
        put(blobs, folder, b"new")
        assert bytes(reader.view(0, 3)) == b"old"
        reader.close()

    def test_views_are_parts_and_outlive_the_reader(self, blobs: Blobs, folder: Path) -> None:
        put(blobs, folder, b"0123456789")
        reader = blobs.open(KEY)
        view = reader.view(2, 5)
        reader.close()
        assert bytes(view) == b"234"
        with pytest.raises(ValueError, match="released"):
            reader.view(0, 1)

    @pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 11), (11, 11)])
    def test_no_view_beyond_the_blob(self, blobs: Blobs, folder: Path, start: int, stop: int) -> None:
        put(blobs, folder, b"0123456789")
        reader = blobs.open(KEY)
        with pytest.raises(ValueError, match="no bytes"):
            reader.view(start, stop)
        reader.close()

    def test_a_blob_that_is_not_there_is_missing(self, blobs: Blobs, tmp_path: Path) -> None:
        assert not blobs.exists(KEY)
        for call in (
            lambda: blobs.open(KEY),
            lambda: blobs.length(KEY),
            lambda: blobs.put(KEY, tmp_path / "no source"),
        ):
            with pytest.raises(BlobFault) as error:
                call()
            assert error.value.reason == "missing"

    def test_remove_may_be_repeated_and_leaves_other_blobs(self, blobs: Blobs, folder: Path) -> None:
        put(blobs, folder, b"x")
        put(blobs, folder, b"y", "releases/sdk/botocore/1.40.0/any/manifest")
        blobs.remove(KEY)
        blobs.remove(KEY)
        assert not blobs.exists(KEY)
        assert read(blobs, "releases/sdk/botocore/1.40.0/any/manifest") == b"y"

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            ".hidden",
            "a/.b",
            "a\\b",
            "a\0b",
            "A",
            "ü",
            "a/" * 9 + "b",
        ],
    )
    def test_a_key_never_leaves_the_store(self, blobs: Blobs, tmp_path: Path, key: str) -> None:
        for call in (lambda: blobs.open(key), lambda: blobs.put(key, tmp_path), lambda: blobs.remove(key)):
            with pytest.raises(BlobFault) as error:
                call()
            assert error.value.reason == "bad-key"

    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(content=st.binary(max_size=64), ends=st.tuples(st.integers(-2, 66), st.integers(-2, 66)))
    def test_a_view_is_the_slice_it_names_or_is_refused(
        self, blobs: Blobs, tmp_path: Path, content: bytes, ends: tuple[int, int]
    ) -> None:
        put(blobs, tmp_path, content)
        reader, (start, stop) = blobs.open(KEY), ends
        if 0 <= start <= stop <= len(content):
            assert bytes(reader.view(start, stop)) == content[start:stop]
        else:
            with pytest.raises(ValueError, match="no bytes"):
                reader.view(start, stop)
        reader.close()
