"""Where the contents of a release come from, and what that costs, held against a naive model."""

from hypothesis import given
from hypothesis import strategies as st

from spot_client.decide.plan import FromCache, FromPack, FromTree, Plan, plan
from spot_client.wire.digest import sha256_hex
from spot_client.wire.manifest import Manifest
from tests.spot_client.vendor import make

LONG = bytes(range(100))
ABC = make({"a": LONG, "b": b"b" * 30, "c": b"c" * 30, "copy": LONG, "empty": b"", "link": "a"}).manifest
A, B, C, EMPTY = (sha256_hex(content) for content in (LONG, b"b" * 30, b"c" * 30, b""))


def test_a_first_installation_unpacks_each_content_once_and_fetches_every_block() -> None:
    planned = plan(ABC, trees={}, cached=(), blocks_here={})
    assert planned.sources == dict.fromkeys((A, B, C, EMPTY), FromPack())
    assert [file.sha256 for file in planned.unpack] == [EMPTY, A, B, C]
    assert tuple(span.block for span in planned.blocks) == ABC.blocks
    assert planned.wire_bytes == sum(block.length for block in ABC.blocks)
    assert planned.disk_bytes == 100 + 30 + 30 + 100 + (100 + 30 + 30) + planned.wire_bytes


def test_what_is_in_the_cache_or_in_an_installed_release_is_not_fetched() -> None:
    planned = plan(ABC, trees={A: "old/a", B: "old/b"}, cached={A, EMPTY}, blocks_here={})
    assert planned.sources == {A: FromCache(), B: FromTree("old/b"), C: FromPack(), EMPTY: FromCache()}
    assert [file.sha256 for file in planned.unpack] == [C]
    assert [span.offset for span in planned.blocks] == [128]


def test_what_is_not_to_be_written_is_neither_fetched_nor_counted() -> None:
    planned = plan(ABC, trees={}, cached=(), blocks_here={}, skip={"b", "copy"})
    assert planned.sources == dict.fromkeys((A, C, EMPTY), FromPack())
    assert [file.sha256 for file in planned.unpack] == [EMPTY, A, C]
    assert planned.disk_bytes == 100 + 30 + (100 + 30) + planned.wire_bytes
    assert plan(ABC, trees={}, cached=(), blocks_here={}, skip={"a", "b", "c", "copy"}).blocks == ()


def test_equal_blocks_are_fetched_once() -> None:
    zeros = make({"zeros": bytes(64 * 5)}).manifest
    planned = plan(zeros, trees={}, cached=(), blocks_here={})
    assert len(planned.blocks) == 5
    assert planned.wire_bytes == zeros.blocks[0].length


def test_bytes_of_a_block_that_came_before_a_break_are_not_counted_again() -> None:
    first = ABC.blocks[0]
    whole = plan(ABC, trees={}, cached=(), blocks_here={}).wire_bytes
    assert plan(ABC, trees={}, cached=(), blocks_here={first.sha256: 5}).wire_bytes == whole - 5
    assert plan(ABC, trees={}, cached=(), blocks_here={first.sha256: first.length}).wire_bytes == whole - first.length


def test_a_block_that_is_longer_here_than_it_can_be_is_fetched_anew() -> None:
    first = ABC.blocks[0]
    whole = plan(ABC, trees={}, cached=(), blocks_here={}).wire_bytes
    assert plan(ABC, trees={}, cached=(), blocks_here={first.sha256: first.length + 1}).wire_bytes == whole


CONTENTS = st.binary(max_size=90)
TREES = st.dictionaries(st.sampled_from([f"f{number}" for number in range(9)]), CONTENTS, min_size=1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Manifest, dict[str, bytes], dict[str, str], set[str], dict[str, int]]:
    """A release, its contents by digest, and what claims to be on this machine."""
    tree = draw(TREES)
    manifest = make(tree, block=draw(st.sampled_from([1, 16, 64, 1000]))).manifest
    contents = {sha256_hex(content): content for content in tree.values()}
    digests = st.sets(st.sampled_from(sorted(contents)))
    trees = {digest: f"old/{digest}" for digest in draw(digests)}
    here = {block.sha256: draw(st.integers(0, block.length + 2)) for block in manifest.blocks if draw(st.booleans())}
    return manifest, contents, trees, draw(digests), here


@given(cases())
def test_a_plan_costs_what_the_naive_model_says(
    case: tuple[Manifest, dict[str, bytes], dict[str, str], set[str], dict[str, int]],
) -> None:
    manifest, contents, trees, cached, here = case
    planned = plan(manifest, trees=trees, cached=cached, blocks_here=here)
    assert planned.sources.keys() == contents.keys()
    assert all(isinstance(planned.sources[digest], FromCache) for digest in cached)
    assert all(planned.sources[digest] == FromTree(trees[digest]) for digest in trees.keys() - cached)
    missing = contents.keys() - trees.keys() - cached
    assert {digest for digest, source in planned.sources.items() if isinstance(source, FromPack)} == missing
    assert sorted(file.sha256 for file in planned.unpack) == sorted(missing)
    assert [(s.offset, s.start) for s in planned.blocks] == needed(manifest, missing)
    lengths = {span.block.sha256: span.block.length for span in planned.blocks}
    usable = {sha256: count for sha256, count in here.items() if count <= lengths.get(sha256, 0)}
    assert planned.wire_bytes == sum(length - usable.get(sha256, 0) for sha256, length in lengths.items())
    assert_covered(planned)


def needed(manifest: Manifest, missing: set[str]) -> list[tuple[int, int]]:
    """Offset and start of every block that holds a byte of a missing content: byte by byte."""
    wanted = {
        at for file in manifest.files if file.sha256 in missing for at in range(file.offset, file.offset + file.size)
    }
    found, offset, start = [], 0, 0
    for block in manifest.blocks:
        if wanted & set(range(offset, offset + block.size)):
            found.append((offset, start))
        offset, start = offset + block.size, start + block.length
    return found


def assert_covered(planned: Plan) -> None:
    """Every byte that is to be unpacked lies in a block of the plan."""
    held = {at for span in planned.blocks for at in range(span.offset, span.offset + span.block.size)}
    assert all(set(range(file.offset, file.offset + file.size)) <= held for file in planned.unpack)
