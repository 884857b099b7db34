"""What the house demands of roles and keys beyond TUF, each rule with the reason that names it."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from spot_client.errors import NotTrusted
from spot_client.fetch.rules import house_rules

TOP = ("root", "targets", "snapshot", "timestamp")


def keys(*public: str) -> dict[str, Any]:
    """Keys by their ids; a key that is given twice has two ids."""
    return {f"id{place}": {"keytype": "ed25519", "keyval": {"public": one}} for place, one in enumerate(public)}


def root(found: dict[str, Any], **thresholds: int) -> bytes:
    """A root whose roles all have all keys."""
    roles = {role: {"keyids": list(found), "threshold": thresholds.get(role, 1)} for role in TOP}
    return json.dumps({"signed": {"_type": "root", "keys": found, "roles": roles}}).encode()


def targets(*names: str, **fields: Any) -> bytes:
    """Statements of a role that hands on to others: each with one key, for all below its name."""
    roles = [
        {"name": name, "keyids": ["id0"], "threshold": 1, "terminating": True, "paths": [f"{name}/*"], **fields}
        for name in names
    ]
    return json.dumps({"signed": {"_type": "targets", "delegations": {"keys": keys("aa"), "roles": roles}}}).encode()


def broken(role: str, raw: bytes) -> str:
    with pytest.raises(NotTrusted) as failed:
        house_rules(role, raw)
    return failed.value.reason


def test_what_keeps_the_rules_passes() -> None:
    house_rules("root", root(keys("aa", "bb"), root=2))
    house_rules("targets", targets("sdk", "halts", "house"))
    house_rules("targets", b'{"signed":{"_type":"targets"}}')
    house_rules("sdk", targets("sdk.deltas", paths=["sdk/*/deltas.json.zst"]))
    for role in ("snapshot", "timestamp"):
        house_rules(role, b"any bytes: python-tuf reads them")


PEM = ec.generate_private_key(ec.SECP256R1()).public_key()
SPELLED = PEM.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("one", "other"),
    [("ab" * 32, "ab" * 32), ("ab" * 32, "AB" * 32), ("ab" * 32, " ab" * 32), (SPELLED, f"x\n{SPELLED}\n")],
)
def test_one_key_under_two_ids_is_found_however_it_is_spelled(one: str, other: str) -> None:
    assert broken("root", root(keys(one, other))) == "one-key-twice"


def test_one_key_under_two_ids_is_found_where_targets_hands_on() -> None:
    raw = json.loads(targets("sdk"))
    raw["signed"]["delegations"]["keys"] = keys("aa", "aa")
    assert broken("targets", json.dumps(raw).encode()) == "one-key-twice"


@pytest.mark.parametrize("threshold", [0, -1, 2])
def test_a_threshold_that_is_none_or_that_nobody_can_meet(threshold: int) -> None:
    assert broken("root", root(keys("aa"), snapshot=threshold)) == "bad-threshold"
    assert broken("targets", targets("sdk", threshold=threshold)) == "bad-threshold"


def test_a_key_that_is_named_twice_does_not_make_two() -> None:
    assert broken("targets", targets("sdk", keyids=["id0", "id0"], threshold=2)) == "bad-threshold"


@pytest.mark.parametrize(
    "name",
    ["Sdk", "s[d]k", "../sdk", "", "-sdk", "sdk\n", "a" * 64, "sdk.deltas", "root", "timestamp", "\u017fdk"],
)
def test_a_name_that_is_none_of_a_product(name: str) -> None:
    assert broken("targets", targets(name)) == "bad-role-name"


def test_two_roles_of_one_name() -> None:
    assert broken("targets", targets("sdk", "sdk")) == "bad-role-name"


@pytest.mark.parametrize("name", ["mallory", "sdk", "other.deltas", "sdk.deltas.deltas", "targets"])
def test_a_product_hands_on_to_nobody_but_its_own_deltas(name: str) -> None:
    assert broken("sdk", targets(name, paths=["sdk/*"])) == "extraneous-role"


@pytest.mark.parametrize(
    "fields",
    [
        {"paths": ["*/*/index.json.zst"]},
        {"paths": ["sdk/*/index.json.zst", "other/*/index.json.zst"]},
        {"paths": ["sdkx/*"]},
        {"paths": []},
        {"paths": None},
        {"paths": None, "path_hash_prefixes": ["00"]},
    ],
)
def test_a_role_may_sign_for_what_lies_below_its_name_and_nothing_else(fields: dict[str, Any]) -> None:
    assert broken("targets", targets("sdk", **fields)) == "bad-role-kind"


def test_roles_without_names() -> None:
    raw = json.loads(targets("sdk"))
    raw["signed"]["delegations"]["succinct_roles"] = {"keyids": [], "threshold": 1, "bit_length": 8, "name_prefix": "x"}
    assert broken("targets", json.dumps(raw).encode()) == "bad-role-kind"


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"[" * 99_999, b'{"signed":{"delegations":{}}}', b"[]"])
@pytest.mark.parametrize("role", ["root", "targets", "sdk"])
def test_what_is_not_in_the_form_of_its_role(role: str, raw: bytes) -> None:
    assert broken(role, raw) == "bad-metadata"


@pytest.mark.parametrize(
    ("role", "raw"),
    [
        ("root", root(keys("aa"), root=3).replace(b'"root":', b'"%s":' % (b"x" * 300_000))),
        ("targets", targets("x" * 300_000)),
        ("targets", targets("sdk", threshold=10**4000)),
    ],
)
def test_what_is_told_of_a_role_is_short_whatever_it_says(role: str, raw: bytes) -> None:
    with pytest.raises(NotTrusted) as failed:
        house_rules(role, raw)
    assert len(str(failed.value)) < 300
    assert str(failed.value).endswith("Nothing was installed.")
