"""Known bytes with a few changed, and bytes of any kind, behind right digests: refused by name, or read as they are."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.wire import document, frame, manifest, names, pack, sealed, thin_snapshot
from spot_client.wire.digest import sha256_hex
from spot_client.wire.errors import BadName, DigestError, FormatError
from spot_client.wire.manifest import Block, Manifest
from spot_client.wire.sealed import Seal
from tests.spot_client.wire.readers import READERS
from tests.spot_client.wire.samples import BLOCKS, vector
from tests.spot_client.wire.strategies import manifests, mutated

PACKED = vector("pack")[: BLOCKS[0].length]
hostile = st.text(st.sampled_from("aZ0-_./\\\0\n ü\ud800\u202e~%:*\u0661"), max_size=12) | st.text(max_size=70)


def read(name: str, raw: bytes) -> object:
    """What a parser makes of a document; None if it refused it."""
    try:
        return READERS[name](raw)
    except FormatError:
        return None


@pytest.mark.parametrize("name", READERS)
@given(st.data())
def test_a_changed_document_behind_right_digests_is_refused_or_is_the_one_spelling_of_what_was_read(
    name: str, data: st.DataObject
) -> None:
    raw = data.draw(mutated(vector(f"{name}.json")))
    value = read(name, raw)
    if value is not None:
        assert isinstance(value, document.Document)
        assert document.encode(value) == raw


@pytest.mark.parametrize("name", READERS)
@given(st.binary(max_size=200))
def test_any_bytes_behind_right_digests_are_refused(name: str, raw: bytes) -> None:
    assert read(name, raw) is None


@given(manifests(), st.data())
def test_a_changed_manifest_that_is_read_keeps_the_rules(value: Manifest, data: st.DataObject) -> None:
    changed = read("manifest", data.draw(mutated(document.encode(value))))
    if changed is not None:
        assert isinstance(changed, Manifest)
        manifest.check(changed)


@given(mutated(vector("thin-snapshot.json")))
def test_a_changed_thin_snapshot_names_components_and_versions_or_is_refused(raw: bytes) -> None:
    try:
        components = thin_snapshot.decode(raw).components
    except FormatError:
        return
    assert thin_snapshot.encode(components) == raw


@given(mutated(vector("manifest.sealed")) | st.binary(max_size=700))
def test_whatever_is_signed_for_as_it_is_is_refused_by_name_or_unsealed_to_what_it_names(raw: bytes) -> None:
    line = raw[: raw.find(b"\n", 0, sealed.MAX_HEAD_BYTES) + 1]
    try:
        content = sealed.unseal(raw, Seal(sha256_hex(line), len(raw)), max_size=2**20, what="It")
    except (DigestError, FormatError):
        return
    assert sha256_hex(content).encode() in line


@given(mutated(PACKED) | st.binary(max_size=100), st.integers(1, 100))
def test_a_block_of_any_bytes_has_the_size_that_was_signed_or_is_refused(packed: bytes, size: int) -> None:
    try:
        content = pack.decode_block(packed, Block(len(packed), sha256_hex(packed), size))
    except FormatError:
        return
    assert len(content) == size


@given(st.binary(max_size=100), st.integers(0, 1000))
def test_any_bytes_are_no_frame_or_one_within_its_limit(packed: bytes, limit: int) -> None:
    for start in (b"", frame.compress(b"", level=1)[:4]):  # the second with the number that frames begin with
        try:
            content = frame.decompress(start + packed, max_size=limit, what="It")
        except FormatError:
            continue
        assert len(content) <= limit


@pytest.mark.parametrize(
    "check",
    [
        names.check_product,
        lambda text: names.check_id("component", text),
        lambda text: "/".join(names.split_component(text)),
        lambda text: str(names.check_version(text)),
        names.check_platform,
        names.check_path,
        lambda text: names.check_link("d/e/f", text),
    ],
    ids=["product", "id", "component", "version", "platform", "path", "link"],
)
@given(text=hostile)
def test_a_name_is_allowed_as_it_stands_or_refused_by_name(check: Callable[[str], str], text: str) -> None:
    try:
        assert check(text) == text
    except BadName:
        return
    assert len(text.encode()) <= names.MAX_PATH_BYTES
    assert not set(text) & set("\0\n\\\u202e")
