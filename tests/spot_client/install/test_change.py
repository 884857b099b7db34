"""One change of one component: whole or not at all, for as few bytes as possible, and finished or undone later."""

import errno
import random
import resource
import subprocess
from pathlib import Path

import msgspec
import pytest

from spot_client.config import Paths
from spot_client.errors import LocalFault, NotReachable, NotTrusted, RefusedLocally
from spot_client.fetch.cache import Incoming
from spot_client.fetch.releases import release_route
from spot_client.history import Action
from spot_client.install import change, stage, switch
from spot_client.install.journal import Entry
from spot_client.state import Installed, State, Store
from spot_client.wire.routes import Kind
from tests.mirror.publishing.rig import small_disk
from tests.spot_client.installation import TOOL, Installation
from tests.spot_client.vendor import Line, Tree, Vendor

ONE: Tree = {"bin/run": b"one" * 40, "bin/link": "run", "data": bytes(range(200)), "empty": b""}
TWO: Tree = {**ONE, "bin/run": b"two" * 40, "new": b"new"}
THREE: Tree = {**TWO, "bin/run": b"three"}
PACK_TWO = release_route(Kind.PACK, TOOL, "2.0", "any")


@pytest.fixture(autouse=True)
def _published(vendor: Vendor) -> None:
    for version, tree in (("1.0", ONE), ("2.0", TWO), ("3.0", THREE)):
        vendor.publish(tree, version)


def assert_whole(here: Installation, tree: Tree, version: str) -> None:
    """This version is in use, whole, and nothing is under way."""
    assert here.in_use() == tree
    assert here.versions() == {TOOL: version}
    assert here.journal.read() is None
    assert here.changer.recover() == ()
    state = here.store.state().components[TOOL]
    assert here.folders() == {release.folder for release in (state.current, *state.kept)}


# The way it goes


def test_a_first_installation_an_update_and_another(here: Installation) -> None:
    for version, tree in (("1.0", ONE), ("2.0", TWO), ("3.0", THREE)):
        here.go(version)
        assert_whole(here, tree, version)
        assert here.store.state().owed
    assert here.folders() == {"3.0", "2.0"}


def test_what_it_tells_of_progress_is_what_the_plan_said(here: Installation) -> None:
    manifest = here.releases.manifest(TOOL, "1.0", "any", here.wanted("1.0").manifest)
    planned = here.changer.plan(TOOL, manifest)
    here.go("1.0")
    assert sum(here.fetched) == planned.wire_bytes == here.line.fetched
    assert sum(here.written) == sum(file.size for file in manifest.files)


def test_only_contents_that_are_not_here_are_fetched(here: Installation) -> None:
    here.go("1.0")
    here.line.fetched = 0
    here.go("2.0")
    whole = sum(
        block.length for block in here.releases.manifest(TOOL, "2.0", "any", here.wanted("2.0").manifest).blocks
    )
    assert 0 < here.line.fetched < whole


def test_a_kept_version_comes_back_without_a_byte_from_the_mirror(here: Installation) -> None:
    here.go("1.0")
    here.go("2.0")
    here.line.down = True
    here.line.asked.clear()
    here.go("1.0")
    assert here.line.asked == []
    assert_whole(here, ONE, "1.0")
    here.go("2.0")
    assert_whole(here, TWO, "2.0")
    assert here.folders() == {"1.0", "2.0"}


def test_a_kept_version_that_was_changed_is_built_anew_and_not_believed(here: Installation) -> None:
    here.go("1.0")
    here.go("2.0")
    (here.store.paths.versions(TOOL) / "1.0" / "data").write_bytes(b"changed")
    here.go("1.0")
    assert_whole(here, ONE, "1.0")
    assert here.folders() == {"1.0~2", "2.0"}
    assert here.spoiled == []  # the content was in the cache, too


