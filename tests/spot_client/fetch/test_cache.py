"""What is on this machine is never believed: contents and blocks count by their digest alone."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from spot_client.errors import NotReachable, NotTrusted
from spot_client.fetch.cache import Cache, Usage
from spot_client.wire.digest import sha256_hex
from spot_client.wire.manifest import Block

PACKED = bytes(range(100))
BLOCK = Block(length=len(PACKED), sha256=sha256_hex(PACKED), size=100)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


class Source:
    """Fetches the block's bytes; `asked`: the positions it was asked to go on from."""

    def __init__(self, content: bytes = PACKED, stop: int | None = None) -> None:
        self.content = content
        self.stop = stop
        self.asked: list[int] = []

    def __call__(self, position: int, file: BinaryIO) -> None:
        self.asked.append(position)
        file.write(self.content[position : self.stop])
        if self.stop is not None:
            raise NotReachable("broken-off", "broken off")


def put(cache: Cache, content: bytes) -> str:
    incoming = cache.begin(sha256_hex(content))
    incoming.write(content[:1])
    incoming.write(memoryview(content)[1:])
    incoming.finish()
    return sha256_hex(content)


def partial(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "cache" / "blocks" / BLOCK.sha256
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_a_content_counts_once_it_is_whole(cache: Cache) -> None:
    incoming = cache.begin(sha256_hex(b"abc"))
    incoming.write(b"abc")
    assert cache.contents() == frozenset()
    incoming.finish()
    assert cache.contents() == {sha256_hex(b"abc")}
    assert cache.path(sha256_hex(b"abc")).read_bytes() == b"abc"


def test_a_content_that_is_not_what_its_name_says_is_not_taken_in(cache: Cache, tmp_path: Path) -> None:
    incoming = cache.begin(sha256_hex(b"abc"))
    incoming.write(b"abd")
    with pytest.raises(NotTrusted) as failed:
        incoming.finish()
    assert failed.value.reason == "bad-content"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_content_that_will_not_be_whole_leaves_nothing(cache: Cache, tmp_path: Path) -> None:
    incoming = cache.begin(sha256_hex(b"abc"))
    incoming.write(b"ab")
    incoming.abandon()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_discarded_content_is_forgotten_and_discarding_it_twice_is_fine(cache: Cache) -> None:
    digest = put(cache, b"abc")
    cache.discard(digest)
    cache.discard(digest)
    assert cache.contents() == frozenset()


def test_only_what_is_wanted_is_kept_and_leftovers_of_a_killed_run_go_too(cache: Cache) -> None:
    kept, other = put(cache, b"abc"), put(cache, b"wxyz")
    left = cache.path(kept).with_name(".in.left")
    left.write_bytes(b"half")
    assert cache.keep_only({kept}) == len(b"wxyz") + len(b"half")
    assert cache.contents() == {kept}
    assert not left.exists()
    assert not cache.path(other).exists()


def test_a_file_that_is_no_content_does_not_count(cache: Cache) -> None:
    put(cache, b"abc")
    cache.path("00" * 32).parent.mkdir()
    (cache.path("00" * 32).parent / "README").touch()
    assert cache.contents() == {sha256_hex(b"abc")}


def test_a_block_is_fetched_once_and_then_here(cache: Cache) -> None:
    source = Source()
    assert cache.block(BLOCK, source) == PACKED
    assert cache.block(BLOCK, source) == PACKED
    assert source.asked == [0]
    assert cache.block_bytes() == {BLOCK.sha256: 100}
    cache.drop_blocks()
    assert cache.block_bytes() == {}


def test_a_block_goes_on_at_the_byte_where_it_broke_off(cache: Cache) -> None:
    with pytest.raises(NotReachable):
        cache.block(BLOCK, Source(stop=40))
    assert cache.block_bytes() == {BLOCK.sha256: 40}
    source = Source()
    assert cache.block(BLOCK, source) == PACKED
    assert source.asked == [40]


@pytest.mark.parametrize("left", [b"x" * 40, b"x" * 100, PACKED + b"x"])
def test_a_wrong_beginning_is_thrown_away_once_and_all_is_fetched_anew(
    cache: Cache, tmp_path: Path, left: bytes
) -> None:
    partial(tmp_path, left)
    source = Source()
    assert cache.block(BLOCK, source) == PACKED
    assert source.asked in ([40, 0], [0])


@pytest.mark.parametrize(("left", "asked"), [(b"", [0]), (PACKED[:40], [40, 0])])
def test_a_block_that_is_wrong_from_its_first_byte_is_not_trusted(
    cache: Cache, tmp_path: Path, left: bytes, asked: list[int]
) -> None:
    path = partial(tmp_path, left)
    source = Source(PACKED[::-1])
    with pytest.raises(NotTrusted) as failed:
        cache.block(BLOCK, source)
    assert failed.value.reason == "bad-block"
    assert source.asked == asked
    assert not path.exists()


def test_a_block_that_comes_too_short_or_too_long_is_not_trusted(cache: Cache) -> None:
    wrong: list[Callable[[int, BinaryIO], None]] = [Source(PACKED[:99]), Source(PACKED + b"x")]
    for source in wrong:
        with pytest.raises(NotTrusted):
            cache.block(BLOCK, source)


def test_what_the_cache_takes_is_told_and_freed(cache: Cache, tmp_path: Path) -> None:
    assert cache.usage() == Usage(contents=0, content_bytes=0, blocks=0, block_bytes=0)
    put(cache, b"abc")
    put(cache, b"defgh")
    partial(tmp_path, PACKED[:40])
    assert cache.usage() == Usage(contents=2, content_bytes=8, blocks=1, block_bytes=40)
    assert cache.clear() == 48
    assert cache.usage() == Usage(contents=0, content_bytes=0, blocks=0, block_bytes=0)
    assert cache.clear() == 0


def test_clearing_also_removes_what_a_killed_run_was_taking_in(cache: Cache, tmp_path: Path) -> None:
    folder = cache.path(put(cache, b"abc")).parent
    (folder / ".in.0123abcd").write_bytes(b"ab")
    assert cache.clear() == 5
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
