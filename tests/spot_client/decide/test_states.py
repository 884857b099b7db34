"""Where state lies, held against a naive model."""

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from spot_client.decide.states import state_entries, state_links, tree_entries
from spot_client.wire.manifest import Directory, File, Kind, Manifest, Symlink
from tests.spot_client.vendor import make

SAMPLE = make(
    {
        "code": b"c",
        "data/db": b"d",
        "data/deep/more": b"m",
        "mixed/code": b"c",
        "mixed/own/a": b"a",
        "mixed/state": b"s",
        "linked/away": "../code",
        "linked/state": b"s",
        "own/deep/latest": "../db",
        "own/db": b"d",
        "top": b"t",
    },
    kinds=dict.fromkeys(
        ("data/db", "data/deep/more", "own/db", "mixed/own/a", "mixed/state", "linked/state", "top"), Kind.STATE
    ),
).manifest


def test_a_folder_that_is_all_state_is_linked_as_a_whole_and_other_state_file_by_file() -> None:
    assert state_links(SAMPLE) == {
        "data": "../../state/data",
        "linked/state": "../../../state/linked/state",
        "mixed/own": "../../../state/mixed/own",
        "mixed/state": "../../../state/mixed/state",
        "own": "../../state/own",
        "top": "../../state/top",
    }


def test_a_tree_has_links_in_place_of_state_and_the_state_has_the_folders_it_needs() -> None:
    assert [entry.path for entry in tree_entries(SAMPLE)] == [
        "code",
        "data",
        "linked",
        "linked/away",
        "linked/state",
        "mixed",
        "mixed/code",
        "mixed/own",
        "mixed/state",
        "own",
        "top",
    ]
    assert [entry.path for entry in state_entries(SAMPLE)] == [
        "data",
        "data/db",
        "data/deep",
        "data/deep/more",
        "linked",
        "linked/state",
        "mixed",
        "mixed/own",
        "mixed/own/a",
        "mixed/state",
        "own",
        "own/db",
        "own/deep",
        "own/deep/latest",
        "top",
    ]


PATHS = st.sampled_from(["a", "b/c", "b/d", "b/e/f", "b-c", "g/h/i", "g/h/j", "g/k", "l"])


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    tree = draw(st.dictionaries(PATHS, st.one_of(st.just(b"x"), st.just("t")), max_size=9))
    for path in [path for path, content in tree.items() if content == "t" and draw(st.booleans())]:
        tree[path] = "../" * path.count("/") + "top"
    kinds = {path: draw(st.sampled_from(list(Kind))) for path, content in sorted(tree.items()) if content == b"x"}
    return make(tree, kinds=kinds).manifest


def above(path: str) -> set[str]:
    return {str(parent) for parent in PurePosixPath(path).parents} - {"."}


@given(manifests())
def test_the_tree_and_the_state_together_are_the_release(manifest: Manifest) -> None:
    links = state_links(manifest)
    tree = {entry.path: entry for entry in tree_entries(manifest)}
    state = {entry.path: entry for entry in state_entries(manifest)}
    is_state = {e.path for e in manifest.entries if isinstance(e, File) and e.kind is Kind.STATE}
    near = {e.path for e in manifest.entries if isinstance(e, Symlink) and "/" in e.path and e.target == "t"}
    others = {e.path for e in manifest.entries if not isinstance(e, Directory)} - is_state
    whole = {
        e.path
        for e in manifest.entries
        if isinstance(e, Directory)
        and any(e.path in above(path) for path in is_state)
        and not any(e.path in above(path) for path in others - near)
    }
    assert set(links) == {path for path in is_state | whole if not above(path) & whole}
    assert {path for path, entry in tree.items() if not isinstance(entry, Directory)} == (
        others - {path for path in others if above(path) & whole} | set(links)
    )
    assert set(tree) == {e.path for e in manifest.entries if not above(e.path) & whole}
    assert is_state <= set(state)
    assert all(above(path) <= set(state) for path in is_state)
    assert all(path in links or above(path) & set(links) for path in is_state)
    for path, target in links.items():
        assert tree[path] == Symlink(path, target)
        climbed = PurePosixPath("versions/1.0", path).parent
        for step in PurePosixPath(target).parts:
            climbed = climbed.parent if step == ".." else climbed / step
        assert climbed == PurePosixPath("state", path)
