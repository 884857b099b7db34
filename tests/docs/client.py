"""Another client, written from docs/formats.md alone: it imports nothing of ours, and knows nothing that is not there.

It does the least that a client must do, and checks all that a client must check: enrol, refresh the catalogue, verify,
download a release, put a thin snapshot. Not for use: it keeps what it has seen in memory only.
"""

import hashlib
import http.client
import json
import re
import secrets
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB: Final = 2**20
LIMITS: Final = {"root": 512_000, "timestamp": 16_384, "snapshot": 2_000_000, "targets": 5_000_000}


class NotTrusted(Exception):
    """What came is not what the vendor signed, or not of its format."""


class Refused(Exception):
    """The mirror refused; the arguments are status and reason."""


def strict(raw: bytes, *, most: int) -> Any:
    """Strict JSON: parsed, written again, compared."""
    if len(raw) > most:
        raise NotTrusted("too long")
    try:
        value = json.loads(raw.decode(), object_pairs_hook=no_twice, parse_float=refuse, parse_constant=refuse)
        again = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise NotTrusted("not strict JSON") from error
    if again != raw or depth(value) > 64:
        raise NotTrusted("not canonical")
    return value


def depth(value: Any) -> int:
    """In how many values the innermost one lies."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((1 + depth(item) for item in inside), default=0)


def document(raw: bytes, fields: set[str], *, most: int) -> Any:
    """A document with exactly these fields beside the two that all have."""
    value = strict(raw, most=most)
    if not isinstance(value, dict) or value.get("format") != 1 or value.get("min_spot") != "0.1":
        raise NotTrusted("no document, or too new")
    exactly(value, fields | {"format", "min_spot"})
    return value


def exactly(value: Any, fields: set[str], optional: Mapping[str, Any] | None = None) -> None:
    """All of `fields`, nothing else; `optional` ones, by what they are left out for."""
    optional = optional or {}
    if not isinstance(value, dict) or not fields <= value.keys() <= fields | optional.keys():
        raise NotTrusted(f"fields {sorted(value)}")
    if any(value.get(name, ...) == default for name, default in optional.items()):
        raise NotTrusted("not canonical: a field that should be left out")


def no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def refuse(text: str) -> NoReturn:
    raise ValueError(text)


def unpack(frame: bytes, *, most: int) -> bytes:
    """The content of one zstd frame."""
    decoder = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 24})
    content = decoder.decompress(frame, max_length=most + 1)
    if len(content) > most or not decoder.eof or decoder.unused_data:
        raise NotTrusted("not one frame, or too long")
    return content


def hold(raw: bytes, length: int, sha256: str) -> bytes:
    """Bytes that have this length and digest."""
    if len(raw) != length or hashlib.sha256(raw).hexdigest() != sha256:
        raise NotTrusted("other bytes than those that were signed")
    return raw


class Pinned(http.client.HTTPSConnection):
    """A connection that compares the server with the pins before anything is asked, whenever it is made anew."""

    pins: Sequence[bytes] = ()

    def connect(self) -> None:
        super().connect()
        secure = self.sock
        cipher = secure.cipher() if isinstance(secure, ssl.SSLSocket) else None
        shown = secure.getpeercert(binary_form=True) if isinstance(secure, ssl.SSLSocket) else None
        if shown not in self.pins or not cipher or "GCM" not in cipher[0]:
            self.close()
            raise NotTrusted("not pinned, or another cipher")


class Connection:
    """One pinned connection to one mirror."""

    def __init__(self, mirror: Mapping[str, Any], credentials: Path) -> None:
        pins = [ssl.PEM_cert_to_DER_cert(pem) for pem in mirror["pins"]]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["http/1.1"])
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=b"".join(pins))
        context.load_cert_chain(credentials)
        url = urlsplit(mirror["url"])
        self._http = Pinned(url.hostname or "", url.port or 443, timeout=30, context=context)
        self._http.pins = pins

    def ask(
        self, method: str, path: str, *, most: int, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of an answer of at most `most` bytes."""
        self._http.request(method, path, body, dict(headers or {}))
        response = self._http.getresponse()
        raw = response.read(max(most, 8192) + 1)
        if response.status not in {200, 201, 204, 206, 304}:
            raise Refused(response.status, json.loads(raw)["reason"])
        if len(raw) > most:
            raise NotTrusted("too long")
        return response.status, {name.lower(): value for name, value in response.getheaders()}, raw

    def get(self, path: str, *, most: int) -> bytes:
        """The whole of a file."""
        return self.ask("GET", path, most=most)[2]

    def close(self) -> None:
        self._http.close()


