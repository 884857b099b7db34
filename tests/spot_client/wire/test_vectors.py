"""The formats are frozen: what was written on the day of format 1 is read for ever, and text is still written so.

Compressed bytes may come out otherwise with another zstd, so for them only reading is frozen.
"""

import json

import pytest

from spot_client.wire import (
    baselines,
    document,
    halts,
    index,
    installation,
    manifest,
    pack,
    problem,
    thin_snapshot,
    trust,
)
from spot_client.wire.document import Document
from spot_client.wire.routes import METHODS, Kind, Route, parse
from spot_client.wire.sealed import Seal
from tests.spot_client.wire.samples import (
    BASELINES,
    BLOCKS,
    CERTIFICATES,
    HALTS,
    INDEX,
    LICENCES,
    MANIFEST,
    MINTED,
    PROBLEM,
    SETTINGS,
    THIN_SNAPSHOT,
    TOOL,
    TRUST,
    vector,
)

SEAL = Seal(head="43c42624eb3b18f103054e1f55feb0d02275f35878c32b80a30a016643977e9f", length=848)
HEAD = (
    b'{"content":{"length":1235,"sha256":"0f0dcb5bcd59d38b681cd467c1eefc6c59929c697d0e0bda3451524132b36e7e"},"format":1,'
    b'"frame":{"length":617,"sha256":"9aad02d35ec0abcc08e7d93f6cff33b7745a79116755c44ddcae89b7e9d0e7b5"},"min_spot":"0.1"}\n'
)
ROUTES = json.loads(vector("routes.json"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("manifest.json", MANIFEST),
        ("index.json", INDEX),
        ("baselines.json", BASELINES),
        ("halts.json", HALTS),
        ("trust.json", TRUST),
        ("thin-snapshot.json", THIN_SNAPSHOT),
        ("minted.json", MINTED),
        ("licences.json", LICENCES),
    ],
)
def test_a_document_has_the_bytes_it_always_had(name: str, value: Document) -> None:
    assert document.encode(value) == vector(name)
    assert document.decode(vector(name), type(value), max_bytes=10_000, what="The vector") == value


def test_a_sealed_manifest_is_its_head_line_and_a_frame_and_the_head_alone_is_signed() -> None:
    raw = vector("manifest.sealed")
    assert raw.startswith(HEAD)
    assert manifest.decode(raw, SEAL) == MANIFEST


def test_a_sealed_manifest_of_today_differs_from_the_stored_one_in_its_frame_only() -> None:
    raw, seal = manifest.encode(MANIFEST, level=3)
    head, _, packed = raw.partition(b"\n")
    line = json.loads(head)
    assert line["content"] == json.loads(HEAD)["content"]
    assert line["frame"]["length"] == len(packed) == seal.length - len(head) - 1
    assert manifest.decode(raw, seal) == MANIFEST


def test_a_pack_is_its_blocks_one_after_another_and_a_file_is_found_by_its_offset() -> None:
    stored = vector("pack")
    spans = pack.spans(MANIFEST)
    assert [(span.start, span.offset) for span in spans] == [(0, 0), (57, 48)]
    assert spans[-1].start + spans[-1].block.length == len(stored)
    stream = b"".join(pack.decode_block(stored[s.start : s.start + s.block.length], s.block) for s in spans)
    contents = {file.path: stream[file.offset : file.offset + file.size] for file in MANIFEST.files}
    assert contents == {"bin/tool": TOOL, "lib/Füße": TOOL, "lib/empty": b"", "lib-settings": SETTINGS}


def test_what_is_packed_today_is_read_like_what_was_packed_then() -> None:
    for piece, stored in zip(pack.cut([TOOL + SETTINGS], size=48), BLOCKS, strict=True):
        packed, block = pack.encode_block(piece)
        assert pack.decode_block(packed, block) == piece
        assert block.size == stored.size


def test_an_index_is_one_frame_of_its_document() -> None:
    assert index.decode(vector("index.json.zst")) == INDEX
    assert index.decode(index.encode(INDEX, level=3)) == INDEX
    assert index.target_path("sdk", "botocore") == "sdk/botocore/index.json.zst"


def test_baselines_and_halts_are_frames_of_their_documents() -> None:
    assert baselines.decode(vector("baselines.json.zst")) == BASELINES
    assert baselines.decode(baselines.encode(BASELINES, level=3)) == BASELINES
    assert baselines.target_path("sdk") == "sdk/baselines.json.zst"
    assert halts.decode(vector("halts.json.zst")) == HALTS
    assert halts.decode(halts.encode(HALTS, level=3)) == HALTS
    assert halts.target_path("sdk") == "halts/sdk.json.zst"


def test_a_list_of_mirrors_is_its_document_and_names_pins_the_current_one_first() -> None:
    assert trust.encode(TRUST) == vector("trust.json")
    assert trust.decode(vector("trust.json")) == TRUST
    assert [len(mirror.pins) for mirror in TRUST.mirrors] == [3, 1]
    assert TRUST.mirrors[0].pins == tuple(CERTIFICATES)
    assert trust.PATH == "house/trust.json"


def test_a_thin_snapshot_holds_versions_and_nothing_else() -> None:
    raw = vector("thin-snapshot.json")
    assert thin_snapshot.encode(THIN_SNAPSHOT.components) == raw
    assert thin_snapshot.decode(raw) == THIN_SNAPSHOT
    assert raw == (b'{"components":{"science/numpy":"2.2.5","sdk/botocore":"1.40.1"},"format":1,"min_spot":"0.1"}')


def test_a_refusal_has_the_body_it_always_had() -> None:
    assert problem.encode(PROBLEM) == vector("problem.json")
    assert problem.read_reason(vector("problem.json")) == (PROBLEM.reason, PROBLEM.detail, PROBLEM.request)


def test_short_forms_are_what_they_always_were() -> None:
    for whole, short in json.loads(vector("short-forms.json")).items():
        assert installation.short_form(whole) == short
        assert installation.read_short_form(short) == whole[:8]


def test_an_id_is_its_random_bits_in_base_32() -> None:
    assert installation.mint(bytes(range(10))) == "000g40r40m30e209"
    assert installation.mint(b"\xff" * 10) == "z" * 16


@pytest.mark.parametrize("path", ROUTES["paths"])
def test_a_path_leads_where_it_always_led(path: str) -> None:
    fields = dict(ROUTES["paths"][path])
    route = Route(kind=Kind(fields.pop("kind")), **fields)
    assert parse(path) == route
    assert route.path == path


@pytest.mark.parametrize("path", ROUTES["nowhere"])
def test_any_other_path_leads_nowhere(path: str) -> None:
    assert parse(path) is None


def test_all_kinds_of_routes_are_among_the_vectors_and_have_methods() -> None:
    assert {route["kind"] for route in ROUTES["paths"].values()} == {kind.value for kind in Kind}
    assert METHODS.keys() == set(Kind)
    assert {kind for kind, methods in METHODS.items() if methods - {"GET", "HEAD"}} == {
        Kind.INSTALLATIONS,
        Kind.THIN_SNAPSHOT,
        Kind.ENROL,
        Kind.REENROL,
    }
