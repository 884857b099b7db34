"""docs/formats.md says what the code does: its tables and its examples, one by one."""

import json
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgspec
import pytest
from tuf.ngclient.config import UpdaterConfig

from ca import bundle, identity, peer, strict_json
from ca.errors import JsonError
from mirror import catalogue
from mirror.content import customers, head, problems, ranges, sending
from mirror.limits import Limits
from mirror.signing.roles import TOP_ROLES
from mirror.signing.terms import Terms
from spot_client.fetch import catalogue as client_catalogue
from spot_client.wire import (
    baselines,
    digest,
    document,
    est,
    frame,
    halts,
    index,
    installation,
    licences,
    manifest,
    names,
    portable,
    problem,
    routes,
    sealed,
    thin_snapshot,
    trust,
)
from tests.docs import client, formats
from tests.docs.formats import block, code, marked, number, table

VECTORS = Path(__file__).parents[1] / "vectors"

SHAPES: Final[Mapping[str, type[msgspec.Struct]]] = {
    shape.__name__: shape
    for shape in (
        *(bundle.Bundle, bundle.MirrorPins, problem.Problem, installation.Minted),
        *(licences.LicenceList, licences.LicenceLine, index.Index, index.Release, index.Tombstone),
        *(baselines.Baselines, baselines.Baseline, halts.Halts, halts.Halt, trust.Trust, trust.OfficialMirror),
        *(sealed.Seal, sealed._Head, digest.Blob, thin_snapshot.ThinSnapshot),
        *(manifest.Manifest, manifest.Directory, manifest.File, manifest.Symlink, manifest.Block, manifest.Hook),
    )
}


def length(shape: type, field: str) -> int:
    """The largest length that stands at a field of a shape; of what it holds, if none stands at itself."""
    hint = get_type_hints(shape, include_extras=True)[field]
    return next(most for meta in metas(hint) if (most := meta.max_length) is not None)


def metas(hint: object) -> list[msgspec.Meta]:
    """All limits in a type, from the outside in."""
    found, level = [], [hint]
    while level:
        level = [inner for outer in level for inner in get_args(outer)]
        found += [part for part in level if isinstance(part, msgspec.Meta)]
    return found


LIMITS: Final = {
    "strict JSON: values around a value": strict_json.MAX_DEPTH,
    "document: `,` `[` and `{` in its bytes, together": document.MAX_VALUES,
    "index: the same": index._MAX_VALUES,
    "version": names._MAX_VERSION,
    "path in a release": names.MAX_PATH_BYTES,
    "bundle": bundle.MAX_BUNDLE,
    "bundle: PEM of a certificate or key": length(bundle.Bundle, "client_key"),
    "bundle: mirrors": length(bundle.Bundle, "mirrors"),
    "bundle: pins of a mirror": length(bundle.MirrorPins, "pins"),
    "bundle: catalogue root": length(bundle.Bundle, "catalogue_root"),
    "client certificate": peer.MAX_CERTIFICATE,
    "TUF root": catalogue.MAX_METADATA_BYTES["root"],
    "TUF timestamp": catalogue.MAX_METADATA_BYTES["timestamp"],
    "TUF snapshot": catalogue.MAX_METADATA_BYTES["snapshot"],
    "TUF targets and product roles": catalogue.MAX_METADATA_BYTES["targets"],
    "new roots in one refresh": UpdaterConfig().max_root_rotations,
    "index, as fetched": index.MAX_PACKED_BYTES,
    "index, unpacked": index._MAX_BYTES,
    "index: channels of a release": length(index.Release, "channels"),
    "index: notes of a release, reason of a tombstone": length(index.Release, "notes"),
    "index: specifiers of one component in `requires`": length(index.Release, "requires"),
    "baselines, as fetched": baselines.MAX_PACKED_BYTES,
    "baselines, unpacked": baselines._MAX_BYTES,
    "baselines: `,` `[` and `{`": baselines._MAX_VALUES,
    "baselines: components of one": length(baselines.Baseline, "components"),
    "baselines: notes of one": length(baselines.Baseline, "notes"),
    "halts, as fetched": halts.MAX_PACKED_BYTES,
    "halts, unpacked": halts._MAX_BYTES,
    "halts: `,` `[` and `{`": halts._MAX_VALUES,
    "halts: reason of one": length(halts.Halt, "reason"),
    "list of mirrors": trust.MAX_BYTES,
    "list of mirrors: mirrors": length(trust.Trust, "mirrors"),
    "list of mirrors: a certificate": length(trust.OfficialMirror, "current"),
    "sealed manifest": manifest.MAX_SEALED_BYTES,
    "sealed manifest: its line": sealed.MAX_HEAD_BYTES,
    "manifest, unpacked": manifest._MAX_CONTENT_BYTES,
    "manifest: entries": manifest.MAX_ENTRIES,
    "manifest: words of a hook": length(manifest.Hook, "command"),
    "manifest: characters of a hook's word": metas(manifest._Word)[0].max_length,
    "any length, size or offset": metas(digest.Length)[0].le,
    "block, unpacked": manifest.MAX_BLOCK_SIZE,
    "block, in the pack": manifest.MAX_BLOCK_SIZE + 2**17,
    "window of a frame": 1 << frame._WINDOW_LOG,
    "answer to `POST /installations`": installation.MAX_BYTES,
    "licences": licences.MAX_BYTES,
    "request for a certificate, and its answer": est.MAX_BODY,
    "thin snapshot": thin_snapshot.MAX_BYTES,
    "refusal": problem.MAX_BYTES,
    "route": routes.MAX_PATH,
    "path on a request line": head.MAX_TARGET,
    "header of a request, name and value": head.MAX_HEADER,
    "headers of a request": head.MAX_HEADERS,
    "`Range`": ranges.MAX_RANGE_HEADER,
    "ranges in one `Range`": ranges.MAX_RANGES,
    "`If-None-Match`, `If-Range`": ranges.MAX_HEADER,
    "all headers of a request, with its first line": Limits().header_bytes,
    "TLS handshake, of the client": Limits().handshake_bytes,
    "TLS handshake": Limits().handshake_seconds,
    "headers of a request, from their first byte on": Limits().header_seconds,
    "idle connection": Limits().idle_seconds,
    "body of a request": Limits().body_seconds,
    "pace at which an answer is read, over 20 seconds": Limits().answer_rate,
}