def read_bundle(raw: bytes) -> dict[str, Any]:
    """A bundle whose parts belong together."""
    bundle: dict[str, Any] = strict(raw, most=MIB)
    parts = {"realm", "customer", "client_certificate", "client_key", "mirrors", "catalogue_root"}
    exactly(bundle, parts | {"format", "min_spot"})
    certificate = x509.load_pem_x509_certificate(bundle["client_certificate"].encode())
    key = load_pem_private_key(bundle["client_key"].encode(), password=None).public_key()
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise NotTrusted("another key")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uri = f"spiffe://{bundle['realm']}/client/{bundle['customer']}"
    if [name.value for name in names] != [uri] or bundle["format"] != 1 or not bundle["mirrors"]:
        raise NotTrusted("not a bundle of this customer")
    for pem in (pem for mirror in bundle["mirrors"] for pem in mirror["pins"]):
        pin = x509.load_pem_x509_certificate(pem.encode()).extensions
        if pin.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise NotTrusted("a pin is a CA")
    return bundle


def canonical(value: Any) -> str:
    """What TUF signs: like strict JSON, but strings escape only quotation marks and backslashes."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        raise NotTrusted("a float in metadata")
    return json.dumps(value)


def signatures(metadata: Mapping[str, Any], keyids: Sequence[str], keys: Mapping[str, Any]) -> int:
    """How many of these keys have signed."""
    signed = canonical(metadata["signed"]).encode()
    public = [key["keyval"]["public"] for key in keys.values()]
    if len(set(public)) != len(public):
        raise NotTrusted("one key under two ids")
    good = set()
    for signature in metadata["signatures"]:
        keyid = signature["keyid"]
        if keyid in keyids and keys[keyid]["keytype"] == "ed25519":
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[keyid]["keyval"]["public"]))
            try:
                key.verify(bytes.fromhex(signature["sig"]), signed)
                good.add(keyid)
            except InvalidSignature:
                continue
    return len(good)


def role(raw: bytes, kind: str, delegation: Mapping[str, Any], keys: Mapping[str, Any]) -> Any:
    """What a metadata file says, if a threshold of its role's keys signed it."""
    metadata = json.loads(raw, object_pairs_hook=no_twice)
    if signatures(metadata, delegation["keyids"], keys) < delegation["threshold"]:
        raise NotTrusted(f"{kind}: not signed")
    if metadata["signed"]["_type"] != kind:
        raise NotTrusted(f"{kind}: of another kind")
    return metadata["signed"]


