"""Statements: who signs what, what a delegated role may speak of, and what the next version keeps."""

from datetime import UTC, datetime, timedelta

import pytest
from tuf.api.metadata import Root, Targets

from mirror.errors import SigningError
from mirror.signing import roles, statements
from mirror.signing.ring import Ring
from mirror.signing.roles import Keyholders
from mirror.signing.terms import Terms
from tests.mirror.signing.test_candidate import every

NOW = datetime(2026, 3, 1, 12, 30, 15, 999, tzinfo=UTC)
NAMES = {"root": "root-1", "targets": "alice", "halts": "bob", "house": "carol"}


def holders(*names: str, threshold: int = 1) -> Keyholders:
    ring: Ring = every()
    return Keyholders(threshold, tuple(ring.key(name).verifier for name in names))


@pytest.fixture
def first() -> dict[str, Root | Targets]:
    who = {role: holders(name) for role, name in NAMES.items()}
    return statements.first({**who, "snapshot": holders("snapshot"), "timestamp": holders("timestamp")}, Terms(), NOW)


def targets_of(first: dict[str, Root | Targets]) -> Targets:
    found = first["targets"]
    assert isinstance(found, Targets)
    return found


def test_the_first_catalogue_has_the_lifetimes_of_its_terms(first: dict[str, Root | Targets]) -> None:
    assert {role: one.expires - NOW.replace(microsecond=0) for role, one in first.items()} == dict.fromkeys(
        ("root", "targets", "halts", "house"), timedelta(days=365)
    )
    root = first["root"]
    assert isinstance(root, Root)
    assert root.consistent_snapshot
    keyids = [keyid for role in root.roles.values() for keyid in role.keyids]
    assert len(keyids) == len(set(keyids)) == 4


@pytest.mark.parametrize(
    ("role", "own", "others"),
    [
        (
            "sdk",
            ("sdk/tool/index.json.zst", "sdk/baselines.json.zst"),
            ("sdk/index.json.zst", "sdk/a/b/index.json.zst", "house/tool/index.json.zst", "halts/sdk.json.zst"),
        ),
        ("halts", ("halts/sdk.json.zst",), ("halts/sdk/tool/index.json.zst", "sdk/tool/index.json.zst", "halts/x")),
        ("house", ("house/trust.json",), ("house/x/index.json.zst", "house/baselines.json.zst")),
    ],
)
def test_a_delegated_role_speaks_of_its_own_files_and_no_more(
    first: dict[str, Root | Targets], role: str, own: tuple[str, ...], others: tuple[str, ...]
) -> None:
    targets = targets_of(first)
    roles.delegate(targets, role, holders("alice"))
    line = roles.delegated(targets)[role]
    assert line.terminating
    assert all(line.is_delegated_path(path) for path in own)
    assert not any(line.is_delegated_path(path) for path in others)


def test_a_successor_is_the_next_version_and_changes_nothing_in_what_was_read(first: dict[str, Root | Targets]) -> None:
    before = {role: one.to_dict() for role, one in first.items()}
    later = NOW + timedelta(days=10)
    newer = statements.successor(targets_of(first), "targets", Terms(), later)
    roles.delegate(newer, "sdk", holders("dave"))
    assert (newer.version, newer.expires) == (2, later.replace(microsecond=0) + timedelta(days=365))
    assert {role: one.to_dict() for role, one in first.items()} == before


def test_other_holders_leave_no_key_behind(first: dict[str, Root | Targets]) -> None:
    targets = targets_of(first)
    roles.delegate(targets, "sdk", holders("alice", "dave", threshold=2))
    roles.assign(targets, "sdk", holders("bob"))
    assert roles.holders_of(targets, "sdk") == holders("bob")
    assert targets.delegations is not None
    known = {key.keyid for key in (*holders("bob").keys, *holders("carol").keys)}
    assert targets.delegations.keys.keys() == known


def test_a_targets_that_delegates_nothing_is_not_ours() -> None:
    with pytest.raises(SigningError) as error:
        roles.delegated(Targets(version=1, expires=NOW))
    assert error.value.reason == "other-keys"


def test_snapshot_and_timestamp_name_versions_lengths_and_digests() -> None:
    one = statements.next_snapshot(None, [("sdk", 1, b"abc")], NOW)
    two = statements.next_snapshot(one, [("science", 4, b"defg")], NOW)
    assert (one.version, two.version, [*one.meta]) == (1, 2, ["sdk.json"])
    assert {name: (meta.version, meta.length) for name, meta in two.meta.items()} == {
        "sdk.json": (1, 3),
        "science.json": (4, 4),
    }
    stamp = statements.next_timestamp(statements.next_timestamp(None, (1, b"x"), NOW), (2, b"snapshot"), NOW)
    assert (stamp.version, stamp.snapshot_meta.version, stamp.snapshot_meta.length) == (2, 2, 8)
    assert stamp.snapshot_meta.hashes is not None
