"""mirror.content.files over real TLS: whole files, parts of them, and what is not on offer."""

import email
import email.policy
import hashlib
import random
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest

from ca.identity import Identity, Role
from ca.profiles import MIRROR
from mirror.blobs import MappedFile
from mirror.content.ranges import Part
from mirror.content.representation import Form, _several
from spot_client.wire import index, manifest
from spot_client.wire.digest import sha256_hex
from tests.ca.house import REALM
from tests.mirror.content.rig import LISTS, Caller, Mirror, Published, make_index, make_release, sign_catalogue

PACK, MANIFEST = "/releases/sdk/botocore/1.40.0/any/pack", "/releases/sdk/botocore/1.40.0/any/manifest"
FOREVER = "private, max-age=31536000, immutable"


@pytest.fixture
def acme(mirror: Mirror) -> Caller:
    return mirror.caller(mirror.party())


def index_path(mirror: Mirror, number: int = 0) -> str:
    one = mirror.indexes[number]
    (file,) = (mirror.data / "catalogue" / "targets" / one.product / one.component).iterdir()
    return f"/catalogue/targets/{one.product}/{one.component}/{file.name}"


def test_a_pack_comes_whole_with_its_strong_tag(acme: Caller, release: Published) -> None:
    status, headers, raw = acme(PACK)
    assert (status, raw) == (200, release.pack)
    assert headers["ETag"] == f'"{release.seal.head}.pack"'
    assert (headers["Cache-Control"], headers["Accept-Ranges"]) == (FOREVER, "bytes")
    assert headers["Content-Length"] == str(len(release.pack))


def test_a_manifest_comes_whole_and_is_what_the_index_signed_for(acme: Caller, release: Published) -> None:
    status, headers, raw = acme(MANIFEST)
    assert status == 200
    assert headers["ETag"] == f'"{release.seal.head}"'
    assert manifest.decode(raw, release.seal).version == "1.40.0"


def test_an_index_comes_whole_and_may_be_kept_for_ever(mirror: Mirror, acme: Caller) -> None:
    status, headers, raw = acme(index_path(mirror))
    assert (status, headers["Cache-Control"]) == (200, FOREVER)
    assert index.decode(raw) == mirror.indexes[0]
    assert headers["ETag"] == f'"{sha256_hex(raw)}"'


