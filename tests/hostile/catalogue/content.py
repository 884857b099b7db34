"""Attacks with content: too much of it, other than was signed, signed for something else, or with names that climb."""

import gzip
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ca.bundle import encode
from ca.profiles import CLIENT
from spot_client.platforms import here
from spot_client.wire import document, frame, index, sealed
from spot_client.wire.digest import Blob, sha256_hex
from spot_client.wire.index import Release
from spot_client.wire.manifest import Manifest, Symlink
from tests.ca.house import NOW, client, key_pem, pem_of
from tests.hostile.catalogue import guards
from tests.hostile.catalogue.people import make_vendor
from tests.hostile.catalogue.stage import EVIL, TOOL, Stage, drip
from tests.hostile.catalogue.table import attack
from tests.spot_client.desk import TWO
from tests.spot_client.fetch.server import Asked, ranged, reply
from tests.spot_client.vendor import DAY, Vendor, make

SIZE, BYTES, SOFTWARE, NAMES, DOWNGRADE = "endless data", "other bytes", "wrong software", "names", "downgrade"
REDIRECT = "redirects"
PEOPLE = ("sdk.1", "sdk.2", "snapshot", "timestamp")
TIMESTAMP, MANIFEST, PACK = "/timestamp.json", "/1.1/any/manifest", "/1.1/any/pack"


# Too much


@attack(SIZE, "A timestamp without an end.", guard=guards.BODY_SIZE, stopped="too-long")
def endless_metadata(stage: Stage) -> Iterator[None]:
    stage.replace(TIMESTAMP, lambda raw: raw + b" " * 2**15)
    yield


@attack(SIZE, "An answer that trickles, and never ends.", guard=guards.MIN_RATE, stopped="too-slow")
def drip_feed(stage: Stage) -> Iterator[None]:
    settings = stage.root / "spot.toml"
    settings.write_text("timeout = 1\n")

    pause = threading.Event()

    def drip() -> Iterator[bytes]:
        for letter in "HTTP/1.1 200 OK\r\nX: " + "x" * 60:
            pause.wait(0.15)
            yield letter.encode()

    stage.answer = lambda _: drip()
    yield
    settings.unlink()


@attack(
    SIZE,
    "Blocks that come as slowly as is borne, from the only mirror there is: until the time for the run is over.",
    guard=guards.RUN_ENDS,
    stopped="too-slow",
)
def drip_feed_for_days(stage: Stage) -> Iterator[None]:
    settings = stage.root / "spot.toml"
    settings.write_text("min_rate = 16\ndownloads = 1\n")
    stage.answer = lambda asked: drip(stage.behave(asked)) if asked.path.endswith("/1.1/any/pack") else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spot_client.compose.HOUR", 1 / 40)  # over before the first block is: 0.6 s, and 0.9 s
        yield
    settings.unlink()


@attack(SIZE, "An index without an end.", guard=guards.BODY_SIZE, stopped="too-long")
def endless_index(stage: Stage) -> Iterator[None]:
    stage.replace(".index.json.zst", lambda raw: raw + b"x" * 2**20)
    yield


@attack(SIZE, "A manifest without an end.", guard=guards.BODY_SIZE, stopped="too-long")
def endless_manifest(stage: Stage) -> Iterator[None]:
    stage.replace(MANIFEST, lambda raw: raw + b"x" * 2**20)
    yield


@attack(SIZE, "A block that goes on after its end: no byte of that is taken.", guard=guards.RANGE_SIZE, updated=True)
def endless_block(stage: Stage) -> Iterator[None]:
    content = _served(stage, PACK)

    def go_on(asked: Asked) -> bytes:
        head, _, body = ranged(asked, content).partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
        return b"\r\n".join([*lines, b"Connection: close", b"", body]) + b"x" * 2**20

    stage.say(PACK, go_on)
    yield


