"""The shelf, whatever lies in the catalogue's folder and whoever asks for it in whatever order."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.content import shelf
from mirror.content.shelf import Shelf, Shelved, read_shelved
from mirror.errors import CatalogueFault
from spot_client.wire.digest import sha256_hex

quick = settings(deadline=None)  # files are written
LIMIT = 40

contents = st.one_of(st.binary(max_size=LIMIT), st.sampled_from([b"x" * (LIMIT + more) for more in (-1, 0, 1, 2, 100)]))
trees = st.dictionaries(st.sampled_from("abcd"), st.none() | contents | st.sampled_from("abcdz"), max_size=4)
"""By name: None is a folder, bytes a file, and text a link to what is called so."""


def lay(folder: Path, tree: dict[str, bytes | str | None]) -> None:
    for name, what in tree.items():
        if what is None:
            (folder / name).mkdir()
        elif isinstance(what, str):
            (folder / name).symlink_to(what)
        else:
            (folder / name).write_bytes(what)


def expected(tree: dict[str, bytes | str | None], name: str) -> Shelved | str | None:
    """What reading gives: a file, None, or the reason of a fault."""
    seen: set[str] = set()
    while isinstance(found := tree.get(name, ""), str) and found:
        if name in seen:
            return "unreadable"
        seen.add(name)
        name = found
    if name not in tree:
        return None
    if not isinstance(found, bytes):
        return "unreadable"
    return "too-large" if len(found) > LIMIT else Shelved(found, sha256_hex(found))


@quick
@given(tree=trees)
def test_a_file_is_read_whole_or_not_at_all_and_what_is_no_file_is_a_fault(tree: dict[str, bytes | str | None]) -> None:
    with TemporaryDirectory() as named, pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "MAX_FILE", LIMIT)
        lay(Path(named), tree)
        for name in "abcdz":
            found: Shelved | str | None
            try:
                found = read_shelved(Path(named) / name)
            except CatalogueFault as fault:
                found = fault.reason
                message = str(fault)
                assert str(Path(named) / name) in message
            assert found == expected(tree, name)
        below = {name: isinstance(expected(tree, name), Shelved) for name in "abcd"}
        for name, is_file in below.items():
            if is_file:
                with pytest.raises(CatalogueFault, match="cannot be read"):
                    read_shelved(Path(named) / name / "x")


class Model:
    """The shelf as its docstring has it: the least recently asked for are forgotten beyond `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held: dict[str, bytes] = {}

    def read(self, name: str, there: bytes) -> bytes:
        found = self.held.pop(name, there)
        self.held[name] = found
        while sum(map(len, self.held.values())) > self.limit:
            del self.held[next(iter(self.held))]
        return found


@quick
@given(
    asked=st.lists(st.sampled_from("abcd"), max_size=15),
    sizes=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    limit=st.integers(0, 25),
)
def test_what_is_held_is_what_was_asked_for_last_and_never_more_than_allowed(
    asked: list[str], sizes: list[int], limit: int
) -> None:
    """Each time, the file is another one than the time before: so what comes shows whether it was held."""
    with TemporaryDirectory() as named, asyncio.Runner() as runner:
        held, model = Shelf(Path(named), max_held=limit), Model(limit)
        for number, name in enumerate(asked):
            there = bytes([number]) * sizes["abcd".index(name)]
            (Path(named) / name).write_bytes(there)
            raw = model.read(name, there)
            assert runner.run(held.read(name)) == Shelved(raw, sha256_hex(raw))