@pytest.mark.parametrize("where", ["cache", "tree"])
def test_a_damaged_source_is_told_and_its_content_taken_from_elsewhere(here: Installation, where: str) -> None:
    here.go("1.0")
    digest = next(file.sha256 for file in here.manifest("1.0").files if file.path == "data")
    damaged = here.cache.path(digest)
    if where == "tree":
        here.cache.discard(digest)
        damaged = here.store.paths.versions(TOOL) / "1.0" / "data"
    damaged.write_bytes(bytes(200))
    here.go("2.0")
    assert_whole(here, TWO, "2.0")
    assert here.spoiled == [str(damaged)]


def test_a_version_in_use_is_never_touched_even_where_a_copy_of_it_is_asked_for(here: Installation) -> None:
    here.go("1.0")
    in_use = here.store.paths.versions(TOOL) / "1.0"
    (in_use / "added").touch()
    (in_use / "data").write_bytes(b"changed")
    before = in_use.stat().st_ino
    here.go("1.0")
    assert here.in_use() == ONE
    assert switch.pointed(here.store.paths.component(TOOL)) == "1.0~2"
    assert (in_use / "data").read_bytes() == b"changed"
    assert in_use.stat().st_ino == before


def test_two_components_do_not_disturb_each_other(here: Installation, vendor: Vendor) -> None:
    vendor.publish({"lib": b"lib"}, "5.0", "sdk/lib")
    here.go("1.0")
    here.go("5.0", "sdk/lib")
    here.go("2.0")
    assert here.in_use() == TWO
    assert here.in_use("sdk/lib") == {"lib": b"lib"}
    assert here.versions() == {"sdk/lib": "5.0", TOOL: "2.0"}


def test_as_many_versions_are_kept_as_was_configured(store: Store, vendor: Vendor, line: Line) -> None:
    here = Installation(store, vendor, line, keep=3)
    for version in ("1.0", "2.0", "3.0", "1.0", "2.0"):
        here.go(version)
    known = store.state().components[TOOL]
    assert [release.version for release in (known.current, *known.kept)] == ["2.0", "1.0", "3.0"]


def test_what_no_version_needs_is_cleared_away_and_the_rest_is_not(here: Installation) -> None:
    for version in ("1.0", "2.0", "3.0"):
        here.go(version)
    needed = {file.sha256 for version in ("2.0", "3.0") for file in here.manifest(version).files}
    assert here.cache.contents() == needed
    assert here.cache.block_bytes() == {}
    kept = {path.name for path in (here.store.paths.own / "manifests").iterdir()}
    assert kept == {here.wanted(version).manifest.head for version in ("2.0", "3.0")}
    (here.store.paths.versions(TOOL) / "stray").mkdir()
    here.changer.sweep(TOOL)
    assert here.folders() == {"2.0", "3.0"}


def test_the_version_in_use_is_not_cleared_away_though_no_state_names_it(here: Installation) -> None:
    here.go("1.0")
    here.store.write_state(State())
    here.changer.sweep(TOOL)
    assert here.in_use() == ONE


