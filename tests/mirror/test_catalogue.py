"""Reading the catalogue: verified from the root down, whole, and safe while a publish runs."""

import json
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from ca.files import open_ordinary
from mirror import catalogue, targets
from mirror.catalogue import Catalogue
from mirror.errors import CatalogueFault
from mirror.signing import ring, roles, statements
from mirror.signing.ring import Ring
from mirror.signing.roles import Keyholders
from spot_client.wire import baselines, halts, index, trust
from spot_client.wire.baselines import Baseline, Baselines
from spot_client.wire.digest import sha256_hex
from spot_client.wire.halts import Halt, Halts
from spot_client.wire.index import Index, Release, Severity, Tombstone
from spot_client.wire.sealed import Seal
from spot_client.wire.trust import OfficialMirror, Trust
from tests.mirror.content.rig import Lists, sign_catalogue
from tests.mirror.publishing import rig

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ONE_KEY = CryptoSigner.generate_ed25519()
PUBLISHED = (
    "1.root.json",
    "2.snapshot.json",
    "2.targets.json",
    "1.sdk.json",
    "timestamp.json",
    "index",
)


@pytest.fixture(scope="module")
def published() -> Iterator[rig.Mirror]:
    """A mirror with one release; tests copy it, and do not change it."""
    with TemporaryDirectory() as folder:
        mirror = rig.new_mirror(Path(folder), lambda: NOW)
        mirror.publish(rig.folder_of(Path(folder) / "source", {"a": b"1"}), clock=lambda: NOW)
        yield mirror


@pytest.fixture
def folder(published: rig.Mirror, tmp_path: Path) -> Path:
    """A catalogue of its own for the test."""
    shutil.copytree(published.catalogue, tmp_path / "catalogue")
    return tmp_path / "catalogue"


def file_of(folder: Path, name: str) -> Path:
    return next(folder.rglob("*." + "index.json.zst")) if name == "index" else folder / name


def reason(folder: Path) -> str:
    with pytest.raises(CatalogueFault) as error:
        catalogue.load(folder)
    return error.value.reason


def root_of(folder: Path) -> Metadata[Root]:
    return Metadata[Root].from_bytes((folder / "1.root.json").read_bytes())


def write_root(folder: Path, root: Root, *rings: Ring) -> None:
    metadata = Metadata(root)
    for one in rings:
        metadata.sign(one.signer("root"), append=True)
    (folder / f"{root.version}.root.json").write_bytes(metadata.to_bytes())


def test_a_catalogue_says_what_is_on_offer_and_until_when(published: rig.Mirror) -> None:
    found = catalogue.load(published.catalogue)
    assert found.version == 2
    assert found.current == {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2, "sdk": 1, "halts": 1, "house": 1}
    assert found.expires["timestamp"] == datetime(2026, 3, 4, tzinfo=UTC)
    assert [*found.indexes] == [("sdk", "tool")]
    release = found.release("sdk", "tool", "1.0", "any")
    assert release is not None
    assert (release.version, release.published) == ("1.0", "2026-03-01T00:00:00Z")
    for other in (("sdk", "tool", "1.1", "any"), ("sdk", "tool", "1.0", "linux-arm64"), ("x", "tool", "1.0", "any")):
        assert found.release(*other) is None


def test_withdrawn_versions_were_published_too(published: rig.Mirror) -> None:
    found = catalogue.load(published.catalogue)
    gone = Tombstone("0.9", "any", "2026-01-01T00:00:00Z", "broken")
    offered = msgspec.structs.replace(found.indexes["sdk", "tool"], tombstones=(gone,))
    changed = msgspec.structs.replace(found, indexes={("sdk", "tool"): offered})
    assert changed.ever_published("sdk", "tool") == {"0.9", "1.0"}
    assert changed.ever_published("sdk", "other") == frozenset()
    assert changed.release("sdk", "tool", "0.9", "any") is None


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    file_of(folder, name).unlink()
    with pytest.raises(CatalogueFault) as error:
        catalogue.load(folder)
    assert error.value.reason == "missing"
    assert "Restore the catalogue from a backup" in str(error.value)
    assert "init" not in str(error.value)


@pytest.mark.parametrize("name", PUBLISHED)
def test_truncated_and_over_long_files_are_refused(folder: Path, name: str) -> None:
    path = file_of(folder, name)
    path.write_bytes(path.read_bytes()[:-10])
    assert reason(folder) == "damaged"
    path.write_bytes(b"x" * 6_000_000)
    assert reason(folder) == "too-large"
    path.unlink()
    path.mkdir()
    assert reason(folder) == "unreadable"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PUBLISHED), st.integers(min_value=0), st.integers(1, 255))