def list_path(role: str, path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"/catalogue/targets/{folder}/{sha256_hex(LISTS[role, path])}.{name}"


@pytest.mark.parametrize(("role", "path"), [one for one in LISTS if "science" not in one[1]])
def test_baselines_halts_and_the_list_of_mirrors_come_whole_and_may_be_kept_for_ever(
    acme: Caller, role: str, path: str
) -> None:
    status, headers, raw = acme(list_path(role, path))
    assert (status, headers["Cache-Control"], raw) == (200, FOREVER, LISTS[role, path])
    assert headers["Content-Type"] == ("application/json" if role == "house" else "application/zstd")
    assert headers["ETag"] == f'"{sha256_hex(raw)}"'


@pytest.mark.parametrize(("role", "path"), [one for one in LISTS if "science" in one[1]])
def test_baselines_and_halts_of_an_unlicensed_product_are_refused(acme: Caller, role: str, path: str) -> None:
    assert acme.reason(list_path(role, path)) == (403, "not-licensed")


@pytest.mark.parametrize(("role", "path"), LISTS)
def test_whoever_holds_no_licence_gets_the_list_of_mirrors_and_nothing_else(
    mirror: Mirror, role: str, path: str
) -> None:
    retired = mirror.caller(mirror.party("retired"))
    assert retired(list_path(role, path))[0] == (200 if role == "house" else 403)


@pytest.mark.parametrize(("role", "path"), LISTS)
def test_a_mirror_reads_all_that_is_listed(mirror: Mirror, role: str, path: str) -> None:
    replica = mirror.house.leaf(Identity(REALM, Role.MIRROR, "two"), MIRROR)
    assert mirror.caller(replica)(list_path(role, path))[2] == LISTS[role, path]


@pytest.mark.parametrize(
    "file", ["1.root.json", "1.targets.json", "1.snapshot.json", "1.sdk.json", "1.house.json", "1.halts.json"]
)
def test_numbered_metadata_may_be_kept_for_ever(mirror: Mirror, acme: Caller, file: str) -> None:
    status, headers, raw = acme(f"/catalogue/{file}")
    assert (status, headers["Cache-Control"], headers["Content-Type"]) == (200, FOREVER, "application/json")
    assert raw == (mirror.data / "catalogue" / file).read_bytes()


def test_the_timestamp_is_asked_for_anew_each_time(mirror: Mirror, acme: Caller) -> None:
    _, headers, raw = acme("/catalogue/timestamp.json")
    assert headers["Cache-Control"] == "private, no-cache"
    assert acme("/catalogue/timestamp.json", If_None_Match=headers["ETag"])[::2] == (304, b"")
    assert raw == (mirror.data / "catalogue" / "timestamp.json").read_bytes()


@pytest.mark.parametrize("path", [PACK, MANIFEST, "/catalogue/1.root.json"])
def test_a_part_says_where_it_lies(acme: Caller, path: str) -> None:
    whole = acme(path)[2]
    for spec, part in (("bytes=5-99", whole[5:100]), ("bytes=-7", whole[-7:]), ("bytes=9-", whole[9:])):
        status, headers, raw = acme(path, Range=spec)
        assert (status, raw) == (206, part)
        start = whole.index(part)
        assert headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{len(whole)}"


def test_a_range_beyond_the_end_is_answered_with_the_length(acme: Caller, release: Published) -> None:
    status, headers, raw = acme(PACK, Range=f"bytes={len(release.pack)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(release.pack)}")
    assert msgspec.json.decode(raw)["reason"] == "range-not-satisfiable"


def test_if_range_with_another_tag_gives_the_whole(acme: Caller, release: Published) -> None:
    tag = f'"{release.seal.head}.pack"'
    assert acme(PACK, Range="bytes=0-1", If_Range=tag)[0] == 206
    assert acme(PACK, Range="bytes=0-1", If_Range='"another"')[2] == release.pack


def test_who_has_it_is_told_so_without_a_body(acme: Caller, release: Published) -> None:
    tag = f'"{release.seal.head}.pack"'
    status, headers, raw = acme(PACK, If_None_Match=tag)
    assert (status, headers["ETag"], raw) == (304, tag, b"")
    assert acme(PACK, If_None_Match='"another"')[0] == 200


def parts_of(headers: Mapping[str, str], raw: bytes) -> list[tuple[str, bytes]]:
    """The Content-Range and content of each part, as the standard library's reader of MIME takes them apart."""
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + raw, policy=email.policy.HTTP)
    assert isinstance(message, EmailMessage)
    assert message.get_content_type() == "multipart/byteranges"
    return [(part["Content-Range"], part.get_content()) for part in message.iter_parts()]


@pytest.mark.parametrize("path", [PACK, "/catalogue/1.root.json"])
def test_several_ranges_come_as_parts_that_say_where_they_lie(mirror: Mirror, acme: Caller, path: str) -> None:
    _, plain, whole = acme(path)
    status, headers, raw = acme(path, Range="bytes=5-6, 0-1,-3,99999999-")
    length = len(whole)
    assert (status, headers["Content-Length"], headers["ETag"]) == (206, str(len(raw)), plain["ETag"])
    assert "Content-Range" not in headers
    assert parts_of(headers, raw) == [
        (f"bytes 5-6/{length}", whole[5:7]),
        (f"bytes 0-1/{length}", whole[:2]),
        (f"bytes {length - 3}-{length - 1}/{length}", whole[-3:]),
    ]
    assert mirror.audited(status=206, bytes=len(raw))


