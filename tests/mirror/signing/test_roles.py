"""The signing side: what is signed, by whom, for how long, and what is due."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mirror import catalogue
from mirror.catalogue import Chain
from mirror.errors import SigningError
from mirror.publishing import keys, signing
from mirror.signing.keys import Ring
from tests.mirror.publishing.rig import PASSPHRASE

NOW = datetime(2026, 3, 1, 12, 30, 15, 999, tzinfo=UTC)
TOOL = ("sdk", "tool")


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    return keys.create(tmp_path / "keys", signing.TOP_ROLES, lambda: PASSPHRASE)


def written(folder: Path, signed: signing.Files) -> Chain:
    for name, raw in signed.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return catalogue.read_chain(folder)


@pytest.fixture
def first(tmp_path: Path, ring: Ring) -> Chain:
    return written(tmp_path / "catalogue", signing.first(ring, NOW))


def signed_part(raw: bytes) -> Any:
    return json.loads(raw)["signed"]


def test_the_first_catalogue_has_the_lifetimes_of_the_house(first: Chain) -> None:
    lifetimes = {role: signed.expires - NOW.replace(microsecond=0) for role, signed in first.roles.items()}
    days = {role: lifetime / timedelta(days=1) for role, lifetime in lifetimes.items()}
    assert days == {"root": 365, "targets": 365, "snapshot": 7, "timestamp": 3}
    assert first.root.consistent_snapshot


def test_every_role_is_signed_by_keys_of_its_own(first: Chain) -> None:
    keyids = [keyid for role in first.root.roles.values() for keyid in role.keyids]
    assert len(keyids) == len(set(keyids)) == 4


def test_timestamp_json_is_the_last_file(ring: Ring, first: Chain) -> None:
    for signed in (
        signing.first(ring, NOW),
        signing.offer(first, ring, TOOL, b"index", NOW),
        signing.resign(first, ring, NOW),
    ):
        assert [*signed][-1] == "timestamp.json"


def test_a_new_product_is_delegated_its_own_indexes_and_no_more(tmp_path: Path, ring: Ring, first: Chain) -> None:
    chain = written(tmp_path / "catalogue", signing.offer(first, ring, TOOL, b"index", NOW))
    assert chain.targets.delegations is not None
    assert chain.targets.delegations.roles is not None
    role = chain.targets.delegations.roles["sdk"]
    assert (role.paths, role.terminating, role.threshold) == (["sdk/*/index.json.zst"], True, 1)
    assert role.is_delegated_path("sdk/tool/index.json.zst")
    for path in ("sdk/index.json.zst", "sdk/a/b/index.json.zst", "house/tool/index.json.zst", "sdk/tool/other"):
        assert not role.is_delegated_path(path)
    assert {name: signed.version for name, signed in chain.roles.items()} == {
        "root": 1,
        "targets": 2,
        "snapshot": 2,
        "timestamp": 2,
        "sdk": 1,
    }


def test_targets_is_left_alone_when_a_known_product_offers_more(tmp_path: Path, ring: Ring, first: Chain) -> None:
    chain = written(tmp_path / "catalogue", signing.offer(first, ring, TOOL, b"index", NOW))
    signed = signing.offer(chain, ring, ("sdk", "other"), b"other", NOW)
    assert "3.targets.json" not in signed
    chain = written(tmp_path / "catalogue", signed)
    assert sorted(chain.products["sdk"].targets) == ["sdk/other/index.json.zst", "sdk/tool/index.json.zst"]


def test_targets_that_is_due_is_signed_anew_with_the_next_release(tmp_path: Path, ring: Ring, first: Chain) -> None:
    chain = written(tmp_path / "catalogue", signing.offer(first, ring, TOOL, b"index", NOW))
    later = NOW + timedelta(days=340)
    signed = signing.offer(chain, ring, TOOL, b"more", later)
    assert signed_part(signed["3.targets.json"])["expires"].startswith("2028-02")


def test_signing_changes_nothing_in_what_was_read(ring: Ring, first: Chain) -> None:
    before = {role: signed.to_dict() for role, signed in first.roles.items()}
    signing.offer(first, ring, TOOL, b"index", NOW)
    signing.resign(first, ring, NOW)
    assert {role: signed.to_dict() for role, signed in first.roles.items()} == before


def test_keys_of_another_catalogue_are_refused(tmp_path: Path, first: Chain) -> None:
    other = keys.create(tmp_path / "other", signing.TOP_ROLES, lambda: PASSPHRASE)
    calls: list[Callable[[], object]] = [
        lambda: signing.offer(first, other, TOOL, b"x", NOW),
        lambda: signing.resign(first, other, NOW),
    ]
    for call in calls:
        with pytest.raises(SigningError) as error:
            call()
        assert error.value.reason == "other-keys"


def test_metadata_longer_than_clients_accept_is_refused(ring: Ring, first: Chain) -> None:
    first.snapshot.unrecognized_fields["filler"] = "x" * 2_000_000
    with pytest.raises(SigningError) as error:
        signing.resign(first, ring, NOW)
    assert error.value.reason == "too-large"


def test_several_keys_meet_a_threshold(tmp_path: Path, ring: Ring) -> None:
    extra = keys.create(tmp_path / "extra", ("targets",), lambda: PASSPHRASE)
    (name,) = [path.name for path in (tmp_path / "extra").glob("*.pem")]
    (tmp_path / "extra" / name).rename(tmp_path / "keys" / name)
    both = keys.RoleKeys(2, (*ring.roles["targets"].keys, *extra.roles["targets"].keys))
    table = Ring(tmp_path / "keys", {**ring.roles, "targets": both}, lambda: PASSPHRASE)
    signed = signing.first(table, NOW)
    assert len(json.loads(signed["1.targets.json"])["signatures"]) == 2
    assert written(tmp_path / "catalogue", signed).root.roles["targets"].threshold == 2


@pytest.mark.parametrize(
    ("role", "left", "expected"),
    [
        ("timestamp", timedelta(days=3), False),
        ("timestamp", timedelta(hours=25), False),
        ("timestamp", timedelta(hours=23), True),
        ("timestamp", timedelta(days=-10), True),
        ("timestamp", timedelta(days=3, minutes=59), False),
        ("timestamp", timedelta(days=4), True),
        ("snapshot", timedelta(days=3), False),
        ("snapshot", timedelta(days=2), True),
        ("sdk", timedelta(days=31), False),
        ("sdk", timedelta(days=29), True),
        ("root", timedelta(days=400), True),
    ],
)
def test_what_is_due(role: str, left: timedelta, expected: bool) -> None:
    assert signing.due(role, NOW + left, NOW) is expected


def test_people_are_reminded_of_what_they_sign(first: Chain) -> None:
    assert [*signing.reminders(first, NOW)] == []
    soon = [*signing.reminders(first, NOW + timedelta(days=350))]
    assert [line.split()[2] for line in soon] == ["root", "targets"]
    assert all("2027-03-01" in line for line in soon)