def test_no_flipped_bit_changes_what_is_read(published: rig.Mirror, name: str, place: int, flip: int) -> None:
    with TemporaryDirectory() as top:
        folder = Path(shutil.copytree(published.catalogue, Path(top) / "catalogue"))
        raw = bytearray(file_of(folder, name).read_bytes())
        raw[place % len(raw)] ^= flip
        file_of(folder, name).write_bytes(raw)
        try:
            found = catalogue.load(folder)
        except CatalogueFault:
            return
        assert found == catalogue.load(published.catalogue)


def test_an_older_file_under_a_newer_name_is_refused(folder: Path) -> None:
    shutil.copy(folder / "1.snapshot.json", folder / "2.snapshot.json")
    assert reason(folder) == "damaged"


def test_signed_metadata_that_is_not_what_was_named_is_refused(published: rig.Mirror, folder: Path) -> None:
    mirror = rig.Mirror(folder.parent, published.keys, folder.parent / "client")
    before = (folder / "timestamp.json").read_bytes()
    mirror.resign(lambda: NOW.replace(day=2))
    named = (folder / "timestamp.json").read_bytes()
    (folder / "timestamp.json").write_bytes(before)
    mirror.resign(lambda: NOW)
    (folder / "timestamp.json").write_bytes(named)
    assert reason(folder) == "damaged"


def test_metadata_of_another_role_is_refused(folder: Path) -> None:
    shutil.copy(folder / "2.snapshot.json", folder / "timestamp.json")
    assert reason(folder) == "damaged"


def test_a_change_that_nobody_signed_is_refused(folder: Path) -> None:
    document = json.loads((folder / "timestamp.json").read_bytes())
    document["signed"]["version"] = 99
    (folder / "timestamp.json").write_text(json.dumps(document))
    assert reason(folder) == "not-signed"


def test_a_newer_root_counts_if_the_older_one_signed_it(published: rig.Mirror, folder: Path) -> None:
    root = root_of(folder).signed
    root.version = 2
    write_root(folder, root, published.ring())
    assert catalogue.load(folder).current["root"] == 2


def test_a_newer_root_that_only_signed_itself_is_refused(folder: Path, tmp_path: Path) -> None:
    thief = ring.create(tmp_path / "thief", ("root",), lambda: rig.PASSPHRASE)
    root = root_of(folder).signed
    root.version = 2
    root.roles["root"].keyids.clear()
    root.add_key(thief.key("root").verifier, "root")
    write_root(folder, root, thief)
    assert reason(folder) == "not-signed"


def test_a_newer_root_beside_the_timestamp_of_the_older_one_is_not_there_yet(
    published: rig.Mirror, folder: Path, tmp_path: Path
) -> None:
    """What a rotation leaves that was killed before its last step: `serve` may start in that moment."""
    other = ring.create(tmp_path / "other", ("timestamp",), lambda: rig.PASSPHRASE)
    root = root_of(folder).signed
    root.version = 2
    roles.assign(root, "timestamp", Keyholders(1, (other.key("timestamp").verifier,)))
    write_root(folder, root, published.ring())
    assert catalogue.load(folder).current["root"] == 1
    root.version = 3
    write_root(folder, root, published.ring())
    assert reason(folder) == "not-signed"


def test_a_root_after_a_gap_is_not_there(published: rig.Mirror, folder: Path) -> None:
    root = root_of(folder).signed
    root.version = 3
    write_root(folder, root, published.ring())
    assert catalogue.load(folder).current["root"] == 1


def test_one_key_under_two_ids_is_refused(published: rig.Mirror, folder: Path) -> None:
    root = root_of(folder).signed
    twin = root.keys[root.roles["timestamp"].keyids[0]].to_dict()
    root.keys["f" * 64] = type(root.keys[root.roles["root"].keyids[0]]).from_dict("f" * 64, twin)
    root.roles["timestamp"].keyids.append("f" * 64)
    write_root(folder, root, published.ring())
    assert reason(folder) == "damaged"


