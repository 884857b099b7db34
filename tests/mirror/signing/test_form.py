"""What waits may have been written by whoever took the mirror over: nothing is signed that is not shown."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Root, TargetFile, Targets

from mirror.errors import Conflict
from mirror.signing import form, roles, statements
from mirror.signing.roles import OWN_ROLES, TOP_ROLES, Keyholders
from mirror.signing.terms import Terms

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = tuple(CryptoSigner.generate_ed25519().public_key for _ in range(3))
HOLDERS = Keyholders(2, KEYS)


def first() -> tuple[Root, Targets]:
    holders = copy.deepcopy(HOLDERS)  # tests spoil the keys of what they look at
    made = statements.first(dict.fromkeys((*TOP_ROLES, *OWN_ROLES), holders), Terms(), NOW)
    root, targets = made["root"], made["targets"]
    assert isinstance(root, Root)
    assert isinstance(targets, Targets)
    roles.delegate(targets, "sdk", holders)
    return root, targets


def reason(role: str, signed: Root | Targets, *, last: int = 0, floor: int = 0) -> str:
    with pytest.raises(Conflict) as error:
        form.check(role, signed, last=last, floor=floor)
    assert "discard" in str(error.value)
    return error.value.reason


def test_what_the_house_makes_is_of_its_form() -> None:
    root, targets = first()
    form.check("root", root, last=0, floor=0)
    form.check("targets", targets, last=0, floor=0)
    form.check("sdk", Targets(version=1, expires=NOW), last=0, floor=0)


@pytest.mark.parametrize(("version", "last", "floor"), [(1, 1, 0), (3, 1, 0), (2**31, 1, 0), (9, 1, 7), (1, 1, 7)])
def test_a_version_follows_on_the_published_one_or_on_the_mark(version: int, last: int, floor: int) -> None:
    assert reason("sdk", Targets(version=version, expires=NOW), last=last, floor=floor) == "bad-statement"
    root, _ = first()
    root.version = version
    assert reason("root", root, last=last, floor=floor) == "bad-statement"


@pytest.mark.parametrize("version", [2, 7, 8])
def test_after_a_restore_it_may_stand_above_the_mark(version: int) -> None:
    form.check("sdk", Targets(version=version, expires=NOW), last=1, floor=7)


def twice(targets: Targets) -> None:
    assert targets.delegations is not None
    key = copy.deepcopy(KEYS[0])
    key.keyid = "0" * 64
    targets.delegations.keys[key.keyid] = key
    assert targets.delegations.roles is not None
    targets.delegations.roles["sdk"].keyids.append(key.keyid)


def role_of(targets: Targets, name: str = "sdk") -> DelegatedRole:
    return roles.delegated(targets)[name]


def swapped(targets: Targets) -> None:
    """Every id as it was, and another key below it: what is shown by ids would look the same."""
    assert targets.delegations is not None
    key = targets.delegations.keys[KEYS[0].keyid]
    key.keyval["public"] = CryptoSigner.generate_ed25519().public_key.keyval["public"]


def other_scheme(targets: Targets) -> None:
    assert targets.delegations is not None
    targets.delegations.keys[KEYS[0].keyid].unrecognized_fields["x"] = 1


def threshold(targets: Targets) -> None:
    role_of(targets).threshold = 0


def wide(targets: Targets) -> None:
    role_of(targets).paths = ["*/*/index.json.zst"]


def open_ended(targets: Targets) -> None:
    role_of(targets).terminating = False


def hashed(targets: Targets) -> None:
    role_of(targets).paths, role_of(targets).path_hash_prefixes = None, [""]


def named(targets: Targets) -> None:
    found = roles.delegated(targets)
    found["Root"] = DelegatedRole("Root", list(role_of(targets).keyids), 1, True, ["Root/*"])


def field(targets: Targets) -> None:
    targets.unrecognized_fields["x-spot-offline"] = True


def hidden(targets: Targets) -> None:
    assert targets.delegations is not None
    targets.delegations.unrecognized_fields["x-hidden"] = True


def none(targets: Targets) -> None:
    targets.delegations = None


@pytest.mark.parametrize(
    "spoil", [twice, swapped, other_scheme, threshold, wide, open_ended, hashed, named, field, hidden, none]
)
def test_targets_that_let_somebody_do_more_are_refused(spoil: Callable[[Targets], None]) -> None:
    _, targets = first()
    spoil(targets)
    assert reason("targets", targets) == "bad-statement"


def test_a_root_with_a_threshold_that_cannot_hold_or_a_key_twice_is_refused() -> None:
    for number in (0, 4):
        root, _ = first()
        root.roles["timestamp"].threshold = number
        assert reason("root", root) == "bad-statement"
    root, _ = first()
    key = copy.deepcopy(KEYS[0])
    key.keyid = "0" * 64
    root.keys[key.keyid] = key
    assert reason("root", root) == "bad-statement"
    root, _ = first()
    root.consistent_snapshot = False
    assert reason("root", root) == "bad-statement"


def test_a_root_with_a_field_that_is_not_shown_is_refused() -> None:
    root, _ = first()
    root.roles["timestamp"].unrecognized_fields["x-hidden"] = 1
    assert reason("root", root) == "bad-statement"


def test_a_root_whose_ids_are_of_other_keys_is_refused() -> None:
    root, _ = first()
    key = next(iter(root.keys.values()))
    key.keyval["public"] = CryptoSigner.generate_ed25519().public_key.keyval["public"]
    assert reason("root", root) == "bad-statement"


@pytest.mark.parametrize("hashes", [{"sha512": "0" * 128}, {"sha256": "0" * 64, "sha512": "0" * 128}])
def test_a_file_is_listed_by_one_digest_and_nothing_else(hashes: dict[str, str]) -> None:
    product = Targets(version=1, expires=NOW)
    product.targets["sdk/tool/index.json.zst"] = TargetFile(1, hashes, "sdk/tool/index.json.zst")
    assert reason("sdk", product) == "bad-statement"
    product.targets["sdk/tool/index.json.zst"] = TargetFile(
        1, {"sha256": "0" * 64}, "sdk/tool/index.json.zst", {"custom": {"x": 1}}
    )
    assert reason("sdk", product) == "bad-statement"


def test_a_product_hands_nothing_on() -> None:
    assert reason("sdk", Targets(version=1, expires=NOW, delegations=Delegations({}, {}))) == "bad-statement"


def alone(role: str) -> Keyholders:
    return Keyholders(1, (CryptoSigner.generate_ed25519().public_key,))


def apart() -> dict[str, Keyholders]:
    """Keys of their own for root, snapshot and timestamp; people have theirs in common."""
    return {**dict.fromkeys((*TOP_ROLES, *OWN_ROLES), HOLDERS), **{one: alone(one) for one in ALONE}}


ALONE = ("root", "snapshot", "timestamp")


def founded(who: dict[str, Keyholders]) -> tuple[Root, Targets]:
    made = statements.first(who, Terms(), NOW)
    root, targets = made["root"], made["targets"]
    assert isinstance(root, Root)
    assert isinstance(targets, Targets)
    return root, targets


@pytest.mark.parametrize("role", ["root", "targets"])
def test_people_may_have_one_key_for_all_that_people_sign(role: str) -> None:
    form.check_apart(role, *founded(apart()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("snapshot", "timestamp"),
        ("root", "timestamp"),
        ("root", "targets"),
        ("root", "house"),
        ("snapshot", "halts"),
        ("targets", "timestamp"),
    ],
)
def test_no_key_speaks_for_roles_that_have_to_be_apart(one: str, other: str) -> None:
    both = alone(one)
    root, targets = founded({**apart(), one: both, other: both})
    assert roles.shared(root, targets) == {both.keys[0].keyid: tuple(sorted((one, other)))}
    with pytest.raises(Conflict) as error:
        form.check_apart("root", root, targets)
    assert error.value.reason == "bad-statement"


def test_what_has_lapsed_or_would_hold_too_long_is_refused() -> None:
    form.check_expiry("root", NOW + timedelta(days=365), Terms(), NOW)
    for days in (-1, 400):
        with pytest.raises(Conflict) as error:
            form.check_expiry("root", NOW + timedelta(days=days), Terms(), NOW)
        assert error.value.reason == "bad-statement"