class Catalogue:
    """The catalogue as far as it has been seen."""

    def __init__(self, connection: Connection, root: str) -> None:
        self._connection = connection
        self._root: Any = None
        self._take_root(root.encode())
        self._timestamp: Any = {"version": 0, "meta": {"snapshot.json": {"version": 0}}}
        self._snapshot: Any = {"meta": {}}

    def refresh(self, now: datetime) -> None:
        """Root, timestamp, snapshot, targets."""
        for _ in range(256):
            try:
                raw = self._connection.get(f"/catalogue/{self._root['version'] + 1}.root.json", most=LIMITS["root"])
            except Refused as refused:
                if refused.args != (404, "not-found"):
                    raise
                break
            self._take_root(raw)
        fresh(self._root, now)
        raw = self._connection.get("/catalogue/timestamp.json", most=LIMITS["timestamp"])
        timestamp = self._top(raw, "timestamp")
        named, before = timestamp["meta"]["snapshot.json"], self._timestamp
        if timestamp["version"] < before["version"] or named["version"] < before["meta"]["snapshot.json"]["version"]:
            raise NotTrusted("an older catalogue")
        fresh(timestamp, now)
        snapshot = self._top(self._named("snapshot", named), "snapshot", named["version"])
        for name, line in self._snapshot["meta"].items():
            if snapshot["meta"].get(name, {"version": 0})["version"] < line["version"]:
                raise NotTrusted("an older role")
        fresh(snapshot, now)
        self._timestamp, self._snapshot = timestamp, snapshot
        named = snapshot["meta"]["targets.json"]
        self._targets = self._top(self._named("targets", named), "targets", named["version"])
        fresh(self._targets, now)

    def index(self, product: str, component: str, now: datetime) -> Any:
        """The index of a component."""
        path, paths = f"{product}/{component}/index.json.zst", f"{product}/*/index.json.zst"
        packed = self._target(product, path, paths, now, most=4 * MIB)
        if packed is None:
            raise NotTrusted("no such component")
        raw = unpack(packed, most=32 * MIB)
        index = document(raw, {"product", "component", "releases", "tombstones"}, most=32 * MIB)
        if (index["product"], index["component"]) != (product, component):
            raise NotTrusted("another index")
        for release in index["releases"]:
            fields = {"version", "platform", "channels", "manifest", "severity", "published"}
            exactly(release, fields, {"restart": False, "notes": "", "requires": {}})
        return index

    def halts(self, product: str, now: datetime) -> list[Any]:
        """The releases of a product that are stopped."""
        packed = self._target("halts", f"halts/{product}.json.zst", "halts/*.json.zst", now, most=MIB // 4)
        if packed is None:
            return []
        raw = unpack(packed, most=4 * MIB)
        said = document(raw, {"product", "halts"}, most=4 * MIB)
        for halt in said["halts"]:
            exactly(halt, {"component", "version", "platform", "since", "reason"})
        if said["product"] != product:
            raise NotTrusted("of another product")
        return list(said["halts"])

    def baselines(self, product: str, now: datetime) -> list[Any]:
        """The baselines of a product."""
        path = f"{product}/baselines.json.zst"
        packed = self._target(product, path, path, now, most=MIB)
        if packed is None:
            return []
        said = document(unpack(packed, most=8 * MIB), {"product", "baselines"}, most=8 * MIB)
        for baseline in said["baselines"]:
            exactly(baseline, {"name", "components", "published"}, {"notes": ""})
        if said["product"] != product:
            raise NotTrusted("of another product")
        return list(said["baselines"])

    def mirrors(self, now: datetime) -> list[Any] | None:
        """The list of mirrors; None if the vendor signed none."""
        raw = self._target("house", "house/trust.json", "house/trust.json", now, most=MIB)
        if raw is None:
            return None
        said = document(raw, {"mirrors"}, most=MIB)
        for mirror in said["mirrors"]:
            exactly(mirror, {"url", "current"}, {"next": None, "backup": None})
        return list(said["mirrors"])

    def _target(self, name: str, path: str, pattern: str, now: datetime, *, most: int) -> bytes | None:
        """The bytes of a target, from the one role that `pattern` is delegated to; None if there is none."""
        delegations = self._targets["delegations"]
        ours = [line for line in delegations["roles"] if line["name"] == name and pattern in line["paths"]]
        if not ours:
            return None
        named = self._snapshot["meta"][f"{name}.json"]
        said = role(self._named(name, named), "targets", ours[0], delegations["keys"])
        if len(ours) != 1 or said["version"] != named["version"]:
            raise NotTrusted("a role twice, or another version")
        fresh(said, now)
        target = said["targets"].get(path)
        if target is None:
            return None
        length, digest = target["length"], target["hashes"]["sha256"]
        if length > most:
            raise NotTrusted("too long")
        folder, _, file = path.rpartition("/")
        return hold(self._connection.get(f"/catalogue/targets/{folder}/{digest}.{file}", most=length), length, digest)

    def _top(self, raw: bytes, name: str, version: int | None = None) -> Any:
        said = role(raw, name, self._root["roles"][name], self._root["keys"])
        if version is not None and said["version"] != version:
            raise NotTrusted(f"{name}: another version")
        return said

    def _named(self, name: str, line: Mapping[str, Any]) -> bytes:
        most = LIMITS.get(name, LIMITS["targets"])
        raw = self._connection.get(f"/catalogue/{line['version']}.{name}.json", most=min(most, line["length"]))
        return hold(raw, line["length"], line["hashes"]["sha256"])

    def _take_root(self, raw: bytes) -> None:
        fields = json.loads(raw, object_pairs_hook=no_twice)["signed"]
        for root in (fields, self._root or fields):
            role(raw, "root", root["roles"]["root"], root["keys"])
        if self._root is not None and fields["version"] != self._root["version"] + 1:
            raise NotTrusted("root: another version")
        self._root = fields


def fresh(signed: Mapping[str, Any], now: datetime) -> None:
    """A statement that has not expired."""
    if now >= datetime.fromisoformat(signed["expires"]):
        raise NotTrusted(f"{signed['_type']} has expired")


def unseal(raw: bytes, seal: Mapping[str, Any]) -> Any:
    """The manifest in sealed bytes."""
    if len(raw) != seal["length"]:
        raise NotTrusted("another length")
    end = raw.find(b"\n", 0, 512) + 1
    hold(raw[:end], end, seal["head"])
    head = document(raw[: end - 1], {"content", "frame"}, most=512)
    hold(raw[end:], head["frame"]["length"], head["frame"]["sha256"])
    if head["content"]["length"] > 512 * MIB:
        raise NotTrusted("too long")
    content = unpack(raw[end:], most=head["content"]["length"])
    hold(content, head["content"]["length"], head["content"]["sha256"])
    fields = {"product", "component", "version", "platform", "entries", "blocks", "hooks"}
    return document(content, fields, most=512 * MIB)


def check_entries(entries: Sequence[Mapping[str, Any]]) -> None:
    """Shape, order, folders, paths and links."""
    shapes = {"directory": {"mode"}, "file": {"mode", "size", "sha256", "offset"}, "symlink": {"target"}}
    folders, last = {""}, ""
    for entry in entries:
        path = entry["path"]
        exactly(entry, {"type", "path"} | shapes[entry["type"]], {"kind": "file"} if entry["type"] == "file" else None)
        segments = path.split("/")
        if path <= last or path.rpartition("/")[0] not in folders or {"", ".", ".."} & set(segments) or "\\" in path:
            raise NotTrusted(f"path {path!r}")
        last = path
        if entry["type"] == "directory":
            folders.add(path)
        if entry["type"] == "symlink":
            climbs = re.match(r"(\.\./|\.\.$)*", entry["target"])
            deep = climbs[0].count("..") if climbs else 0
            rest = entry["target"].split("/")[deep:]
            if deep > len(segments) - 1 or {"", ".", ".."} & set(rest):
                raise NotTrusted(f"link {path!r}")


def contents(connection: Connection, base: str, manifest: Mapping[str, Any]) -> Iterator[bytes]:
    """The content of every block."""
    start = 0
    for block in manifest["blocks"]:
        exactly(block, {"length", "sha256", "size"})
        stop = start + block["length"]
        spec = {"Range": f"bytes={start}-{stop - 1}"}
        status, headers, raw = connection.ask("GET", f"{base}/pack", most=block["length"], headers=spec)
        if status != 206 or not headers["content-range"].startswith(f"bytes {start}-{stop - 1}/"):
            raise NotTrusted("another range")
        content = unpack(hold(raw, block["length"], block["sha256"]), most=block["size"])
        if len(content) != block["size"]:
            raise NotTrusted("another size")
        yield content
        start = stop


def download(connection: Connection, release: Mapping[str, Any], component: str, into: Path) -> Any:
    """Lay a release down in the new folder `into`; its manifest."""
    version, platform = release["version"], release["platform"]
    base = f"/releases/{component}/{version}/{platform}"
    seal = release["manifest"]
    raw = connection.get(f"{base}/manifest", most=min(seal["length"], 128 * MIB))
    manifest = unseal(raw, seal)
    if (f"{manifest['product']}/{manifest['component']}", manifest["version"], manifest["platform"]) != (
        component,
        version,
        platform,
    ):
        raise NotTrusted("another release")
    if manifest["hooks"]:
        raise NotTrusted("hooks are more than this client can do")
    check_entries(manifest["entries"])
    stream = b"".join(contents(connection, base, manifest))
    into.mkdir()
    for entry in manifest["entries"]:
        path = into / entry["path"]
        if entry["type"] == "directory":
            path.mkdir()
        elif entry["type"] == "symlink":
            path.symlink_to(entry["target"])
        else:
            content = stream[entry["offset"] : entry["offset"] + entry["size"]]
            path.write_bytes(hold(content, entry["size"], entry["sha256"]))
            path.chmod(entry["mode"])
    for entry in reversed([entry for entry in manifest["entries"] if entry["type"] == "directory"]):
        (into / entry["path"]).chmod(entry["mode"])
    return manifest


def enrol(connection: Connection, key: str) -> str:
    """A new installation id; the same one for the same key."""
    headers = {"Idempotency-Key": key}
    raw = connection.ask("POST", "/installations", most=1024, headers=headers)[2]
    return str(document(raw, {"installation"}, most=1024)["installation"])


def put_thin_snapshot(connection: Connection, installation: str, components: Mapping[str, str]) -> int:
    """Say which versions are in use."""
    fields = {"components": dict(components), "format": 1, "min_spot": "0.1"}
    body = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    path = f"/installations/{installation}/thin-snapshot"
    return connection.ask("PUT", path, most=0, body=body, headers={"Content-Type": "application/json"})[0]


def short_form(installation: str) -> str:
    """What is said on the telephone."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    number = 0
    for letter in installation[:8]:
        number = number * 32 + alphabet.index(letter)
    check = 32 * number % 1021
    text = f"{installation[:4]}-{installation[4:8]}-{alphabet[check // 32]}{alphabet[check % 32]}"
    return text.upper()


def random_key() -> str:
    """An idempotency key."""
    return secrets.token_hex(16)


def utc_now() -> datetime:
    return datetime.now(UTC)