def test_an_index_of_another_component_is_refused(published: rig.Mirror, folder: Path) -> None:
    mirror = rig.Mirror(folder.parent, published.keys, folder.parent / "client")
    packed = index.encode(Index(product="sdk", component="other"), level=1)
    signed = Metadata[Targets].from_bytes((folder / "1.sdk.json").read_bytes()).signed
    path = index.target_path("sdk", "tool")
    signed.targets[path] = file = TargetFile.from_data(path, packed, ["sha256"])
    (folder / "targets" / file.get_prefixed_paths()[0]).write_bytes(packed)
    metadata = Metadata(signed)
    metadata.sign(mirror.ring().signer("publisher"))
    (folder / "1.sdk.json").write_bytes(metadata.to_bytes())
    chain = catalogue.read_chain(published.catalogue)
    until = NOW.replace(year=2027)
    snapshot = Metadata(statements.next_snapshot(chain.snapshot, [("sdk", 1, metadata.to_bytes())], until))
    snapshot.sign(mirror.ring().signer("snapshot"))
    (folder / "3.snapshot.json").write_bytes(snapshot.to_bytes())
    timestamp = Metadata(statements.next_timestamp(chain.timestamp, (3, snapshot.to_bytes()), until))
    timestamp.sign(mirror.ring().signer("timestamp"))
    (folder / "timestamp.json").write_bytes(timestamp.to_bytes())
    with pytest.raises(CatalogueFault, match="belongs at sdk/other/index") as error:
        catalogue.load(folder)
    assert error.value.reason == "damaged"


def test_an_empty_folder_has_no_catalogue(tmp_path: Path) -> None:
    assert reason(tmp_path) == "missing"


def test_only_where_there_is_no_folder_a_new_catalogue_is_advised(tmp_path: Path) -> None:
    with pytest.raises(CatalogueFault) as error:
        catalogue.load(tmp_path / "catalogue")
    assert error.value.reason == "missing"
    assert "spot-mirror init" in str(error.value)


def test_a_reader_sees_a_whole_catalogue_while_others_publish(tmp_path: Path) -> None:
    mirror = rig.new_mirror(tmp_path)
    source = rig.folder_of(tmp_path / "source", {"a": b"1"})
    done = threading.Event()
    seen: list[Catalogue] = []

    def read() -> None:
        while not done.is_set():
            seen.append(catalogue.load(mirror.catalogue))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(8):
            mirror.publish(source, f"1.{number}")
    finally:
        done.set()
        reader.join()
    assert not any(len(found.ever_published("sdk", "tool")) != found.version - 1 for found in seen), (
        "each version of the catalogue has exactly its releases"
    )
    assert len(seen) > 8


SDK = Index(product="sdk", component="tool")
RELEASE = Release("1.0", "any", ("stable",), Seal("0" * 64, 600), Severity.BUG, "2026-01-01T00:00:00Z")
OFFERED = msgspec.structs.replace(SDK, releases=(RELEASE,))
SETS = Baselines(product="sdk", baselines=(Baseline("2026.1", {"tool": "1.0"}, "2026-01-01T00:00:00Z"),))
STOPPED = Halts(product="sdk", halts=(Halt("tool", "1.0", "any", "2026-01-01T00:00:00Z", "Loses files."),))
MIRRORS = Trust(mirrors=(OfficialMirror("https://updates.example.com", "PEM"),))
LISTS: Lists = {
    ("sdk", "sdk/baselines.json.zst"): baselines.encode(SETS, level=1),
    ("halts", "halts/sdk.json.zst"): halts.encode(STOPPED, level=1),
    ("house", "house/trust.json"): trust.encode(MIRRORS),
}


def signed(folder: Path, lists: Lists, number: int = 1) -> Path:
    """A catalogue that one key of all roles has signed, with these targets beside the index of sdk/tool."""
    sign_catalogue(folder / "catalogue", [SDK], number, ONE_KEY, lists)
    return folder / "catalogue"


def test_a_catalogue_without_lists_has_none_of_them(published: rig.Mirror) -> None:
    found = catalogue.load(published.catalogue)
    assert (found.halts, found.baselines, found.trust) == ({}, {}, None)


def test_halts_baselines_and_the_list_of_mirrors_are_read_by_product(tmp_path: Path) -> None:
    found = catalogue.load(signed(tmp_path, LISTS))
    assert found.indexes == {("sdk", "tool"): SDK}
    assert (found.halts, found.baselines, found.trust) == ({"sdk": STOPPED}, {"sdk": SETS}, MIRRORS)
    assert {"halts", "house", "sdk"} < found.current.keys()
    assert {path for _, path in LISTS} < found.parts.keys()