def test_ranges_that_overlap_or_touch_are_one_part(acme: Caller, release: Published) -> None:
    status, headers, raw = acme(PACK, Range="bytes=0-10,5-20,21-30,0-0")
    assert (status, raw) == (206, release.pack[:31])
    assert headers["Content-Range"] == f"bytes 0-30/{len(release.pack)}"
    assert headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "spec",
    [
        "bytes=" + ",".join(["0-"] * 1000),
        "bytes=" + ",".join(f"{place}-{place}" for place in range(0, 400, 2)),
        "bytes=" + ",".join(["0-99999999"] * 99),
        "bytes=0-,-1,5-9",
    ],
)
def test_ranges_that_would_cost_more_than_the_file_are_the_file(acme: Caller, release: Published, spec: str) -> None:
    status, headers, raw = acme(PACK, Range=spec)
    assert status in {200, 206}
    assert raw == release.pack
    assert headers["Content-Length"] == str(len(release.pack))


def test_parts_with_their_heads_are_never_longer_than_the_file(acme: Caller) -> None:
    path = "/catalogue/timestamp.json"
    whole = acme(path)[2]
    many = "bytes=" + ",".join(f"{place}-{place}" for place in range(0, 40, 2))
    assert acme(path, Range=many)[::2] == (200, whole)
    assert acme(path, Range="bytes=0-0,2-2")[0] == 206


def test_several_ranges_all_beyond_the_end_are_answered_with_the_length(acme: Caller, release: Published) -> None:
    length = len(release.pack)
    status, headers, _ = acme(PACK, Range=f"bytes={length}-,{length + 5}-{length + 9},-0")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{length}")


def test_if_range_with_another_tag_gives_the_whole_instead_of_parts(acme: Caller, release: Published) -> None:
    tag = f'"{release.seal.head}.pack"'
    assert acme(PACK, Range="bytes=0-1,5-6", If_Range=tag)[0] == 206
    assert acme(PACK, Range="bytes=0-1,5-6", If_Range='"another"')[::2] == (200, release.pack)


def test_two_range_headers_are_refused(mirror: Mirror) -> None:
    head = f"GET {PACK} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\nRange: bytes=5-6\r\n\r\n"
    with mirror.raw(mirror.context(mirror.party())) as connection:
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 400"