def test_what_cannot_be_cleared_away_does_not_make_a_change_fail(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.go("1.0")
    here.go("2.0")

    def refuse(folder: Path) -> None:
        if folder.exists():
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    with monkeypatch.context() as patch:
        patch.setattr(switch, "remove_tree", refuse)
        here.go("3.0")
    assert here.in_use() == THREE
    assert here.versions() == {TOOL: "3.0"}
    assert here.folders() == {"1.0", "2.0", "3.0"}
    here.changer.sweep(TOOL)
    assert here.folders() == {"2.0", "3.0"}


# What stops it


def assert_unchanged(here: Installation) -> None:
    """1.0 is in use, as if nothing had been tried."""
    assert_whole(here, ONE, "1.0")
    assert here.folders() == {"1.0"}


def test_a_mirror_that_breaks_off_changes_nothing_and_what_came_is_not_fetched_again(here: Installation) -> None:
    here.go("1.0")
    here.line.fetched, here.line.breaks_after = 0, 21
    with pytest.raises(NotReachable):
        here.go("2.0")
    assert_unchanged(here)
    here.line.breaks_after = None
    cost = here.changer.plan(TOOL, here.manifest("2.0")).wire_bytes
    here.line.fetched = 0
    here.go("2.0")
    assert here.line.fetched == cost
    assert_whole(here, TWO, "2.0")


def test_a_pack_that_is_not_what_was_signed_changes_nothing(here: Installation, vendor: Vendor) -> None:
    here.go("1.0")
    right = vendor.files[PACK_TWO]
    vendor.files[PACK_TWO] = right[::-1]
    with pytest.raises(NotTrusted):
        here.go("2.0")
    assert_unchanged(here)
    vendor.files[PACK_TWO] = right
    here.go("2.0")
    assert_whole(here, TWO, "2.0")


def test_an_interruption_from_the_keyboard_changes_nothing(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    here.go("1.0")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage, "build", interrupt)
        with pytest.raises(KeyboardInterrupt):
            here.go("2.0")
    assert_unchanged(here)


def test_a_release_that_this_spot_does_not_handle_is_refused_before_anything_is_fetched(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise RefusedLocally("unsupported", "has hooks")

    monkeypatch.setattr(change, "check_supported", refuse)
    with pytest.raises(RefusedLocally):
        here.go("1.0")
    assert here.line.fetched == 0
    assert here.journal.read() is None


# A full disk


def big(vendor: Vendor, size: int) -> None:
    vendor.publish({"big": random.Random(1).randbytes(size)}, "9.0", block=2**18)  # noqa: S311  not for secrets


def test_a_release_that_the_disk_cannot_hold_is_not_begun(tmp_path: Path, vendor: Vendor, line: Line) -> None:
    big(vendor, 2**21)
    with small_disk(tmp_path / "disk", 20 * 2**20) as disk:
        here = on_disk(disk, vendor, line)
        here.go("1.0")
        with pytest.raises(LocalFault) as failed:
            here.go("9.0")
        assert failed.value.reason == "disk-full"
        assert line.paths("9.0/any/pack") == []
        assert_unchanged(here)


def test_a_disk_that_runs_full_changes_nothing_and_keeps_nothing_half(
    tmp_path: Path, vendor: Vendor, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else filled it after we had looked."""
    monkeypatch.setattr(stage, "_SPARE", -(2**30))
    big(vendor, 2**21)
    with small_disk(tmp_path / "disk", 3 * 2**20) as disk:
        here = on_disk(disk, vendor, line)
        here.go("1.0")
        with pytest.raises(LocalFault, match="sdk/tool was not changed: the disk is full") as failed:
            here.go("9.0")
        assert failed.value.reason == "disk-full"
        assert_unchanged(here)
        assert [path.name for path in here.store.paths.own.rglob(".*") if path.is_file()] == []
        here.go("2.0")
        assert_whole(here, TWO, "2.0")


def on_disk(disk: Path, vendor: Vendor, line: Line) -> Installation:
    store = Store(Paths(disk / "root"))
    store.paths.own.mkdir(parents=True)
    return Installation(store, vendor, line)


def test_a_release_in_use_that_could_not_be_written_down_is_told_and_recorded_by_the_next_run(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.go("1.0")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "state.json")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_state", full)
        with pytest.raises(LocalFault) as failed:
            here.go("2.0")
    assert failed.value.reason == "not-recorded"
    assert here.in_use() == TWO
    assert here.versions() == {TOOL: "1.0"}
    assert here.changer.recover() == FINISHED
    assert_whole(here, TWO, "2.0")


# What an interrupted run left: every state that the steps of a change can leave


def interrupted(here: Installation, version: str = "2.0") -> Installed:
    """The journal says that a change to `version` is under way."""
    target = msgspec.structs.replace(here.wanted(version), folder=version)
    here.journal.begin(Entry(component=TOOL, action=Action.UPDATE, target=target, staged=True))
    return target


def put_tree(here: Installation, tree: Tree, folder: str = "2.0") -> None:
    for path, content in tree.items():
        place = here.store.paths.versions(TOOL) / folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(content) if isinstance(content, str) else place.write_bytes(content)


UNDONE = ("An interrupted change to sdk/tool 2.0 has been undone.",)
FINISHED = ("An interrupted change to sdk/tool 2.0 has been finished.",)


def test_nothing_is_said_of_a_run_that_ended(here: Installation) -> None:
    assert here.changer.recover() == ()
    here.go("1.0")
    assert here.changer.recover() == ()


def test_a_run_killed_before_its_first_step_is_undone(here: Installation) -> None:
    here.go("1.0")
    interrupted(here)
    assert here.changer.recover() == UNDONE
    assert_unchanged(here)


@pytest.mark.parametrize("tree", [{"bin/run": b"half"}, TWO])
def test_a_run_killed_while_its_tree_was_staged_is_undone(here: Installation, tree: Tree) -> None:
    here.go("1.0")
    interrupted(here)
    put_tree(here, tree)
    (here.store.paths.component(TOOL) / ".current.next").symlink_to("versions/2.0")
    assert here.changer.recover() == UNDONE
    assert_unchanged(here)
    here.go("2.0")
    assert_whole(here, TWO, "2.0")


def test_a_first_installation_killed_while_its_tree_was_staged_leaves_nothing(here: Installation) -> None:
    interrupted(here)
    put_tree(here, {"half": b"half"})
    assert here.changer.recover() == UNDONE
    assert here.folders() == set()
    assert here.store.state() == State()


def test_a_run_killed_after_the_switch_is_finished(here: Installation) -> None:
    here.go("1.0")
    here.releases.manifest(TOOL, "2.0", "any", here.wanted("2.0").manifest)
    interrupted(here)
    put_tree(here, TWO)
    switch.point(here.store.paths.component(TOOL), "2.0")
    assert here.changer.recover() == FINISHED
    assert_whole(here, TWO, "2.0")
    assert here.store.state().owed
    assert here.folders() == {"1.0", "2.0"}


def test_a_run_killed_after_the_state_was_written_is_finished_and_says_the_same(here: Installation) -> None:
    here.go("1.0")
    here.go("2.0")
    before = here.store.state()
    target = before.components[TOOL].current
    here.journal.begin(Entry(component=TOOL, action=Action.UPDATE, target=target, staged=True))
    assert here.changer.recover() == FINISHED
    assert here.store.state() == before
    assert_whole(here, TWO, "2.0")


def test_a_way_back_that_was_killed_before_the_switch_keeps_the_kept_version(here: Installation) -> None:
    here.go("1.0")
    here.go("2.0")
    kept = here.store.state().components[TOOL].kept[0]
    here.journal.begin(Entry(component=TOOL, action=Action.ROLLBACK, target=kept, staged=False))
    assert here.changer.recover() == ("An interrupted change to sdk/tool 1.0 has been undone.",)
    assert_whole(here, TWO, "2.0")
    assert here.folders() == {"1.0", "2.0"}


def test_a_way_back_that_was_killed_after_the_switch_is_finished(here: Installation) -> None:
    here.go("1.0")
    here.go("2.0")
    kept = here.store.state().components[TOOL].kept[0]
    here.journal.begin(Entry(component=TOOL, action=Action.ROLLBACK, target=kept, staged=False))
    switch.point(here.store.paths.component(TOOL), kept.folder)
    assert here.changer.recover() == ("An interrupted change to sdk/tool 1.0 has been finished.",)
    assert_whole(here, ONE, "1.0")
    assert here.folders() == {"1.0", "2.0"}


def test_a_disk_that_spoils_everything_is_given_up(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    here.go("1.0")
    for file in here.manifest("1.0").files:
        if file.size:
            here.cache.path(file.sha256).write_bytes(b"spoilt")
    (here.store.paths.versions(TOOL) / "1.0" / "bin" / "run").write_bytes(b"spoilt")
    whole = Incoming.finish

    def spoil(incoming: Incoming) -> None:
        whole(incoming)
        incoming._path.write_bytes(b"spoilt")

    monkeypatch.setattr(Incoming, "finish", spoil)
    with pytest.raises(LocalFault) as failed:
        here.go("1.0")
    assert failed.value.reason == "bad-disk"
    assert here.versions() == {TOOL: "1.0"}
    assert here.journal.read() is None


# What this machine has in the wrong place


@pytest.mark.parametrize("place", ["sdk", "sdk/tool", "sdk/tool/versions", "sdk/tool/state", "sdk/tool/saved"])
@pytest.mark.parametrize("how", ["a file", "a link to nowhere"])
def test_a_file_or_link_where_a_folder_must_be_is_told_before_anything_is_changed(
    here: Installation, place: str, how: str
) -> None:
    path = here.root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch() if how == "a file" else path.symlink_to("nowhere")
    with pytest.raises(LocalFault, match="is not the folder that SPOT needs there: move it away") as failed:
        here.go("1.0")
    assert failed.value.reason == "not-a-folder"
    assert str(path) in str(failed.value)
    assert here.line.paths("pack") == []
    assert here.store.state() == State()


@pytest.mark.parametrize("place", ["versions", "state", "saved"])
def test_a_folder_of_spots_own_that_is_a_link_is_not_entered(here: Installation, tmp_path: Path, place: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (here.root / TOOL).mkdir(parents=True)
    (here.root / TOOL / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalFault) as failed:
        here.go("1.0")
    assert failed.value.reason == "not-a-folder"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_product_folder_on_another_disk_is_fine(here: Installation, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (here.root / "sdk").symlink_to(tmp_path / "elsewhere")
    here.go("1.0")
    assert_whole(here, ONE, "1.0")


@pytest.mark.parametrize("how", ["a file", "a folder"])
def test_a_pointer_that_is_none_is_told_and_left_as_it_is(here: Installation, how: str) -> None:
    here.go("1.0")
    pointer = here.root / TOOL / "current"
    pointer.unlink()
    pointer.touch() if how == "a file" else pointer.mkdir()
    with pytest.raises(LocalFault, match="move it away") as failed:
        here.go("2.0")
    assert failed.value.reason == "not-a-pointer"
    assert pointer.exists()
    pointer.unlink() if how == "a file" else pointer.rmdir()
    here.go("2.0")
    assert_whole(here, TWO, "2.0")


def test_a_disk_that_is_read_only_is_one_sentence(tmp_path: Path, vendor: Vendor, line: Line) -> None:
    with small_disk(tmp_path / "disk", 20 * 2**20) as disk:
        here = on_disk(disk, vendor, line)
        here.go("1.0")
        here.manifest("2.0")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        try:
            for attempt in (lambda: here.go("2.0"), lambda: here.changer.uninstall(TOOL, purge=False)):
                with pytest.raises(LocalFault, match="Read-only file system") as failed:
                    attempt()
                assert failed.value.reason == "local"
        finally:
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert_unchanged(here)


def test_a_switch_that_happened_but_could_not_be_made_durable_is_told_as_such(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.go("1.0")
    real = switch.point

    def fail(component: Path, folder: str) -> None:
        real(component, folder)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(switch, "point", fail)
        with pytest.raises(LocalFault, match=r"sdk/tool 2\.0 is in use, but") as failed:
            here.go("2.0")
    assert failed.value.reason == "not-recorded"
    assert_whole(here, TWO, "2.0")


def test_a_block_of_many_small_files_needs_few_open_files(here: Installation, vendor: Vendor) -> None:
    vendor.publish({f"f{number}": b"%d" % number for number in range(400)}, "9.0", block=2**16)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        here.go("9.0")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(here.in_use()) == 400