@pytest.mark.parametrize(("role", "path"), LISTS)
def test_a_list_that_is_not_what_was_signed_is_damaged(tmp_path: Path, role: str, path: str) -> None:
    folder = signed(tmp_path, LISTS)
    (file,) = (folder / "targets").rglob(f"*.{path.rpartition('/')[2]}")
    file.write_bytes(LISTS[role, path] + b" ")
    assert reason(folder) == "damaged"
    file.unlink()
    assert reason(folder) == "missing"


FOREIGN: dict[str, tuple[str, str, bytes]] = {
    "a product, another's index": ("sdk", "science/tool/index.json.zst", index.encode(SDK, level=1)),
    "a product, another's baselines": ("sdk", "science/baselines.json.zst", baselines.encode(SETS, level=1)),
    "a product, baselines of another in its place": (
        "sdk",
        "sdk/baselines.json.zst",
        baselines.encode(Baselines(product="science"), level=1),
    ),
    "a product, halts": ("sdk", "halts/sdk.json.zst", halts.encode(STOPPED, level=1)),
    "a product, halts as an index": ("sdk", "sdk/other/index.json.zst", halts.encode(STOPPED, level=1)),
    "a product, the list of mirrors": ("sdk", "house/trust.json", trust.encode(MIRRORS)),
    "a product, a path that it has not": ("sdk", "sdk/deltas.json.zst", b"x"),
    "a product, a component's index deeper down": ("sdk", "sdk/a/tool/index.json.zst", index.encode(SDK, level=1)),
    "a product, a way up": ("sdk", "sdk/../sdk/tool/index.json.zst", index.encode(SDK, level=1)),
    "a product, a name that steers a terminal": ("sdk", "sdk/to\x1bol/index.json.zst", index.encode(SDK, level=1)),
    "halts, an index": ("halts", "sdk/tool/index.json.zst", index.encode(SDK, level=1)),
    "halts, an index in its folder": ("halts", "halts/sdk.json.zst", index.encode(SDK, level=1)),
    "halts, those of another product": ("halts", "halts/science.json.zst", halts.encode(STOPPED, level=1)),
    "halts, deeper down": ("halts", "halts/sdk/tool.json.zst", halts.encode(STOPPED, level=1)),
    "house, halts": ("house", "halts/sdk.json.zst", halts.encode(STOPPED, level=1)),
    "house, another list": ("house", "house/other.json", trust.encode(MIRRORS)),
    "house, an index": ("house", "house/trust/index.json.zst", index.encode(SDK, level=1)),
    "a role that is no product's": ("Sdk", "Sdk/tool/index.json.zst", index.encode(SDK, level=1)),
    "a role of the top": ("timestamp", "timestamp/tool/index.json.zst", index.encode(SDK, level=1)),
}


@pytest.mark.parametrize(("role", "path", "raw"), FOREIGN.values(), ids=FOREIGN)
def test_a_role_may_only_list_what_is_its_own(tmp_path: Path, role: str, path: str, raw: bytes) -> None:
    assert reason(signed(tmp_path, {(role, path): raw})) == "damaged"


def test_what_was_not_signed_anew_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [Index(product="sdk", component=f"c{number}") for number in range(20)]
    sign_catalogue(tmp_path, [SDK, *others], 1, ONE_KEY, LISTS)
    before = catalogue.load(tmp_path)
    sign_catalogue(tmp_path, [OFFERED, *others], 2, ONE_KEY, LISTS)
    opened: list[str] = []

    def watched(path: Path) -> BinaryIO:
        opened.append(path.name)
        return open_ordinary(path)

    monkeypatch.setattr(targets, "open_ordinary", watched)
    after = catalogue.load(tmp_path, before)
    assert [name for name in opened if not name.endswith(("root.json", "targets.json", "snapshot.json"))] == [
        "timestamp.json",
        "2.sdk.json",
        "2.halts.json",
        "2.house.json",
        f"{sha256_hex(index.encode(OFFERED, level=1))}.index.json.zst",
    ]
    assert after == catalogue.load(tmp_path)
    assert after.indexes["sdk", "c7"] is before.indexes["sdk", "c7"]
    assert after.release("sdk", "tool", "1.0", "any") == RELEASE


def test_what_is_not_listed_any_more_is_forgotten(tmp_path: Path) -> None:
    sign_catalogue(tmp_path, [SDK], 1, ONE_KEY, LISTS)
    before = catalogue.load(tmp_path)
    sign_catalogue(tmp_path, [SDK], 2, ONE_KEY)
    after = catalogue.load(tmp_path, before)
    assert (after.halts, after.baselines, after.trust, [*after.parts]) == ({}, {}, None, ["sdk/tool/index.json.zst"])