@attack(SIZE, "An index of some KiB that unpacks to 40 MiB, signed.", guard=guards.FRAME_SIZE, stopped="too-large")
def bomb_in_an_index(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal(*PEOPLE)
    thief.put_index(TOOL, frame.compress(bytes(40 * 2**20), level=1))
    yield


@attack(SIZE, "A manifest that says it unpacks to 4 GiB, signed.", guard=guards.SEAL_LENGTH, stopped="too-large")
def bomb_in_a_manifest(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal(*PEOPLE)
    packed = frame.compress(bytes(2**20), level=1)
    line = document.encode(sealed._Head(content=Blob(2**32, "0" * 64), frame=Blob(len(packed), sha256_hex(packed))))
    raw = line + b"\n" + packed
    _serve_manifest(thief, raw, sealed.Seal(sha256_hex(line + b"\n"), len(raw)))
    yield


@attack(SIZE, "An index in a content encoding that would unpack it.", guard=guards.NEVER_DECODED, stopped="too-long")
def content_encoding(stage: Stage) -> Iterator[None]:
    packed = gzip.compress(_served(stage, ".index.json.zst"))
    stage.say(".index.json.zst", lambda _: reply(body=packed, Content_Encoding="gzip"))
    yield


# Other than was signed


@attack(BYTES, "Another manifest in place of the signed one.", guard=guards.SEAL_DIGEST, stopped="wrong-digest")
def other_bytes_of_a_manifest(stage: Stage) -> Iterator[None]:
    other = make({"run": b"two" * 49 + b"oo!", "same": TWO["same"]}, version="1.1").sealed
    wanted = _served(stage, MANIFEST)
    stage.replace(MANIFEST, lambda _: other[: len(wanted)].ljust(len(wanted), b"x"))
    yield


@attack(BYTES, "Other bytes in a block.", guard=guards.BLOCK_DIGEST, stopped="bad-block")
def other_bytes_of_a_block(stage: Stage) -> Iterator[None]:
    stage.replace(PACK, lambda raw: raw[::-1])
    yield


@attack(
    BYTES, "A block of the release in place of another one of the same length.", guard=guards.BLOCK_DIGEST,
    stopped="bad-block",
)  # fmt: skip
def block_for_another(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal(*PEOPLE)
    new = thief.publish({**TWO, "more": bytes(range(256))}, "1.1.1")
    length = new.manifest.blocks[0].length
    assert length == new.manifest.blocks[1].length
    one, other, rest = new.pack[:length], new.pack[length : 2 * length], new.pack[2 * length :]
    stage.replace("/1.1.1/any/pack", lambda _: other + one + rest)
    yield


@attack(BYTES, "Blocks that break off, every time.", guard=guards.RANGE_END, stopped="broken-off")
def truncated_block(stage: Stage) -> Iterator[None]:
    content = _served(stage, PACK)

    def break_off(asked: Asked) -> bytes:
        head, _, body = ranged(asked, content).partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
        return b"\r\n".join([*lines, b"Connection: close", b"", body[: len(body) // 2]])

    stage.say(PACK, break_off)
    yield


@attack(
    BYTES, "A timestamp whose answer breaks off within its head, every time.", guard=guards.WHOLE_HEAD,
    stopped="broken-off",
)  # fmt: skip
def truncated_head(stage: Stage) -> Iterator[None]:
    """Taken for the whole head, it would be an empty timestamp."""
    stage.say(TIMESTAMP, lambda _: b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
    yield


@attack(REDIRECT, "A redirect to another path of the mirror.", guard=guards.NEVER_REDIRECTED, stopped="http-302")
def redirect(stage: Stage) -> Iterator[None]:
    stage.shown = {**stage.vendor.files, "/catalogue/moved": _served(stage, TIMESTAMP)}
    stage.say(TIMESTAMP, lambda _: reply("302 Found", Location="/catalogue/moved"))
    yield


@attack(REDIRECT, "A redirect to plain HTTP.", guard=guards.NEVER_REDIRECTED, stopped="http-301")
def redirect_to_plain_http(stage: Stage) -> Iterator[None]:
    where = f"http://127.0.0.1:{stage.server.port}{TIMESTAMP}"
    stage.say(TIMESTAMP, lambda _: reply("301 Moved Permanently", Location=where))
    yield


# Signed for something else


@attack(
    SOFTWARE, "The index of another component, signed for this one.", guard=guards.THIS_COMPONENT, stopped="other-index"
)
def index_of_another_component(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal(*PEOPLE)
    thief.publish(EVIL, "6.6", "sdk/other")
    thief.put_index(TOOL, index.encode(thief.indexes["sdk/other"]))
    yield


@attack(
    SOFTWARE, "The manifest of another component, signed for this one.", guard=guards.THIS_RELEASE,
    stopped="other-release",
)  # fmt: skip
def manifest_of_another_component(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal(*PEOPLE)
    other = thief.publish(EVIL, "6.6", "sdk/other")
    _serve_manifest(thief, other.sealed, other.seal)
    yield


@attack(
    SOFTWARE, "The manifest of an older version, signed for a newer one.", guard=guards.THIS_RELEASE,
    stopped="other-release",
)  # fmt: skip
def manifest_of_another_version(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal(*PEOPLE)
    _serve_manifest(thief, make(EVIL, version="0.1").sealed, make(EVIL, version="0.1").seal)
    yield


@attack(
    SOFTWARE, "The manifest for another platform, signed for any.", guard=guards.THIS_RELEASE, stopped="other-release"
)
def manifest_of_another_platform(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal(*PEOPLE)
    other = make(EVIL, version="6.6", platform="windows-x86")
    _serve_manifest(thief, other.sealed, other.seal)
    yield


@attack(SOFTWARE, "A newer release for another platform.", guard=guards.THIS_PLATFORM)
def release_for_another_platform(stage: Stage) -> Iterator[None]:

    stage.shown = _instead(stage, "windows-x86")
    yield


@attack(SOFTWARE, "A newer release in a channel that is not this installation's.", guard=guards.THIS_CHANNEL)
def release_in_another_channel(stage: Stage) -> Iterator[None]:
    stage.shown = _instead(stage, channels=("beta",))
    yield


@attack(
    SOFTWARE, "The version in use, published again with other content.", guard=guards.NEVER_CHANGED,
    stopped="changed-release",
)  # fmt: skip
def changed_release(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal(*PEOPLE)
    thief._replace(TOOL, releases=())
    thief.publish(EVIL, "1.0")
    yield


# Names that climb


@attack(
    NAMES, "A manifest with a path that leaves the release, signed.", guard=guards.SAFE_PATH, stopped="bad-manifest"
)
def path_that_climbs(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal(*PEOPLE)
    good = make({"xx/evil": EVIL["run"]}, version="6.6", platform=here()).manifest  # on any, Windows refuses it, too
    entries = tuple(msgspec.structs.replace(entry, path=entry.path.replace("xx", "..")) for entry in good.entries)
    _serve_unchecked(thief, msgspec.structs.replace(good, entries=entries))
    yield


@attack(
    NAMES, "A manifest with a link that leaves the release, signed.", guard=guards.SAFE_LINK, stopped="bad-manifest"
)
def link_that_climbs(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal(*PEOPLE)
    good = make(EVIL, version="6.6").manifest
    entries = (Symlink("out", "../../../../.spot/client.pem"), *good.entries)
    _serve_unchecked(thief, msgspec.structs.replace(good, entries=entries))
    yield


@attack(
    NAMES,
    "Targets whose paths climb or belong to another product: they are not listed.",
    guard=guards.LISTED_NAMES,
    command=("list", "--available"),
)
def target_that_climbs(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal(*PEOPLE)
    known = repository.products["sdk"].targets
    for path in (
        "sdk/../index.json.zst",
        "sdk/SDK/index.json.zst",
        "art/paint/index.json.zst",
        "/sdk/tool/index.json.zst",
    ):
        known[path] = known["sdk/tool/index.json.zst"]
    repository.sign()
    thief.lay_out()
    yield


# Back to what was


@attack(DOWNGRADE, "An index that offers older versions only, signed.", guard=guards.NEVER_BACK)
def older_version_on_offer(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal(*PEOPLE)
    thief._replace(TOOL, releases=())
    thief.publish(EVIL, "0.9")
    yield


@attack(
    DOWNGRADE,
    "A kept version that was changed on this machine, to go back to: its content is had anew.",
    guard=guards.TREE_DIGEST,
    command=("rollback", TOOL),
)
def changed_version_that_was_kept(stage: Stage) -> Iterator[None]:
    assert stage.spot("update").code == 0
    _spoil(stage.root / TOOL / "versions" / "1.0" / "run")
    yield


@attack(
    DOWNGRADE,
    "Contents in the cache that were changed on this machine: they are had anew.",
    guard=guards.COPY_DIGEST,
    updated=True,
)
def changed_content_in_the_cache(stage: Stage) -> Iterator[None]:
    for path in (stage.root / ".spot/cache/files").glob("??/*"):
        _spoil(path)
    yield


@attack(
    DOWNGRADE,
    "A bundle that is older than the credentials here.",
    guard=guards.NEWER_BUNDLE,
    stopped="older-bundle",
    command=("enrol", "{folder}/older.bundle"),
)
def older_bundle(stage: Stage) -> Iterator[None]:
    old = stage.house.leaf(client(), CLIENT, now=NOW - 30 * DAY)
    bundle = msgspec.structs.replace(
        stage.bundle(), client_certificate=pem_of(old.certificate).decode(), client_key=key_pem(old.key).decode()
    )
    (stage.folder / "older.bundle").write_bytes(encode(bundle))
    yield


@attack(
    DOWNGRADE,
    "A bundle with another root of trust, for the same customer.",
    guard=guards.SAME_ROOT,
    stopped="other-root",
    command=("enrol", "{folder}/other.bundle"),
)
def bundle_with_another_root(stage: Stage) -> Iterator[None]:
    bundle = msgspec.structs.replace(stage.bundle(), catalogue_root=make_vendor().root.decode())
    (stage.folder / "other.bundle").write_bytes(encode(bundle))
    yield


@attack(
    DOWNGRADE,
    "A bundle of the first days, enrolled as a new root: what SPOT has seen since holds.",
    guard=guards.SAME_CHAIN,
    stopped="bad-metadata",
)
def bundle_of_the_first_days_as_a_new_root(stage: Stage) -> Iterator[None]:
    stage.repository.replace_keys("timestamp")
    stage.vendor.lay_out()
    stage.meet()
    stage.says("enrol", str(stage.folder / "acme.bundle"), "--new-root")
    stage.shown = stage.older.files
    yield


@attack(
    DOWNGRADE,
    "A bundle with a root from before the first one here, enrolled as a new root: its keys were replaced since.",
    guard=guards.NOT_BEFORE,
    stopped="older-root",
    command=("enrol", "{folder}/acme.bundle", "--new-root"),
)
def bundle_from_before_the_first_root(stage: Stage) -> Iterator[None]:
    for _ in range(2):
        stage.repository.replace_people()
    stage.vendor.lay_out()
    shutil.rmtree(stage.root / ".spot/catalogue")
    (stage.root / ".spot/root.json").write_bytes(stage.repository.metadata["3.root.json"])
    stage.meet()
    yield


def _served(stage: Stage, ending: str) -> bytes:
    """What the vendor has under the newest path that ends so."""
    return [raw for path, raw in stage.vendor.files.items() if path.endswith(ending)][-1]


def _spoil(path: Path) -> None:
    """Other content of the same length."""
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[::-1].swapcase())


def _release_of(vendor: Vendor, version: str) -> Release:
    return next(release for release in vendor.indexes[TOOL].releases if release.version == version)


def _serve_manifest(thief: Vendor, raw: bytes, seal: sealed.Seal, platform: str = "any") -> None:
    """Offer 6.6 of the component with this manifest."""
    thief.publish(EVIL, "6.6", platform=platform)
    thief.files[f"/releases/{TOOL}/6.6/{platform}/manifest"] = raw
    release = msgspec.structs.replace(_release_of(thief, "6.6"), manifest=seal)
    others = [one for one in thief.indexes[TOOL].releases if one.version != "6.6"]
    thief._replace(TOOL, releases=(*others, release))


def _serve_unchecked(thief: Vendor, described: Manifest) -> None:
    """Offer 6.6 with a manifest that `wire.manifest` would not write."""
    _serve_manifest(thief, *sealed.seal(document.encode(described), level=1), described.platform)


def _instead(stage: Stage, platform: str = "any", channels: tuple[str, ...] = ("stable",)) -> dict[str, bytes]:
    """What the vendor's people would offer if they had published 6.6 for others in place of 1.1."""
    thief, _ = stage.steal(*PEOPLE)
    thief._replace(TOOL, releases=stage.older.indexes[TOOL].releases)
    thief.publish(EVIL, "6.6", platform=platform, channels=channels)
    return thief.files
