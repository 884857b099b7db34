"""Tree → entries and pack: every byte in its place, equal contents once, the same tree the same bytes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import SourceError
from mirror.publishing import pack, tree
from mirror.publishing.limits import Limits
from mirror.publishing.tree import SourceFile, Tree
from spot_client.wire import manifest
from spot_client.wire import pack as wire
from spot_client.wire.manifest import Block, Directory, File, Manifest, Symlink
from tests.mirror.publishing.rig import folder_of, opened


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress."""


def file(path: str, content: bytes) -> SourceFile:
    return SourceFile(path, executable=False, size=len(content), read=lambda: iter([content] if content else []))


def tree_of(files: dict[str, bytes]) -> Tree:
    return tree.build((file(path, content) for path, content in files.items()), Limits())


def packed(found: Tree, target: Path, workers: int = 2) -> tuple[Manifest, bytes]:
    """The manifest and pack of a tree; the manifest keeps its rules."""
    target.unlink(missing_ok=True)
    layout = pack.lay_out(found, quiet)
    blocks = pack.write(layout, target, level=1, workers=workers, progress=quiet)
    whole = Manifest(product="p", component="c", version="1", platform="any", entries=layout.entries, blocks=blocks)
    manifest.check(whole)
    return whole, target.read_bytes()


def unpacked(whole: Manifest, raw: bytes) -> dict[str, bytes]:
    stream = b"".join(
        wire.decode_block(raw[span.start : span.start + span.block.length], span.block) for span in wire.spans(whole)
    )
    assert len(raw) == sum(block.length for block in whole.blocks)
    return {line.path: stream[line.offset : line.offset + line.size] for line in whole.files}


@settings(max_examples=50)
@given(files=st.dictionaries(st.sampled_from("abcdefgh"), st.binary(max_size=20), min_size=1))
def test_what_is_packed_is_unpacked(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    whole, raw = packed(tree_of(files), tmp_path_factory.mktemp("pack") / "pack")
    assert unpacked(whole, raw) == files
    assert sum(block.size for block in whole.blocks) == sum(map(len, set(files.values())))


def test_entries_have_the_modes_and_targets_of_the_tree(tmp_path: Path) -> None:
    top = folder_of(tmp_path / "top", {"d/run": b"1"})
    (top / "d" / "run").chmod(0o700)
    (top / "link").symlink_to("d")
    with opened(top) as found:
        whole, _ = packed(found, tmp_path / "pack")
    digest = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    assert whole.entries == (
        Directory("d", 0o755),
        File("d/run", 0o755, 1, digest, 0),
        Symlink("link", "d"),
    )


def test_similar_files_are_neighbours_in_the_stream(tmp_path: Path) -> None:
    found = tree_of({"a/x.py": b"1", "a/y.json": b"2", "b/x.py": b"3", "b/a.py": b"4", "c/y.json": b"5"})
    layout = pack.lay_out(found, quiet)
    order = [line.path for line, _ in layout.stream]
    assert order == ["a/y.json", "c/y.json", "b/a.py", "a/x.py", "b/x.py"]


def test_a_large_file_spans_blocks_and_the_pack_does_not_depend_on_workers(tmp_path: Path) -> None:
    large = os.urandom(2**20) * 33 + b"end"
    top = folder_of(tmp_path / "top", {"a": b"first", "large": large, "z": b"last"})
    with opened(top) as found:
        whole, raw = packed(found, tmp_path / "pack", workers=1)
        again, same = packed(found, tmp_path / "pack", workers=3)
    assert [block.size for block in whole.blocks] == [2**24, 2**24, len(large) + 9 - 2**25]
    assert unpacked(whole, raw) == {"a": b"first", "large": large, "z": b"last"}
    assert (again, same) == (whole, raw)


def test_the_same_tree_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    files = {f"d{number % 3}/{number}.txt": b"text %d" % (number % 7) for number in range(40)}
    results = []
    for name, order in (("one", 1), ("two", -1)):
        top = folder_of(tmp_path / name, dict([*files.items()][::order]))
        with opened(top) as found:
            whole, raw = packed(found, tmp_path / "pack")
        results.append((manifest.encode(whole, level=3), raw))
    assert results[0] == results[1]


def test_a_file_that_changed_between_the_two_passes_is_noticed(tmp_path: Path) -> None:
    top = folder_of(tmp_path / "top", {"a": b"before"})
    with opened(top) as found:
        layout = pack.lay_out(found, quiet)
        (top / "a").write_bytes(b"after!")
        with pytest.raises(SourceError) as error:
            pack.write(layout, tmp_path / "pack", level=1, workers=1, progress=quiet)
    assert error.value.reason == "changed"


def test_no_more_than_one_piece_a_worker_and_one_is_held() -> None:
    """Memory is bounded: a piece is only taken from the stream when an older one has left."""
    taken: list[int] = []
    given_back: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(20):
            assert len(taken) - len(given_back) <= 3
            taken.append(number)
            yield b"%d" % number

    for number, (_, block) in enumerate(pack._compressed(pieces(), 1, 2)):
        assert isinstance(block, Block)
        given_back.append(number)
    assert taken == given_back == [*range(20)]


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    layout = pack.lay_out(tree_of({"a": b"12345", "b": b"12345"}), lambda *line: told.append(line))
    pack.write(layout, tmp_path / "pack", level=1, workers=1, progress=lambda *line: told.append(line))
    assert told == [("reading", 5, 10), ("reading", 10, 10), ("packing", 5, 5)]


def test_a_tree_without_content_has_an_empty_pack(tmp_path: Path) -> None:
    whole, raw = packed(tree_of({"a": b"", "b": b""}), tmp_path / "pack")
    assert (whole.blocks, raw) == ((), b"")