def test_a_pack_is_never_copied_for_its_parts(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(bytes(1000))
    mapped = MappedFile(blob)
    parts = (Part(0, 10), Part(20, 30))
    answer = _several(Form("application/octet-stream"), f'"{"0" * 64}"', 1000, mapped.view, parts)
    views = [piece.obj for piece in answer.body if isinstance(piece, memoryview)]
    assert views == [mapped.view(0, 1).obj] * 2


def test_a_head_has_the_headers_of_the_whole_and_no_body(acme: Caller, release: Published) -> None:
    for _ in range(2):  # twice on one connection: no byte of a body was left behind
        status, headers, raw = acme(PACK, "HEAD", Range="bytes=0-1,5-6")
        assert (status, raw) == (200, b"")
        assert headers["Content-Length"] == str(len(release.pack))


@pytest.mark.parametrize(
    "path",
    [
        PACK.replace("1.40.0", "1.39.0"),  # withdrawn
        PACK.replace("1.40.0", "9.9"),
        MANIFEST.replace("any", "linux-x86_64"),
        "/releases/sdk/nothing/1.0/any/pack",
        "/catalogue/2.root.json",
        "/catalogue/2.snapshot.json",
        f"/catalogue/targets/sdk/botocore/{'0' * 64}.index.json.zst",
        f"/catalogue/targets/sdk/{'0' * 64}.baselines.json.zst",
        f"/catalogue/targets/halts/{'0' * 64}.sdk.json.zst",
        f"/catalogue/targets/house/{'0' * 64}.trust.json",
        "/catalogue/2.house.json",
    ],
)
def test_what_is_not_on_offer_is_not_found(acme: Caller, path: str) -> None:
    assert acme.reason(path) == (404, "not-found")


def test_a_number_ahead_of_the_catalogue_does_not_exist_though_the_file_does(own: Mirror) -> None:
    for name in ("2.snapshot.json", "2.root.json"):
        (own.data / "catalogue" / name).write_bytes(b"of a publish in progress")
    acme = own.caller(own.party())
    assert acme.reason("/catalogue/2.snapshot.json") == (404, "not-found")
    assert acme.reason("/catalogue/2.root.json") == (404, "not-found")


def test_a_client_that_pages_through_a_big_pack_gets_every_byte_once(acme: Caller, release: Published) -> None:
    digest, step = hashlib.sha256(), 70_001
    for start in range(0, len(release.pack), step):
        digest.update(acme(PACK, Range=f"bytes={start}-{start + step - 1}")[2])
    assert digest.hexdigest() == sha256_hex(release.pack)


def damage_pack(folder: Path) -> None:
    (folder / "pack").unlink()


def damage_manifest(folder: Path) -> None:
    (folder / "manifest").write_bytes(b"cut short")


@pytest.mark.parametrize(("path", "damage"), [(PACK, damage_pack), (MANIFEST, damage_manifest)])
def test_what_the_disk_lacks_is_unavailable_and_named_in_the_log(own: Mirror, path: str, damage: object) -> None:
    assert callable(damage)
    damage(own.data / "releases/sdk/botocore/1.40.0/any")
    assert own.caller(own.party()).reason(path) == (503, "unavailable")
    assert path in own.stderr()


def test_a_damaged_index_is_unavailable(own: Mirror) -> None:
    path = index_path(own)
    (own.data / path.removeprefix("/")).write_bytes(b"damaged")
    assert own.caller(own.party()).reason(path) == (503, "unavailable")
    assert "damaged" in own.stderr() or "SHA-256 differs" in own.stderr()


def test_a_new_catalogue_is_on_offer_within_seconds_and_the_old_files_still_are(own: Mirror) -> None:
    acme = own.caller(own.party())
    path = "/releases/sdk/botocore/1.40.1/any/manifest"
    old = acme("/catalogue/1.snapshot.json")[2]
    newer = make_release(own.data, "sdk/botocore", "1.40.1", b"new")
    assert acme(path)[0] == 404
    own.indexes[0] = make_index("sdk/botocore", [newer], ["1.39.0", "1.40.0"])
    sign_catalogue(own.data / "catalogue", own.indexes, 2, own.signer)
    own.until(lambda: acme(path)[0] == 200)
    assert acme(PACK)[0] == 404
    assert acme("/catalogue/1.snapshot.json")[2] == old
    assert acme("/catalogue/2.snapshot.json")[0] == 200


def test_a_bad_catalogue_is_refused_and_the_last_good_one_stays(own: Mirror) -> None:
    acme = own.caller(own.party())
    path = own.data / "catalogue" / "timestamp.json"
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"version":1', b'"version":7').replace(b'"version": 1', b'"version": 7'))
    own.until(lambda: "the last good one stays" in own.stderr())
    assert acme("/catalogue/timestamp.json")[2] == good
    assert acme(PACK)[0] == 200


def test_an_aborted_download_is_audited_with_what_was_written(own: Mirror) -> None:
    big = make_release(own.data, "sdk/botocore", "2.0", random.Random(2).randbytes(64 * 2**20))  # noqa: S311  no secret
    own.indexes[0] = make_index("sdk/botocore", [big])
    sign_catalogue(own.data / "catalogue", own.indexes, 2, own.signer)
    acme = own.caller(own.party())
    path = "/releases/sdk/botocore/2.0/any/pack"
    own.until(lambda: acme(path, "HEAD")[0] == 200)
    acme.connection.request("GET", path)
    response = acme.connection.getresponse()
    assert len(response.read(1000)) == 1000
    response.close()
    acme.close()
    own.until(lambda: any(line["method"] == "GET" and line["route"] == "pack" for line in own.audit()))
    line = next(line for line in own.audit() if line["method"] == "GET" and line["route"] == "pack")
    written = line["bytes"]
    assert isinstance(written, int)
    assert 1000 <= written < len(big.pack)
    assert line["detail"] == "the connection ended before the answer was whole"
    assert "Connection lost" not in own.stderr()


@pytest.mark.parametrize("name", ["If-Match", "If-Unmodified-Since", "If-Modified-Since", "Content-Encoding"])
def test_a_header_that_means_nothing_where_files_are_read_is_ignored(
    acme: Caller, release: Published, name: str
) -> None:
    status, _headers, raw = acme(PACK, "GET", None, **{name.replace("-", "_"): "Thu, 01 Jan 1970 00:00:00 GMT"})
    assert (status, raw) == (200, release.pack)
