"""Publishing: what comes of an order, what is refused, and that nothing is left of what failed."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ca.errors import PassphraseError
from mirror import catalogue
from mirror.errors import BlobFault, Busy, CatalogueFault, Conflict, MirrorError, PublishError, SourceError
from mirror.publishing import changes, journal, publish, stored
from mirror.publishing.journal import Journal
from mirror.publishing.order import Order, Outcome, State
from mirror.publishing.tree import Form
from mirror.signing import holders, timer
from spot_client.wire.errors import WireError
from spot_client.wire.index import Severity
from spot_client.wire.manifest import Kind
from tests.mirror.publishing import rig, tarring
from tests.mirror.publishing.rig import Mirror, order

CONTENT = {"bin/tool": b"#!/bin/sh\n", "lib/a.txt": b"a" * 5000, "empty": b""}


def refused(mirror: Mirror, source: Path, wanted: Order) -> str:
    """The reason; and nothing has changed."""
    before = mirror.files()
    with pytest.raises((MirrorError, WireError)) as error:
        publish.publish(mirror.means(), wanted, source)
    assert mirror.files() - {"publishing/publish.lock"} == before - {"publishing/publish.lock"}
    assert isinstance(error.value, MirrorError | WireError)
    return error.value.reason


def on_offer(mirror: Mirror) -> set[str]:
    return {f"{line.version} {','.join(line.channels)}" for line in rig.client_view(mirror).releases}


def test_a_client_finds_what_was_published(mirror: Mirror, source: Path) -> None:
    outcome = mirror.publish(source)
    assert (outcome.state, outcome.files, outcome.size, outcome.version) == (State.PUBLISHED, 3, 5010, 2)
    assert rig.contents(mirror, order()) == CONTENT
    assert outcome.stored == mirror.place.blobs.length("releases/sdk/tool/1.0/any/pack")


def test_the_index_says_what_the_order_said(mirror: Mirror, source: Path) -> None:
    wanted = Order(
        product="sdk",
        component="tool",
        version="2.0rc1",
        platform="linux-x86_64",
        channels=("stable", "beta", "beta"),
        severity=Severity.SECURITY,
        restart=True,
        notes="Mind the gap.",
        requires={"sdk/other": ">=1.0,<2"},
    )
    now = datetime.now(UTC)
    publish.publish(mirror.means(lambda: now), wanted, source)
    (line,) = rig.client_view(mirror).releases
    assert (line.version, line.platform, line.channels) == ("2.0rc1", "linux-x86_64", ("beta", "stable"))
    assert (line.severity, line.restart, line.notes) == (Severity.SECURITY, True, "Mind the gap.")
    assert (line.requires, line.published) == ({"sdk/other": ">=1.0,<2"}, f"{now:%Y-%m-%dT%H:%M:%SZ}")


def test_releases_are_in_order_of_version_whatever_order_they_came_in(mirror: Mirror, source: Path) -> None:
    for version in ("1.10", "1.9", "1.10rc1"):
        mirror.publish(source, version)
    assert [line.version for line in rig.client_view(mirror).releases] == ["1.9", "1.10rc1", "1.10"]


def test_components_and_products_stand_side_by_side(mirror: Mirror, source: Path) -> None:
    for component in ("sdk/tool", "sdk/other", "science/tool"):
        publish.publish(mirror.means(), order(component=component), source)
    for component in ("sdk/tool", "sdk/other", "science/tool"):
        assert rig.contents(mirror, order(component=component)) == CONTENT


def test_the_same_content_again_is_no_error_and_no_change(mirror: Mirror, source: Path) -> None:
    mirror.publish(source)
    before = mirror.files()
    outcome = mirror.publish(source)
    assert (outcome.state, outcome.version, outcome.notes) == (State.ALREADY, 2, ())
    assert mirror.files() == before


def test_the_same_content_from_an_archive_is_the_same_release(mirror: Mirror, source: Path, tmp_path: Path) -> None:
    mirror.publish(source)
    with zipfile.ZipFile(tmp_path / "source.zip", "w") as file:
        for name, content in reversed(CONTENT.items()):
            file.writestr(name, content)
    assert mirror.publish(tmp_path / "source.zip").state is State.ALREADY


def test_another_channel_is_added_and_none_is_taken_away(mirror: Mirror, source: Path) -> None:
    publish.publish(mirror.means(), order(channels=("beta",)), source)
    outcome = publish.publish(mirror.means(), order(channels=("stable",)), source)
    assert (outcome.state, outcome.channels) == (State.PROMOTED, ("beta", "stable"))
    assert on_offer(mirror) == {"1.0 beta,stable"}
    assert publish.publish(mirror.means(), order(channels=("beta",)), source).state is State.ALREADY
    assert on_offer(mirror) == {"1.0 beta,stable"}


def test_other_words_for_the_same_content_are_not_taken_silently(mirror: Mirror, source: Path) -> None:
    mirror.publish(source)
    urgent = msgspec.structs.replace(order(), severity=Severity.SECURITY)
    outcome = publish.publish(mirror.means(), urgent, source)
    assert outcome.notes == ("Severity, restart, notes and requirements stay as published.",)
    assert rig.client_view(mirror).releases[0].severity is Severity.FEATURE


@pytest.mark.parametrize("change", ["content", "mode", "name", "link", "folder", "less"])
def test_other_content_under_the_same_version_is_a_conflict(mirror: Mirror, source: Path, change: str) -> None:
    mirror.publish(source)
    match change:
        case "content":
            (source / "lib/a.txt").write_bytes(b"b" * 5000)
        case "mode":
            (source / "lib/a.txt").chmod(0o755)
        case "name":
            (source / "lib/a.txt").rename(source / "lib/b.txt")
        case "link":
            (source / "link").symlink_to("empty")
        case "folder":
            (source / "folder").mkdir()
        case _:
            (source / "empty").unlink()
    assert refused(mirror, source, order()) == "other-content"
    assert rig.contents(mirror, order()) == CONTENT


def test_another_spelling_of_a_published_version_is_a_conflict(mirror: Mirror, source: Path) -> None:
    mirror.publish(source, "1.0")
    assert refused(mirror, source, order("1.0.0")) == "other-spelling"
    other_platform = msgspec.structs.replace(order("1.0.0"), platform="linux-arm64")
    assert refused(mirror, source, other_platform) == "other-spelling"


def test_a_withdrawn_version_never_comes_back(mirror: Mirror, source: Path) -> None:
    mirror.publish(source)
    changes.withdraw(mirror.signing(), "sdk/tool", "1.0", None, "broken")
    assert refused(mirror, source, order()) == "withdrawn"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"product": "targets"}, "reserved-name"),
        ({"product": "SDK"}, "bad-name"),
        ({"component": "../x"}, "bad-name"),
        ({"version": "1.0-rc1"}, "bad-version"),
        ({"version": "new"}, "bad-version"),
        ({"platform": "amiga"}, "bad-platform"),
        ({"channels": ("Stable",)}, "bad-name"),
        ({"channels": ()}, "wrong-shape"),
        ({"notes": "x" * 9000}, "wrong-shape"),
        ({"requires": {"sdk": ">1"}}, "bad-name"),
        ({"requires": {"sdk/tool": "about 1"}}, "bad-index"),
        ({"requires": {"sdk/other": ">=1", "sdk/tool": ">=1"}}, "requires-itself"),
    ],
)
def test_an_order_that_no_index_can_hold_or_that_needs_itself_is_refused(
    mirror: Mirror, source: Path, change: dict[str, object], reason: str
) -> None:
    assert refused(mirror, source, msgspec.structs.replace(order(), **change)) == reason


def test_a_source_that_is_refused_leaves_nothing(mirror: Mirror, source: Path) -> None:
    (source / "link").symlink_to("/etc")
    assert refused(mirror, source, order()) == "bad-link"


def test_a_source_that_changes_while_it_is_packed_leaves_nothing(mirror: Mirror, source: Path) -> None:
    def change(what: str, done: int, total: int) -> None:
        if what == "reading" and done == total:
            (source / "lib/a.txt").write_bytes(b"b" * 5000)

    before = mirror.files()
    means = msgspec.structs.replace(mirror.means(), progress=change)
    with pytest.raises(SourceError) as error:
        publish.publish(means, order(), source)
    assert error.value.reason == "changed"
    assert mirror.files() == before | {"publishing/publish.lock"}


def test_a_dry_run_reads_all_and_changes_nothing(mirror: Mirror, source: Path) -> None:
    before = mirror.files() | {"publishing/publish.lock"}
    outcome = mirror.publish(source, dry_run=True)
    assert (outcome.state, outcome.files, outcome.size) == (State.DRY_RUN, 3, 5010)
    assert mirror.files() == before


def test_a_wrong_passphrase_is_noticed_before_the_source_is_read(mirror: Mirror, source: Path) -> None:
    told: list[str] = []
    wrong = mirror.means(passphrase="wrong")
    means = msgspec.structs.replace(wrong, progress=lambda what, *_: told.append(what))
    with pytest.raises(PassphraseError):
        publish.publish(means, order(), source)
    assert told == []
    assert [name for name in mirror.files() if name.startswith("releases")] == []


def test_a_damaged_or_missing_blob_is_not_called_published(mirror: Mirror, source: Path) -> None:
    mirror.publish(source)
    stored = mirror.data / "releases/sdk/tool/1.0/any/pack"
    stored.write_bytes(b"short")
    assert refused(mirror, source, order()) == "damaged"
    stored.unlink()
    with pytest.raises(BlobFault) as error:
        mirror.publish(source)
    assert error.value.reason == "missing"


def test_a_damaged_catalogue_is_never_built_upon(mirror: Mirror, source: Path) -> None:
    (mirror.catalogue / "1.targets.json").write_bytes(b"{}")
    with pytest.raises(CatalogueFault):
        mirror.publish(source)


def test_people_are_reminded_of_what_lapses(mirror: Mirror, source: Path) -> None:
    later = datetime.now(UTC) + timedelta(days=250)
    notes = mirror.publish(source, clock=lambda: later).notes
    assert [note.split()[2] for note in notes] == ["root", "targets", "halts", "house"]
    assert all("resign --all" in note for note in notes)


def test_a_clock_that_was_ahead_is_made_good(mirror: Mirror, source: Path) -> None:
    now = datetime.now(UTC)
    mirror.publish(source, clock=lambda: now + timedelta(days=1000))
    assert mirror.publish(source, clock=lambda: now).state is State.ALREADY
    assert timer.turn(mirror.signing(lambda: now), mirror.ring()) is not None
    holders.renew(mirror.signing(lambda: now), None)
    expires = catalogue.read_chain(mirror.catalogue).roles
    assert expires["timestamp"].expires == (now + timedelta(days=3)).replace(microsecond=0)
    assert expires["sdk"].expires == (now + timedelta(days=365)).replace(microsecond=0)
    assert rig.contents(mirror, order()) == CONTENT


def test_resign_moves_snapshot_and_timestamp_only(mirror: Mirror, source: Path) -> None:
    mirror.publish(source)
    before = catalogue.load(mirror.catalogue)
    assert mirror.resign() == 3
    after = catalogue.load(mirror.catalogue)
    assert after.current == before.current | {"timestamp": 3, "snapshot": 3}
    assert after.indexes == before.indexes
    assert rig.contents(mirror, order()) == CONTENT


@contextmanager
def holding(mirror: Mirror) -> Iterator[int]:
    """Another process that publishes; gives its id."""
    script = (
        "import sys; from pathlib import Path\n"
        "from mirror.blobs import LocalBlobs; from mirror.place import Place; from mirror.publishing import journal\n"
        "data = Path(sys.argv[1])\n"
        "with journal.publishing(Place(data, LocalBlobs(data))): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(mirror.data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.communicate()


def test_two_at_once_the_second_is_told_who_is_first(mirror: Mirror, source: Path) -> None:
    with holding(mirror) as pid, pytest.raises(Busy) as error:
        mirror.publish(source)
    assert f"Process {pid} " in str(error.value)
    assert mirror.publish(source).state is State.PUBLISHED


def test_what_a_killed_run_left_is_told_and_cleared_up(mirror: Mirror, source: Path) -> None:
    journal.begin(mirror.place, Journal(what="The publish of x", blobs=("releases/sdk/x/1/any/pack",)))
    left = rig.folder_of(mirror.data, {"releases/sdk/x/1/any/pack": b"x", "publishing/staging/pack": b"x"})
    outcome = mirror.publish(source)
    assert outcome.notes == ("The publish of x was interrupted: undone.",)
    assert not {"releases/sdk/x/1/any/pack", "publishing/staging/pack"} & mirror.files()
    assert not (left / "publishing/journal.json").exists()


def test_a_journal_never_takes_what_the_catalogue_names(mirror: Mirror, source: Path) -> None:
    mirror.publish(source)
    blobs = ("releases/sdk/tool/1.0/any/pack", "releases/sdk/tool/1.0/any/manifest")
    journal.begin(mirror.place, Journal(what="The publish of x", blobs=blobs))
    assert mirror.publish(source).notes == ("The publish of x was stopped after its last step: it stands.",)
    assert rig.contents(mirror, order()) == CONTENT


def test_a_damaged_journal_stops_everything_and_says_what_to_do(mirror: Mirror, source: Path) -> None:
    for raw in (b"", b"{}", b'{"blobs":[],"format":9,"min_spot":"9","what":""}', b"x" * 2_000_000):
        (mirror.data / "publishing").mkdir(exist_ok=True)
        (mirror.data / "publishing/journal.json").write_bytes(raw)
        with pytest.raises(PublishError) as error:
            mirror.publish(source)
        assert error.value.reason == "bad-journal"
        assert "Move" in str(error.value)


def test_a_full_disk_is_one_sentence_nothing_half_visible_and_cured_by_space(tmp_path: Path, source: Path) -> None:
    with rig.small_disk(tmp_path / "disk", 400 * 1024) as disk:
        mirror = rig.new_mirror(disk)
        mirror.publish(source)
        ballast = disk / "ballast"
        refusals: list[MirrorError] = []
        shown: list[set[str]] = []
        for kept in range(0, 120_000, 8_192):  # the disk fills up at another step each time
            _fill(ballast, kept)
            try:
                mirror.publish(source, "2.0")
            except PublishError as error:
                refusals.append(error)
                shown.append(on_offer(mirror))
            else:
                break
        assert {error.reason for error in refusals} == {"no-space"}
        assert all("is full" in str(error) and "\n" not in str(error) for error in refusals)
        assert all(offered == {"1.0 stable"} for offered in shown)
        ballast.unlink()
        assert mirror.publish(source, "2.0").state in {State.PUBLISHED, State.ALREADY}
        assert rig.contents(mirror, order("2.0")) == CONTENT


def _fill(ballast: Path, kept: int) -> None:
    """Fill the disk with `ballast`, but for `kept` bytes."""
    ballast.unlink(missing_ok=True)
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(max(0, file.tell() - kept))


def test_the_pack_is_written_block_by_block_as_it_is_made(mirror: Mirror, tmp_path: Path) -> None:
    """And so held in memory no further; `test_pack.py` counts the pieces held."""
    top = rig.folder_of(tmp_path / "large", {"zeros": bytes(5 * 2**24)})
    told: list[int] = []
    means = msgspec.structs.replace(
        mirror.means(), progress=lambda what, done, _total: told.append(done) if what == "packing" else None
    )
    outcome: Outcome = publish.publish(means, order(), top)
    assert told == [2**24 * number for number in range(1, 6)]
    assert outcome.size == 5 * 2**24


def test_kinds_reach_the_manifest_and_count_as_content(mirror: Mirror, source: Path) -> None:
    means = mirror.means()
    wanted = msgspec.structs.replace(order(), config=("lib/*",), state=("empty",))
    outcome = publish.publish(means, wanted, source)
    assert (outcome.files, outcome.config, outcome.state_files) == (3, 1, 1)
    line = rig.client_view(mirror).releases[0]
    kinds = {file.path: file.kind for file in stored.read_manifest(mirror.place.blobs, order().key, line).files}
    assert kinds == {"bin/tool": Kind.FILE, "empty": Kind.STATE, "lib/a.txt": Kind.CONFIG}
    assert publish.publish(means, wanted, source).state is State.ALREADY
    with pytest.raises(Conflict, match="other kinds of files") as error:
        publish.publish(means, order(), source)
    assert error.value.reason == "other-content"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"config": ("*.ini",)}, "no-match"),
        ({"config": ("lib/",), "state": ("*.txt",)}, "two-kinds"),
        ({"state": ("",)}, "bad-pattern"),
        ({"opaque": True}, "not-a-file"),
    ],
)
def test_a_slip_in_the_order_leaves_nothing(
    mirror: Mirror, source: Path, change: dict[str, object], reason: str
) -> None:
    assert refused(mirror, source, msgspec.structs.replace(order(), **change)) == reason


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["A", "a"], "case-clash"),
        (["aux.h"], "not-portable"),
        (["File::Find.3pm"], "not-portable"),
        (["a.spot-new"], "reserved-name"),
    ],
)
def test_names_that_are_not_portable_are_refused_for_any_and_most_are_fine_on_linux(
    mirror: Mirror, tmp_path: Path, names: list[str], reason: str
) -> None:
    top = rig.folder_of(tmp_path / "top", dict.fromkeys(names, b"1"))
    assert refused(mirror, top, order()) == reason
    on_linux = msgspec.structs.replace(order(), platform="linux-x86_64")
    if reason == "reserved-name":
        assert refused(mirror, top, on_linux) == reason
    else:
        assert publish.publish(mirror.means(), on_linux, top, dry_run=True).state is State.DRY_RUN


def test_links_in_a_ring_are_refused(mirror: Mirror, source: Path) -> None:
    (source / "one").symlink_to("two")
    (source / "two").symlink_to("one")
    assert refused(mirror, source, order()) == "link-loop"


def test_every_form_of_a_source_is_the_same_release(mirror: Mirror, source: Path, tmp_path: Path) -> None:
    means = mirror.means()
    assert publish.publish(means, order(), source).form is Form.FOLDER
    with zipfile.ZipFile(tmp_path / "source.zip", "w") as file:
        for name, content in CONTENT.items():
            file.writestr(name, content)
    assert publish.publish(means, order(), tmp_path / "source.zip").form is Form.ZIP
    for ending in tarring.PACKERS:
        outcome = publish.publish(means, order(), tarring.write(tmp_path, tarring.honest(CONTENT), ending))
        assert (outcome.state, outcome.form) == (State.ALREADY, Form.TAR)
    assert not mirror.place.staging.exists()


def test_a_file_or_an_opaque_archive_is_a_release_of_one_file(mirror: Mirror, tmp_path: Path) -> None:
    path = tarring.write(tmp_path, tarring.honest(CONTENT), "tar.gz")
    outcome = publish.publish(mirror.means(), msgspec.structs.replace(order(), opaque=True), path)
    assert (outcome.form, outcome.files, outcome.size) == (Form.FILE, 1, path.stat().st_size)
    assert rig.contents(mirror, order()) == {"x.tar.gz": path.read_bytes()}


def test_a_wrong_passphrase_does_not_matter_where_nothing_is_signed(mirror: Mirror, source: Path) -> None:
    mirror.publish(source)
    means = mirror.means(passphrase="wrong")
    assert publish.publish(means, order(), source).state is State.ALREADY
    assert publish.publish(means, order("2.0"), source, dry_run=True).state is State.DRY_RUN
    with pytest.raises(PassphraseError):
        publish.publish(means, order(channels=("beta",)), source)


@pytest.mark.parametrize("name", ["publishing", "publishing/staging", "releases", "releases/sdk", "catalogue/targets"])
def test_a_file_where_a_folder_must_be_is_one_sentence(mirror: Mirror, tmp_path: Path, name: str) -> None:
    in_the_way = mirror.data / name
    shutil.rmtree(in_the_way, ignore_errors=True)
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_bytes(b"in the way")
    packed = tarring.write(tmp_path, tarring.honest(CONTENT), "tar.gz")
    with pytest.raises(PublishError) as error:
        mirror.publish(packed)
    assert error.value.reason == "not-a-folder"
    assert f"{in_the_way} is a file" in str(error.value)
    assert "\n" not in str(error.value)
    in_the_way.unlink()
    assert mirror.publish(packed).state is State.PUBLISHED


def test_a_disk_that_may_only_be_read_is_one_sentence(tmp_path: Path, source: Path) -> None:
    with rig.small_disk(tmp_path / "disk", 2**20) as disk:
        mirror = rig.new_mirror(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(PublishError) as error:
            mirror.publish(source)
        assert error.value.reason == "io"
        assert "Read-only file system" in str(error.value)
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert mirror.publish(source).state is State.PUBLISHED


def test_a_disk_too_small_for_an_unpacked_archive_is_full(tmp_path: Path) -> None:
    packed = tarring.write(tmp_path, tarring.honest({"a": bytes(4 * 2**20)}), "tar.gz")
    with rig.small_disk(tmp_path / "disk", 2**20) as disk:
        mirror = rig.new_mirror(disk)
        with pytest.raises(PublishError) as error:
            mirror.publish(packed)
        assert error.value.reason == "no-space"
        assert not mirror.place.staging.exists()
