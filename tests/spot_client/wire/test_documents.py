"""What is written is read to the same, and one value has one spelling: for all kinds of documents."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca import strict_json
from spot_client.wire import baselines, document, frame, halts, index, manifest, sealed, thin_snapshot, trust
from spot_client.wire.baselines import Baseline, Baselines
from spot_client.wire.digest import sha256_hex
from spot_client.wire.document import Document
from spot_client.wire.errors import BadName, DigestError, FormatError, WireError
from spot_client.wire.halts import Halt, Halts
from spot_client.wire.index import Index, Release, Severity
from spot_client.wire.installation import Minted
from spot_client.wire.licences import LicenceList
from spot_client.wire.manifest import Block, Directory, File, Manifest
from spot_client.wire.sealed import Seal
from spot_client.wire.thin_snapshot import ThinSnapshot
from spot_client.wire.trust import OfficialMirror, Trust
from tests.spot_client.wire.samples import vector
from tests.spot_client.wire.strategies import (
    baseline_lists,
    components,
    halt_lists,
    ids,
    indexes,
    manifests,
    mirror_lists,
    mutated,
    versions,
)

SHAPES: dict[str, type[Document]] = {
    "manifest": Manifest,
    "index": Index,
    "baselines": Baselines,
    "halts": Halts,
    "trust": Trust,
    "thin-snapshot": ThinSnapshot,
    "minted": Minted,
    "licences": LicenceList,
}


@given(manifests())
def test_a_manifest_is_read_as_it_was_written(value: Manifest) -> None:
    assert manifest.decode(*manifest.encode(value, level=1)) == value


@given(indexes())
def test_an_index_is_read_as_it_was_written(value: Index) -> None:
    assert index.decode(index.encode(value, level=1)) == value


@given(baseline_lists())
def test_baselines_are_read_as_they_were_written(value: Baselines) -> None:
    assert baselines.decode(baselines.encode(value, level=1)) == value


@given(halt_lists())
def test_halts_are_read_as_they_were_written(value: Halts) -> None:
    assert halts.decode(halts.encode(value, level=1)) == value


@given(mirror_lists())
def test_a_list_of_mirrors_is_read_as_it_was_written(value: Trust) -> None:
    assert trust.decode(trust.encode(value)) == value


@given(st.dictionaries(components, versions(), max_size=10))
def test_a_thin_snapshot_is_read_as_it_was_written(value: dict[str, str]) -> None:
    assert thin_snapshot.decode(thin_snapshot.encode(value)).components == value


@pytest.mark.parametrize("name", SHAPES)
@given(data=st.data())
def test_changed_bytes_are_refused_or_are_the_one_spelling_of_another_value(name: str, data: st.DataObject) -> None:
    raw = vector(f"{name}.json")
    changed = data.draw(mutated(raw))
    try:
        value = document.decode(changed, SHAPES[name], max_bytes=10_000, what="The document")
    except FormatError:
        return
    assert strict_json.encode(value) == changed
    assert changed == raw or value != document.decode(raw, SHAPES[name], max_bytes=10_000, what="The document")


@given(st.data())
def test_a_sealed_manifest_with_a_changed_byte_is_never_read(data: st.DataObject) -> None:
    raw = vector("manifest.sealed")
    seal = Seal(head="43c42624eb3b18f103054e1f55feb0d02275f35878c32b80a30a016643977e9f", length=len(raw))
    changed = data.draw(mutated(raw).filter(raw.__ne__))
    with pytest.raises(DigestError):
        manifest.decode(changed, seal)


@given(st.data())
def test_an_index_of_changed_bytes_is_refused_by_name_or_keeps_the_rules(data: st.DataObject) -> None:
    changed = frame.compress(data.draw(mutated(vector("index.json"))), level=1)
    try:
        value = index.decode(changed)
    except FormatError:
        return
    index.check(value)


@given(st.data())
def test_baselines_and_halts_of_changed_bytes_are_refused_by_name_or_keep_the_rules(data: st.DataObject) -> None:
    for name, room in (("baselines", baselines), ("halts", halts)):
        changed = frame.compress(data.draw(mutated(vector(f"{name}.json"))), level=1)
        try:
            value = room.decode(changed)
        except FormatError:
            continue
        assert room.decode(room.encode(value, level=1)) == value


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_refused_by_name(raw: bytes) -> None:
    for shape in SHAPES.values():
        with pytest.raises(FormatError):
            document.decode(raw, shape, max_bytes=100, what="The document")
    for read in (index.decode, baselines.decode, halts.decode, trust.decode):
        with pytest.raises(FormatError):
            read(raw)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_a_header_of_any_kind_is_refused_by_name_or_is_ours(value: object) -> None:
    for header in ({"format": value, "min_spot": "0.1"}, {"format": 1, "min_spot": value}):
        raw = json.dumps({**header, "components": {}}, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        try:
            read = thin_snapshot.decode(raw.encode())
        except FormatError:
            continue
        assert read == ThinSnapshot(components={})


def test_a_document_of_later_days_asks_for_a_newer_spot_whatever_else_it_holds() -> None:
    for raw in (b'{"format":2,"min_spot":"0.9","news":[{}]}', b'{"min_spot":"99","format":1, "news":true}'):
        with pytest.raises(FormatError, match=r"needs SPOT (0\.9|99) or later") as error:
            thin_snapshot.decode(raw)
        assert error.value.reason == "too-new"


def test_a_thin_snapshot_may_have_64_kib_and_not_a_byte_more() -> None:
    names = {f"sdk/{number:05}-{'x' * 40}": "1.0" for number in range(1109)}
    room = thin_snapshot.MAX_BYTES - len(thin_snapshot.encode(names))
    filler = "sdk/y" + "y" * (room - len(',"sdk/y":"1.0"'))
    assert len(thin_snapshot.encode({**names, filler: "1.0"})) == thin_snapshot.MAX_BYTES
    with pytest.raises(FormatError) as error:
        thin_snapshot.encode({**names, filler + "y": "1.0"})
    assert error.value.reason == "too-large"
    with pytest.raises(FormatError) as error:
        thin_snapshot.decode(b" " * (thin_snapshot.MAX_BYTES + 1))
    assert error.value.reason == "too-large"


@given(ids | st.text(max_size=8), versions() | st.text(max_size=8))
def test_a_component_or_version_that_cannot_be_published_cannot_be_reported(component: str, version: str) -> None:
    try:
        raw = thin_snapshot.encode({f"sdk/{component}": version})
    except BadName:
        return
    assert thin_snapshot.decode(raw).components == {f"sdk/{component}": version}


@pytest.mark.parametrize(
    "broken",
    [
        Manifest(product="a", component="b", version="1", platform="any", entries=(Directory("d", 0o4755),), blocks=()),
        Manifest(
            product="a",
            component="b",
            version="1",
            platform="any",
            entries=(File("f", 0o644, 1, "A" * 64, 0),),
            blocks=(Block(1, "b" * 64, 1),),
        ),
        Index(
            product="a",
            component="b",
            releases=(Release("1", "any", ("c",), Seal("d" * 64, 1), Severity.BUG, "2026-01-01"),),
        ),
        Index(
            product="a",
            component="b",
            releases=(
                Release("1", "any", ("c",), Seal("d" * 64, 1), Severity.BUG, "2026-01-01T00:00:00Z", notes="\udcff"),
            ),
        ),
    ],
)
def test_nothing_is_written_that_would_not_be_read(broken: Manifest | Index) -> None:
    with pytest.raises(FormatError) as error:
        _ = manifest.encode(broken, level=1) if isinstance(broken, Manifest) else index.encode(broken, level=1)
    assert error.value.reason == "wrong-shape"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (Halts(product="a", halts=(Halt("b", "1", "any", "2026-01-01", ""),)), "wrong-shape"),
        (Halts(product="a", halts=(Halt("b", "1", "any", "2026-02-30T00:00:00Z", ""),)), "bad-halts"),
        (Halts(product="a", halts=(Halt("b", "1.0-1", "any", "2026-01-01T00:00:00Z", ""),)), "bad-version"),
        (Baselines(product="a", baselines=(Baseline("1/2", {"b": "1"}, "2026-01-01T00:00:00Z"),)), "wrong-shape"),
        (Baselines(product="a", baselines=(Baseline("1", {}, "2026-01-01T00:00:00Z"),)), "wrong-shape"),
        (Baselines(product="root"), "reserved-name"),
        (Trust(mirrors=()), "wrong-shape"),
        (Trust(mirrors=(OfficialMirror("http://a", "pem"),)), "wrong-shape"),
        (Trust(mirrors=(OfficialMirror("https://a", "pem"),) * 2), "bad-trust"),
    ],
)
def test_no_list_is_written_that_would_not_be_read(broken: Halts | Baselines | Trust, reason: str) -> None:
    with pytest.raises(WireError) as error:
        _write(broken)
    assert error.value.reason == reason


def _write(value: Halts | Baselines | Trust) -> bytes:
    match value:
        case Halts():
            return halts.encode(value, level=1)
        case Baselines():
            return baselines.encode(value, level=1)
        case Trust():
            return trust.encode(value)


def test_no_document_is_written_that_has_more_values_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are counted by commas and opening brackets: here 3 and 2."""
    monkeypatch.setattr(document, "MAX_VALUES", 5)
    raw = thin_snapshot.encode({"sdk/a": "1", "sdk/b": "2"})
    assert len(document.decode(raw, ThinSnapshot, max_bytes=100, what="It", max_values=5).components) == 2
    with pytest.raises(FormatError) as error:
        document.decode(raw, ThinSnapshot, max_bytes=100, what="It", max_values=4)
    assert error.value.reason == "too-large"
    with pytest.raises(FormatError) as error:
        thin_snapshot.encode({"sdk/a": "1", "sdk/b": "2", "sdk/c": "3"})
    assert error.value.reason == "too-large"


