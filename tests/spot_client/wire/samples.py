"""One small document of each format, as values; `tests/vectors` holds the same as bytes."""

from pathlib import Path

from spot_client.wire.baselines import Baseline, Baselines
from spot_client.wire.halts import Halt, Halts
from spot_client.wire.index import Index, Release, Severity, Tombstone
from spot_client.wire.installation import Minted
from spot_client.wire.licences import LicenceLine, LicenceList
from spot_client.wire.manifest import Block, Directory, File, Hook, Kind, Manifest, Symlink
from spot_client.wire.problem import Problem
from spot_client.wire.sealed import Seal
from spot_client.wire.thin_snapshot import ThinSnapshot
from spot_client.wire.trust import OfficialMirror, Trust

VECTORS = Path(__file__).resolve().parents[2] / "vectors"

TOOL = b"#!/bin/sh\nexec echo spot\n"
SETTINGS = b"colour = green\n" * 3
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
TOOL_SHA256 = "06f026af751c66d02698f376dbbec4d577fbef8d00367985f8eef1c0f2b2e423"
SETTINGS_SHA256 = "c32b0adbc455c612b18fbf5790dd9cea431e42dd949265909751a52928e8ec2f"

BLOCKS = (
    Block(length=57, sha256="80bac29634320ba1743ede5c9b0c6cda1082245efced60bafa57a97147dfbd09", size=48),
    Block(length=31, sha256="8f7dad7175530bf8f1effbf104b52c7aeee07e1d8cbf315625821ab157658055", size=22),
)

MANIFEST = Manifest(
    product="sdk",
    component="botocore",
    version="1.40.1",
    platform="linux-x86_64",
    entries=(
        Directory("bin", 0o755),
        Symlink("bin/current", "../lib/Füße"),
        File("bin/tool", 0o755, 25, TOOL_SHA256, 0),
        Directory("lib", 0o700),
        File("lib-settings", 0o600, 45, SETTINGS_SHA256, 25, Kind.CONFIG),
        File("lib/Füße", 0o644, 25, TOOL_SHA256, 0),
        File("lib/empty", 0o400, 0, EMPTY_SHA256, 0, Kind.STATE),
        Symlink("lib/up", ".."),
    ),
    blocks=BLOCKS,
    hooks=(Hook("post-install", ("bin/tool", "--quiet", "grün"), 60),),
)

INDEX = Index(
    product="sdk",
    component="botocore",
    releases=(
        Release("1.40.0", "any", ("stable",), Seal("0" * 64, 600), Severity.FEATURE, "2026-01-31T23:59:59Z"),
        Release("1.40.1rc1", "linux-x86_64", ("beta",), Seal("1" * 64, 601), Severity.BUG, "2026-02-01T00:00:00Z"),
        Release(
            "1.40.1",
            "linux-x86_64",
            ("beta", "stable"),
            Seal("a" * 64, 602),
            Severity.SECURITY,
            "2026-02-02T08:00:00Z",
            restart=True,
            notes="Closes a hole.\nSee “notes”.",
            requires={"sdk/core": ">=2,<3"},
        ),
    ),
    tombstones=(Tombstone("1.39.9", "any", "2026-01-30T12:00:00Z", "Damaged installations."),),
)

BASELINES = Baselines(
    product="sdk",
    baselines=(
        Baseline("2026.1", {"botocore": "1.40.0", "core": "2.0"}, "2026-01-31T23:59:59Z"),
        Baseline("2026.1-LTS", {"botocore": "1.40.1"}, "2026-02-02T08:00:00Z", notes="Closes a hole.\nSee “notes”."),
    ),
)

HALTS = Halts(
    product="sdk",
    halts=(
        Halt("botocore", "1.40.0", "any", "2026-02-01T09:30:00Z", "Loses settings of “beta”."),
        Halt("core", "2.0", "linux-x86_64", "2026-02-01T09:31:00Z", ""),
    ),
)

CERTIFICATES = [
    f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n" for body in ("MIIB", "MIIC", "MIID")
]
TRUST = Trust(
    mirrors=(
        OfficialMirror("https://updates.example.com", CERTIFICATES[0], CERTIFICATES[1], CERTIFICATES[2]),
        OfficialMirror("https://[2001:db8::7]:8443", CERTIFICATES[0]),
    )
)

THIN_SNAPSHOT = ThinSnapshot(components={"sdk/botocore": "1.40.1", "science/numpy": "2.2.5"})
MINTED = Minted(installation="7k2m9xq40gct31vz")
LICENCES = LicenceList(
    customer="acme",
    licences=(
        LicenceLine("science", ("stable",), "2026-01-01", None, 1),
        LicenceLine("sdk", ("beta", "stable"), "2026-01-01", "2026-12-31", 250),
    ),
)
PROBLEM = Problem(
    reason="not-licensed",
    title="Not licensed",
    status=403,
    detail="There is no licence in force for this product.",
    request="3f9c2a7be0d14c55",
    time="2026-02-03T04:05:06Z",
)


def vector(name: str) -> bytes:
    """The stored bytes of a vector."""
    return (VECTORS / name).read_bytes()
