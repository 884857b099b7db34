"""Bombs, and decoders that want memory: refused early, with little of anything used up."""

import gzip
import lzma
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from mirror.errors import SourceError
from mirror.publishing import source
from mirror.publishing.limits import Limits
from tests.mirror.publishing.rig import opened, small_disk
from tests.mirror.publishing.tarring import END, PACKERS, header, honest, write

STREAM = 2**24
ENDINGS = ["tar.gz", "tar.bz2", "tar.xz", "tar.zst"]


def bomb(ending: str) -> bytes:
    """A tar archive of one file of a gibibyte of zeros, compressed in streams of 16 MiB, as parallel compressors do."""
    pack = PACKERS[ending]
    return pack(header("zeros", size=2**30)) + pack(bytes(STREAM)) * (2**30 // STREAM) + pack(END)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_gigabyte_from_a_megabyte_is_refused_after_a_part_of_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_bytes(bomb(ending))
    assert path.stat().st_size < 1_100_000
    written: list[int] = []
    limits = Limits()
    with pytest.raises(SourceError) as error, source.read(path, limits, tmp_path, lambda _w, d, _t: written.append(d)):
        pass
    assert error.value.reason == "bomb"
    assert len(written) <= 1 + max(path.stat().st_size * limits.ratio, 64 * 2**20) // 2**20  # pieces of a mebibyte
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_many_small_streams_are_one_bomb(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(bytes(2**20)) * 80)
    with pytest.raises(SourceError) as error, opened(path):
        pass
    assert error.value.reason == "bomb"


def test_an_archive_of_more_bytes_than_a_release_may_have_is_not_unpacked_to_its_end(tmp_path: Path) -> None:
    raw = honest({"a": os.urandom(300_000)})
    for ending in PACKERS:
        with (
            pytest.raises(SourceError) as error,
            opened(write(tmp_path, raw, ending), Limits(entries=10, total_bytes=9)),
        ):
            pass
        assert error.value.reason == "too-large"


def big_window_xz(raw: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**30}]
    packed = bytearray(lzma.compress(raw, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0}]))
    # Making it would take the memory that reading it would: so only the header says so (xz file format, 5.3.1).
    assert filters[0]["dict_size"] == 2 ** (36 // 2 + 12)
    assert packed[12 + 2 : 12 + 4] == b"\x21\x01"
    packed[12 + 4] = 36
    packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, "little")
    return bytes(packed)


def big_window_zstd(raw: bytes) -> bytes:
    packer = zstd.ZstdCompressor(
        options={zstd.CompressionParameter.window_log: 28, zstd.CompressionParameter.strategy: 1}
    )
    return packer.compress(raw) + packer.flush()


@pytest.mark.parametrize(("ending", "pack"), [("tar.xz", big_window_xz), ("tar.zst", big_window_zstd)])
def test_an_archive_that_takes_much_memory_to_unpack_is_refused(
    tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_bytes(pack(honest({"a": b"1"})))
    with pytest.raises(SourceError) as error, opened(path):
        pass
    assert error.value.reason == "needs-memory"


def test_the_most_thorough_presets_are_read(tmp_path: Path) -> None:
    raw = honest({"a": b"1"})
    (tmp_path / "x.tar.xz").write_bytes(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME))
    (tmp_path / "x.tar.zst").write_bytes(zstd.compress(raw, level=22))
    for name in ("x.tar.xz", "x.tar.zst"):
        with opened(tmp_path / name) as found:
            assert len(found.entries) == 1


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("tail", [b"and more", b"\x1f\x8b", b"x"])
def test_what_follows_a_stream_and_is_none_is_refused(tmp_path: Path, ending: str, tail: bytes) -> None:
    path = write(tmp_path, honest({"a": b"1"}), ending)
    path.write_bytes(path.read_bytes() + tail)
    with pytest.raises(SourceError) as error, opened(path):
        pass
    assert error.value.reason == "bad-archive"


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_archive_of_another_compression_than_its_name_says_is_refused(tmp_path: Path, ending: str) -> None:
    for other in PACKERS.keys() - {ending} - ({"tgz"} if ending == "tar.gz" else set()):
        path = tmp_path / f"x.{ending}"
        path.write_bytes(PACKERS[other](honest({"a": b"1"})))
        with pytest.raises(SourceError) as error, opened(path):
            pass
        assert error.value.reason == "bad-archive"


def test_a_disk_too_small_for_what_is_unpacked_is_the_systems_error(tmp_path: Path) -> None:
    path = write(tmp_path, honest({"a": os.urandom(900_000)}), "tar.gz")
    with (
        small_disk(tmp_path / "disk", 400 * 1024) as disk,
        pytest.raises(OSError, match="space"),
        source.read(path, Limits(), disk / "scratch", lambda *_: None),
    ):
        pass
