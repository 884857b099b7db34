"""A whole mirror for the tests of this room: a CA, a store, a signed catalogue, releases, and the real process.

The catalogue is signed here with python-tuf, by one key for all roles: what is under test reads it, and verifies it.
"""

import http.client
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding
from securesystemslib.signer._crypto_signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from ca.identity import Identity, Role
from ca.issue import CRL_LIFETIME, Issuer, Revoked, build_crl
from ca.profiles import CLIENT
from ca.tls import client_context
from mirror.checking import scrub
from mirror.checking.scrub import Scrubbed
from mirror.records.protocol import Licence, Records
from mirror.records.sqlite import open_records
from spot_client.wire import baselines, halts, index, manifest, pack, trust
from spot_client.wire.baselines import Baselines
from spot_client.wire.digest import sha256_hex
from spot_client.wire.halts import Halts
from spot_client.wire.index import Index, Release, Severity, Tombstone
from spot_client.wire.sealed import Seal
from spot_client.wire.trust import OfficialMirror, Trust
from tests import measured
from tests.ca.house import NOW, REALM, House, Party, der_of, pem_of

LONG_AGO: Final = date(2020, 1, 1)
BIG: Final = 24 * 2**20  # bytes of the pack that is too long for any buffer on the way
_PROGRAM = (
    "import sys, pathlib, functools; from mirror import config, server; "
    "load = functools.partial(config.load, pathlib.Path(sys.argv[1])); "
    "server.serve(load(), functools.partial(print, flush=True), load)"
)
SERVE: Final = (sys.executable, "-c", _PROGRAM)
"""The process without its command line; `tests/mirror/cli/test_serving.py` runs that."""

Reply = tuple[int, Mapping[str, str], bytes]


class Published(msgspec.Struct, frozen=True):
    """A release as it was published."""

    version: str
    manifest: bytes
    pack: bytes
    seal: Seal


def make_release(data: Path, component: str, version: str, content: bytes) -> Published:
    """A release of one file, in the place where the listener looks."""
    product, _, name = component.partition("/")
    cut = [pack.encode_block(piece, level=1) for piece in pack.cut([content])]
    file = manifest.File("content.bin", 0o644, len(content), sha256_hex(content), 0)
    described = manifest.Manifest(
        product=product,
        component=name,
        version=version,
        platform="any",
        entries=(file,),
        blocks=tuple(block for _, block in cut),
    )
    sealed, seal = manifest.encode(described, level=1)
    folder = data / "releases" / product / name / version / "any"
    folder.mkdir(parents=True)
    whole = b"".join(packed for packed, _ in cut)
    (folder / "manifest").write_bytes(sealed)
    (folder / "pack").write_bytes(whole)
    return Published(version, sealed, whole, seal)


def make_index(component: str, releases: Iterable[Published], withdrawn: Iterable[str] = ()) -> Index:
    product, _, name = component.partition("/")
    moment = "2026-01-01T00:00:00Z"
    return Index(
        product=product,
        component=name,
        releases=tuple(Release(one.version, "any", ("stable",), one.seal, Severity.BUG, moment) for one in releases),
        tombstones=tuple(Tombstone(version, "any", moment, "broken") for version in withdrawn),
    )


Lists = Mapping[tuple[str, str], bytes]
"""Other targets than indexes, by role and path."""


LISTS: Final[Lists] = {
    ("sdk", "sdk/baselines.json.zst"): baselines.encode(Baselines(product="sdk"), level=1),
    ("science", "science/baselines.json.zst"): baselines.encode(Baselines(product="science"), level=1),
    ("halts", "halts/sdk.json.zst"): halts.encode(Halts(product="sdk"), level=1),
    ("halts", "halts/science.json.zst"): halts.encode(Halts(product="science"), level=1),
    ("house", "house/trust.json"): trust.encode(Trust(mirrors=(OfficialMirror("https://updates.example.com", "PEM"),))),
}
"""What the mirrors of these tests list, beside their indexes."""


_APART: Final = {role: CryptoSigner.generate_ed25519() for role in ("root", "snapshot", "timestamp")}