def test_an_index_over_its_caps_is_refused_before_it_is_unpacked_or_parsed() -> None:
    for packed in (b"\0" * (index.MAX_PACKED_BYTES + 1), frame.compress(b"[" * (32 * 2**20 + 1), level=1)):
        with pytest.raises(FormatError) as error:
            index.decode(packed)
        assert error.value.reason == "too-large"


def test_lists_over_their_caps_are_refused_before_they_are_unpacked_or_parsed() -> None:
    for room, most in ((baselines, 8 * 2**20), (halts, 4 * 2**20)):
        for packed in (b"\0" * (room.MAX_PACKED_BYTES + 1), frame.compress(b"[" * (most + 1), level=1)):
            with pytest.raises(FormatError) as error:
                room.decode(packed)
            assert error.value.reason == "too-large"
    with pytest.raises(FormatError) as error:
        trust.decode(b" " * (trust.MAX_BYTES + 1))
    assert error.value.reason == "too-large"


def test_a_manifest_that_says_it_is_over_the_cap_is_refused_before_it_is_unpacked() -> None:
    raw, _ = sealed.seal(b"{}", level=1)
    head = json.loads(raw[: raw.index(b"\n")])
    head["content"]["length"] = 512 * 2**20 + 1
    line = strict_json.encode(head) + b"\n"
    changed = line + raw[raw.index(b"\n") + 1 :]
    with pytest.raises(FormatError) as error:
        manifest.decode(changed, Seal(sha256_hex(line), len(changed)))
    assert error.value.reason == "too-large"
