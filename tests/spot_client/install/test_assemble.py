"""A plan becomes the tree that the manifest says, or nothing; and a tree is told apart from one that was changed."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spot_client.decide.plan import FromTree, Plan, plan
from spot_client.errors import NotTrusted, RefusedLocally
from spot_client.fetch.cache import Cache
from spot_client.install.assemble import Spoiled, build, check_supported, damage, unpack
from spot_client.wire.digest import sha256_hex
from spot_client.wire.errors import WireError
from spot_client.wire.manifest import File, Hook
from spot_client.wire.pack import Span
from tests.spot_client.installation import read_tree
from tests.spot_client.vendor import Made, Tree, make

LONG = bytes(range(256))
TREE: Tree = {
    "bin/run": b"#!/bin/sh\n",
    "bin/run2": "run",
    "data/deep/long": LONG,
    "data/copy": LONG,
    "data/empty": b"",
    "empty": b"",
    "one": b"x",
}
MODES = {"bin/run": 0o755, "data": 0o700, "data/deep": 0o500 | 0o200, "one": 0o400}


def reader(made: Made) -> Callable[[Span], bytes]:
    return lambda span: made.pack[span.start : span.start + span.block.length]


def origin(planned: Plan, cache: Cache, root: Path) -> Callable[[File], Path]:
    """Where the contents of a plan lie."""

    def where(file: File) -> Path:
        source = planned.sources[file.sha256]
        return root / source.path if isinstance(source, FromTree) else cache.path(file.sha256)

    return where


def assemble(made: Made, folder: Path, planned: Plan | None = None) -> Path:
    """Build the tree of a release in `folder/tree`, with a cache beside it."""
    cache = Cache(folder / "cache")
    planned = planned or plan(made.manifest, trees={}, cached=cache.contents(), blocks_here={})
    unpack(planned, cache, reader(made))
    staged = folder / "tree"
    staged.mkdir(parents=True)
    build(made.manifest, staged, origin=origin(planned, cache, folder), advance=lambda _: None)
    return staged


@pytest.mark.parametrize("block", [1, 7, 64, 256, 10_000])
def test_a_tree_is_what_its_manifest_says_however_the_pack_is_cut(tmp_path: Path, block: int) -> None:
    made = make(TREE, block=block, modes=MODES)
    tree = assemble(made, tmp_path)
    assert read_tree(tree) == TREE
    assert {path: (tree / path).stat().st_mode & 0o777 for path in MODES} == MODES
    assert list(damage(made.manifest, tree)) == []


NAMES = st.sampled_from(["a", "b", "c/d", "c/e", "c/f/g", "h", "i/j"])
CONTENTS = st.one_of(st.binary(max_size=70), st.sampled_from([b"", b"same", b"z" * 200]))


@given(st.dictionaries(NAMES, CONTENTS), st.integers(1, 80), st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_tree_survives_the_way_wherever_its_contents_come_from(
    tmp_path_factory: pytest.TempPathFactory, tree: Tree, block: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any")
    made = make(tree, block=block)
    contents = {sha256_hex(content): content for content in tree.values() if isinstance(content, bytes)}
    some = st.sets(st.sampled_from(sorted(contents))) if contents else st.just(set())
    trees = {digest: f"old-{digest}" for digest in data.draw(some)}
    for digest, path in trees.items():
        (folder / path).write_bytes(contents[digest])
    cache = Cache(folder / "cache")
    for digest in data.draw(some):
        incoming = cache.begin(digest)
        incoming.write(contents[digest])
        incoming.finish()
    planned = plan(made.manifest, trees=trees, cached=cache.contents(), blocks_here={})
    built = assemble(made, folder, planned)
    assert read_tree(built) == tree
    assert list(damage(made.manifest, built)) == []


def test_what_is_told_of_progress_adds_up_to_the_tree(tmp_path: Path) -> None:
    made, told = make(TREE), list[int]()
    cache = Cache(tmp_path / "cache")
    planned = plan(made.manifest, trees={}, cached=(), blocks_here={})
    unpack(planned, cache, reader(made))
    (tmp_path / "tree").mkdir()
    build(made.manifest, tmp_path / "tree", origin=origin(planned, cache, tmp_path), advance=told.append)
    assert sum(told) == sum(file.size for file in made.manifest.files)


# What is not what it claims to be


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def put_fifo(path: Path) -> None:
    os.mkfifo(path)


SPOILT: dict[str, Callable[[Path], object]] = {
    "changed": lambda path: path.write_bytes(b"y"),
    "longer": lambda path: path.write_bytes(b"xx"),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda _: None,
    "a folder": lambda path: path.mkdir(),
    "a link to the right content": lambda path: path.symlink_to(path.parent / "right"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a pipe": put_fifo,
}


@pytest.mark.parametrize("how", SPOILT)
def test_an_installed_file_that_is_not_what_it_was_is_noticed_while_it_is_copied(tmp_path: Path, how: str) -> None:
    made = make({"one": b"x"})
    (tmp_path / "right").write_bytes(b"x")
    SPOILT[how](tmp_path / "old")
    before = open_files()
    planned = plan(made.manifest, trees={sha256_hex(b"x"): "old"}, cached=(), blocks_here={})
    with pytest.raises(Spoiled) as spoiled:
        assemble(made, tmp_path, planned)
    assert spoiled.value.found == {sha256_hex(b"x"): tmp_path / "old"}
    assert list((tmp_path / "tree").iterdir()) == []
    assert open_files() == before


def test_a_cached_content_that_is_not_what_it_was_is_noticed_while_it_is_copied(tmp_path: Path) -> None:
    made = make({"one": b"x"})
    cached = Cache(tmp_path / "cache").path(sha256_hex(b"x"))
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"y")
    with pytest.raises(Spoiled) as spoiled:
        assemble(made, tmp_path)
    assert spoiled.value.found == {sha256_hex(b"x"): cached}


def test_a_content_that_is_not_what_the_manifest_says_though_its_block_is_is_not_trusted(tmp_path: Path) -> None:
    made = make({"one": b"x", "two": bytes(100)}, block=30)
    lie = {"sha256": sha256_hex(b"another")}
    entries = tuple(
        msgspec.structs.replace(entry, **lie) if entry.path == "two" else entry for entry in made.manifest.entries
    )
    lying = msgspec.structs.replace(made, manifest=msgspec.structs.replace(made.manifest, entries=entries))
    with pytest.raises(NotTrusted) as failed:
        assemble(lying, tmp_path)
    assert failed.value.reason == "bad-content"
    left = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert left == {sha256_hex(b"x")}


def test_a_block_that_is_not_what_the_manifest_says_stops_it_and_leaves_nothing_half(tmp_path: Path) -> None:
    made = make({"two": LONG}, block=100)
    damaged = msgspec.structs.replace(made, pack=made.pack[:-1] + b"\0")
    with pytest.raises(WireError):
        assemble(damaged, tmp_path)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


# What a tree has become


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a changed file": ("one", lambda tree: (tree / "one").write_bytes(b"y")),
    "a longer file": ("one", lambda tree: (tree / "one").write_bytes(b"xx")),
    "a file that is gone": ("one", lambda tree: (tree / "one").unlink()),
    "a file with another mode": ("one", lambda tree: (tree / "one").chmod(0o644)),
    "a file that became a link": ("empty", lambda tree: relink(tree / "empty", "data/empty")),
    "a link that points elsewhere": ("bin/run2", lambda tree: relink(tree / "bin/run2", "../one")),
    "a link that became a file": ("bin/run2", lambda tree: refile(tree / "bin/run2")),
    "a folder that became a link": ("data", lambda tree: move_away(tree / "data")),
}


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def refile(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"run")


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("what", DAMAGE)
def test_a_tree_that_was_changed_is_noticed(tmp_path: Path, what: str) -> None:
    made = make(TREE, modes=MODES)
    tree = assemble(made, tmp_path)
    path, change = DAMAGE[what]
    change(tree)
    assert next(iter(damage(made.manifest, tree))) == path


def test_a_tree_that_is_gone_is_noticed_and_a_file_that_was_added_is_not(tmp_path: Path) -> None:
    made = make(TREE, modes=MODES)
    tree = assemble(made, tmp_path)
    (tree / "added").touch()
    assert list(damage(made.manifest, tree)) == []
    assert set(damage(made.manifest, tmp_path / "nowhere")) == {entry.path for entry in made.manifest.entries}


# What this SPOT does not do yet


def test_a_release_with_hooks_is_refused() -> None:
    plain = make({"bin/run": b"x"}, modes={"bin/run": 0o755}).manifest
    check_supported(plain)
    with pytest.raises(RefusedLocally) as refused:
        check_supported(msgspec.structs.replace(plain, hooks=(Hook("pre-install", ("bin/run",), 10),)))
    assert refused.value.reason == "unsupported"