def sign_catalogue(
    folder: Path, indexes: Iterable[Index], number: int, signer: CryptoSigner, lists: Lists | None = None
) -> None:
    """Write a catalogue of version `number`; timestamp.json last, by a rename. `signer`: signs as people do."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).replace(microsecond=0)
    expires = now + timedelta(days=365)
    key = signer.public_key
    root = Root(1, expires=expires, consistent_snapshot=True)
    for role in ("root", "targets", "snapshot", "timestamp"):
        root.add_key(_APART.get(role, signer).public_key, role)
    targets, snapshot = Targets(number, expires=expires), Snapshot(number, expires=now + timedelta(days=7))
    targets.delegations = Delegations({key.keyid: key}, {})
    products: dict[str, Targets] = {}
    listed = {
        (one.product, index.target_path(one.product, one.component)): index.encode(one, level=1) for one in indexes
    }
    for (product, path), raw in {**listed, **(lists or {})}.items():
        target = TargetFile.from_data(path, raw, ["sha256"])
        products.setdefault(product, Targets(number, expires=expires)).targets[path] = target
        place = folder / "targets" / target.get_prefixed_paths()[0]
        place.parent.mkdir(parents=True, exist_ok=True)
        _put(place, raw)
    assert targets.delegations.roles is not None
    for product in products:
        own = {"halts": ["halts/*.json.zst"], "house": ["house/trust.json"]}
        paths = own.get(product, [f"{product}/*/index.json.zst", f"{product}/baselines.json.zst"])
        targets.delegations.roles[product] = DelegatedRole(product, [key.keyid], 1, terminating=True, paths=paths)
    snapshot.meta = {f"{role}.json": MetaFile(number) for role in ("targets", *products)}
    timestamp = Timestamp(number, expires=now + timedelta(days=3), snapshot_meta=MetaFile(number))
    named: dict[str, Any] = {"1.root": root, f"{number}.targets": targets}
    named |= {f"{number}.{product}": signed for product, signed in products.items()}
    for name, signed in {**named, f"{number}.snapshot": snapshot, "timestamp": timestamp}.items():
        metadata = Metadata(signed)
        metadata.sign(_APART.get(name.rpartition(".")[2], signer))
        _put(folder / f"{name}.json", metadata.to_bytes())


def _put(path: Path, raw: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(raw)
    part.rename(path)


class Mirror:
    """A mirror in a folder, and its process.

    acme is licensed for sdk, globex for sdk and science; retired holds an ended licence for sdk.
    """

    def __init__(self, folder: Path, house: House, *, bare: bool = False) -> None:
        """`bare`: only what the CA gives; `spot-mirror init` makes the rest."""
        self.folder, self.house = folder, house
        self.data = folder / "data"
        self.signer = CryptoSigner.generate_ed25519()
        self.port = 0
        self.callers: list[Caller] = []
        self.serial_of_crl = 0
        self.indexes: list[Index] = []
        self.server = house.server.files(folder, "server")
        (folder / "issuing.crt").write_bytes(pem_of(house.issuing.certificate))
        self.revoke()
        if bare:
            return
        self.data.mkdir(mode=0o700)
        self.config()
        with self.records() as records:
            for customer in ("acme", "globex", "retired"):
                records.add_customer(customer, NOW)
            for customer, product in (("acme", "sdk"), ("globex", "sdk"), ("globex", "science")):
                records.grant(Licence(customer, product, ("stable",), LONG_AGO, None, 2))
            records.grant(Licence("retired", "sdk", ("stable",), LONG_AGO, LONG_AGO, 1))

    def publish(self, big: int = 2**18) -> Published:
        """Publish sdk/botocore 1.40.0 (withdrawn: 1.39.0), and science/numpy 2.2.5; returns the first."""
        content = random.Random(1).randbytes(big)  # noqa: S311  not for secrets
        sdk = make_release(self.data, "sdk/botocore", "1.40.0", content)
        science = make_release(self.data, "science/numpy", "2.2.5", b"two two five")
        self.indexes = [make_index("sdk/botocore", [sdk], ["1.39.0"]), make_index("science/numpy", [science])]
        sign_catalogue(self.data / "catalogue", self.indexes, 1, self.signer, LISTS)
        return sdk

    def scrubbed(self) -> None:
        """Write down that all which is on offer was read just now; these releases were published long ago."""
        done = Scrubbed(datetime.now(UTC).replace(microsecond=0), 2, 7, 2**20, 0, ())
        scrub.write(self.data / scrub.FILE_NAME, done)

    @contextmanager
    def records(self) -> Iterator[Records]:
        records = open_records(self.data / "records.sqlite", create=True)
        try:
            yield records
        finally:
            records.close()

    def config(self, extra: str = "", listen: str = "127.0.0.1:0", workers: int = 1) -> Path:
        path = self.folder / "mirror.toml"
        path.write_text(
            f'realm = "{REALM}"\ndata = "data"\n[content]\nlisten = ["{listen}"]\n'
            'certificate = "server.crt"\nkey = "server.key"\nissuing_cas = ["issuing.crt"]\ncrls = ["issuing.crl"]\n'
            f"workers = {workers}\n{extra}\n"
        )
        return path

    def revoke(self, *parties: Party) -> None:
        """Replace the CRL by the next one, which names these."""
        self.serial_of_crl += 1
        entries = [Revoked(party.certificate.serial_number, NOW, "unspecified") for party in parties]
        self.put_crl(self.house.issuing.issuer, entries, self.serial_of_crl)

    def put_crl(
        self,
        issuer: Issuer,
        entries: list[Revoked],
        number: int,
        now: datetime = NOW,
        lifetime: timedelta = CRL_LIFETIME,
    ) -> None:
        assert issuer.certificate is not None
        crl = build_crl(issuer.certificate, issuer.key, entries, number=number, now=now, lifetime=lifetime)
        part = self.folder / "issuing.part"
        part.write_bytes(crl.public_bytes(Encoding.PEM))
        part.rename(self.folder / "issuing.crl")

    @contextmanager
    def running(
        self, extra: str = "", command: tuple[str, ...] = SERVE, workers: int = 1
    ) -> Iterator[subprocess.Popen[str]]:
        """The process with a configuration of ours, once it is ready."""
        self.config(extra, workers=workers)
        with self.running_as_configured(command) as process:
            yield process

    @contextmanager
    def running_as_configured(self, command: tuple[str, ...]) -> Iterator[subprocess.Popen[str]]:
        """The process, once it is ready; ended at the end unless it ended by itself."""
        with (self.folder / "stderr.log").open("a") as log:
            process = subprocess.Popen(
                [*command, str(self.folder / "mirror.toml")],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=measured.environment(),
            )
        try:
            assert process.stdout is not None
            self.ready = process.stdout.readline()
            assert "ready on https://127.0.0.1:" in self.ready, self.stderr()
            self.port = int(self.ready.split("https://127.0.0.1:")[1].split(",")[0])
            yield process
        finally:
            for caller in self.callers:
                caller.close()
            for number in (signal.SIGTERM, signal.SIGTERM):
                process.send_signal(number)
            process.communicate(timeout=20)

    def stderr(self) -> str:
        return (self.folder / "stderr.log").read_text()

    def audit(self) -> list[dict[str, object]]:
        lines = (self.data / "audit.jsonl").read_bytes().splitlines()
        return [msgspec.json.decode(line) for line in lines]

    def until(self, holds: Callable[[], bool], seconds: float = 5) -> None:
        """Ask again and again until something holds that another process does in its own time."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.stderr()
            time.sleep(0.02)

    def audited(self, **fields: object) -> dict[str, object]:
        """The newest audit line with these fields; it is written after the answer, so it is waited for."""

        def found() -> list[dict[str, object]]:
            return [line for line in self.audit() if fields.items() <= line.items()]

        self.until(lambda: bool(found()))
        return found()[-1]

    def party(self, customer: str = "acme", **fields: str) -> Party:
        """A fresh client certificate of ours."""
        return self.house.leaf(Identity(REALM, Role.CLIENT, customer, **fields), CLIENT)

    def context(self, party: Party) -> ssl.SSLContext:
        files = party.files(self.folder, f"client-{party.certificate.serial_number}")
        return client_context(**files, pins=[der_of(self.house.server.certificate)], tls12=True)

    def caller(self, party: Party) -> "Caller":
        """A client's connection, which lives as long as the process."""
        self.callers.append(Caller(self.port, self.context(party)))
        return self.callers[-1]

    def raw(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")


class Caller:
    """One kept-alive connection, like a client's."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)

    def __call__(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        """Ask; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, named)
        with self.connection.getresponse() as response:
            return response.status, dict(response.getheaders()), response.read()

    def reason(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Status and reason of a refusal."""
        status, _, raw = self(path, method, body, **headers)
        return status, msgspec.json.decode(raw)["reason"]

    def close(self) -> None:
        self.connection.close()