def test_the_limits_are_those_of_the_code() -> None:
    assert {what: number(most) for what, most in table("limits")} == LIMITS
    assert sending.WINDOW_SECONDS == 20


def test_the_client_of_tuf_has_the_limits_that_the_mirror_keeps() -> None:
    config = UpdaterConfig()
    asked = (
        *(config.root_max_length, config.timestamp_max_length),
        *(config.snapshot_max_length, config.targets_max_length),
    )
    assert asked == tuple(catalogue.MAX_METADATA_BYTES.values())
    assert max(asked) == client_catalogue.MAX_METADATA


def test_the_reasons_are_those_of_the_code_in_the_order_of_the_code() -> None:
    rows = [(code(reason)[0], int(status), closes) for reason, status, closes, _ in table("reasons")]
    told = [(reason.value, line.status, "yes" if line.closes else "no") for reason, line in problems.TABLE.items()]
    assert rows == told
    assert {reason for reason, _, _ in rows} == {reason.value for reason in problem.Reason}


def test_statuses_that_say_more_than_the_reason_are_named_with_it() -> None:
    room = Path(problems.__file__).parent
    code_says = {int(one) for path in room.glob("*.py") for one in re.findall(r"status=([45]\d\d)\b", path.read_text())}
    told = next(row[3] for row in table("reasons") if code(row[0]) == ["bad-request"])
    assert {int(status) for status in code(told)} == code_says


def test_the_routes_are_those_of_the_code() -> None:
    names_of = {"NUMBER": "7", "ROLE": "sdk", "PRODUCT": "sdk", "COMPONENT": "tool", "VERSION": "1.0"}
    names_of |= {"PLATFORM": "any", "SHA256": "0" * 64, "ID": "7k2m9xq40gct31vz"}
    told = {}
    for route, methods, _ in table("routes"):
        path = re.sub(r"[A-Z][A-Z0-9]+", lambda word: names_of[word[0]], code(route)[0])
        found = routes.parse(path)
        assert found is not None, path
        assert set(methods.split(", ")) == routes.METHODS[found.kind]
        told[path] = found.kind
    assert set(told.values()) == set(routes.Kind)


def test_names_have_the_forms_of_the_code() -> None:
    told = {name: code(form)[0] for name, form in table("names")}
    assert told == {
        "product, component, channel, customer": identity.ID_PATTERN.pattern,
        "installation id": installation.INSTALLATION_ID.pattern,
        "platform": names._PLATFORM.pattern,
        "SHA-256": digest.SHA256_HEX.pattern,
        "moment": _pattern(index.Moment),
        "day": _pattern(licences.Day),
        "name of a baseline": _pattern(baselines.BaselineName),
    }
    sentence = re.search(r"A product is never called ([^:]*):", formats.PAGE.read_text())
    assert sentence
    assert set(code(sentence[1])) == names.RESERVED_PRODUCTS
    assert portable.NEW_CONFIG_SUFFIX in formats.PAGE.read_text()
    assert customers._IDEMPOTENCY_KEY.pattern == "[A-Za-z0-9-]{16,64}"


def _pattern(annotated: object) -> str:
    return (metas(annotated)[0].pattern or "").removeprefix("^").removesuffix(r"\Z")


def test_all_formats_have_a_table() -> None:
    assert set(marked("fields")) == SHAPES.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_a_table_has_the_fields_of_its_format(name: str) -> None:
    shape = SHAPES[name]
    told = {field: form for fields, form, _ in table(f"fields: {name}") for field in code(fields)}
    config = shape.__struct_config__
    wanted = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    if issubclass(shape, document.Document):
        wanted = {field: wanted[field] for field in wanted if field not in {"format", "min_spot"}}
    assert told.keys() == wanted.keys() | ({config.tag_field} if config.tag_field else set())
    for field, form in told.items():
        left_out = config.omit_defaults and field in wanted and not wanted[field].required
        assert ("left out if" in form) == left_out, field
    if config.tag_field:
        assert code(told[config.tag_field]) == [f'"{config.tag}"']
    assert config.forbid_unknown_fields or shape is problem.Problem


