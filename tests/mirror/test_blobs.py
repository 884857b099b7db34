"""The local adapter of blobs: the contract, and what is its own."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.blobs import Blobs, LocalBlobs
from mirror.errors import BlobFault
from tests.mirror.blobs_contract import KEY, BlobsContract, put
from tests.mirror.publishing.rig import small_disk


class TestContract(BlobsContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        return LocalBlobs(tmp_path / "data")


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