def test_words_that_a_field_may_hold_are_named() -> None:
    kinds = {form: code(row) for form, row, _ in table("fields: File")}
    assert {word.strip('"') for word in kinds["`kind`"]} == _values(manifest.Kind)
    severities = {form: code(row) for form, row, _ in table("fields: Release")}
    assert set(severities["`severity`"]) == _values(index.Severity)


def _values(words: type[Enum]) -> set[str]:
    return {word.value for word in words}


@pytest.mark.parametrize("name", marked("vector"))
def test_an_example_is_the_vector_byte_for_byte(name: str) -> None:
    assert block(f"vector: {name}").encode() == (VECTORS / name).read_bytes().removesuffix(b"\n")


def test_the_examples_of_sealed_manifest_and_pack_are_the_vectors() -> None:
    raw = (VECTORS / "manifest.sealed").read_bytes()
    assert block("vector-line: manifest.sealed").encode() == raw.partition(b"\n")[0]
    said = re.search(r"that one is\s+`([0-9a-f]{64})`, and its\s+`length`\s+([0-9]+)", formats.PAGE.read_text())
    assert said
    seal = sealed.Seal(head=said[1], length=int(said[2]))
    assert manifest.decode(raw, seal).version == "1.40.1"
    assert client.unseal(raw, {"head": seal.head, "length": seal.length})["version"] == "1.40.1"
    packed = bytes.fromhex(block("vector-hex: pack").replace("\n", ""))
    assert packed == (VECTORS / "pack").read_bytes()


def test_the_page_alone_reads_the_vectors() -> None:
    """The client of the page against what is frozen, and against what must be refused."""
    manifest_fields = {"product", "component", "version", "platform", "entries", "blocks", "hooks"}
    described = client.document((VECTORS / "manifest.json").read_bytes(), manifest_fields, most=10_000)
    client.check_entries(described["entries"])
    packed, stream, start = (VECTORS / "pack").read_bytes(), b"", 0
    for one in described["blocks"]:
        piece = client.hold(packed[start : start + one["length"]], one["length"], one["sha256"])
        stream += client.unpack(piece, most=one["size"])
        start += one["length"]
    for entry in described["entries"]:
        if entry["type"] == "file":
            client.hold(stream[entry["offset"] : entry["offset"] + entry["size"]], entry["size"], entry["sha256"])
    for whole, short in json.loads((VECTORS / "short-forms.json").read_bytes()).items():
        assert client.short_form(whole) == short


@pytest.mark.parametrize("name", sorted(path.stem for path in (VECTORS / "refused").iterdir()))
def test_what_is_not_strict_json_for_us_is_not_for_the_page(name: str) -> None:
    looked_at = 0
    for refused in json.loads((VECTORS / "refused" / f"{name}.json").read_bytes()):
        raw = bytes.fromhex(refused["hex"]) if "hex" in refused else refused["raw"].encode("utf-8", "surrogatepass")
        try:
            strict_json.decode(raw, object, max_bytes=2**20)
        except JsonError:
            looked_at += 1
            with pytest.raises(client.NotTrusted):
                client.strict(raw, most=2**20)
        else:  # strict JSON, of a shape that is refused
            client.strict(raw, most=2**20)
    assert looked_at > 10


def test_a_value_lies_inside_64_others_and_no_deeper() -> None:
    most = number("64")
    strict_json.decode(b"[" * most + b"1" + b"]" * most, list[Any], max_bytes=1000)
    with pytest.raises(JsonError, match="64 levels"):
        strict_json.decode(b"[" * (most + 1) + b"1" + b"]" * (most + 1), list[Any], max_bytes=1000)


def test_the_signed_example_verifies_with_its_key() -> None:
    metadata = json.loads(block("signed-example"))
    found = re.search(r"An example, with the key\n\n```json\n(.*)\n```", formats.PAGE.read_text())
    assert found
    keys = json.loads(found[1])
    assert client.signatures(metadata, list(keys), keys) == 1
    metadata["signed"]["version"] += 1
    assert client.signatures(metadata, list(keys), keys) == 0


def test_statements_live_as_long_as_the_page_says() -> None:
    rows = re.findall(r"^\| `[^|]*\| (\w+)[^|]*\| (\d+) days \|", formats.PAGE.read_text(), re.MULTILINE)
    told = {role: int(days) for role, days in rows}
    lifetimes = {role: Terms().life(role).days for role in TOP_ROLES}
    assert told == {**lifetimes, "product": Terms().life("sdk").days}


def test_every_link_of_the_page_leads_somewhere() -> None:
    text = formats.PAGE.read_text()
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings
