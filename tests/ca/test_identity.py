"""An identity and its URI SAN are two spellings of one thing, and only ours are read."""

import json
import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import IdentityError
from ca.identity import ID_PATTERN, Identity, Role, check_id, check_realm, make, parse
from tests.house.source import ROOT

VECTORS: Final = json.loads((ROOT / "tests/vectors/identities.json").read_bytes())
"""URIs: with the parts of an identity (`accepted`), or the class of failure (`refused`)."""

ids = st.from_regex(ID_PATTERN, fullmatch=True)
labels = st.from_regex(re.compile(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", re.ASCII), fullmatch=True)
realms = st.lists(labels, min_size=2, max_size=5).map(".".join)
identities = st.one_of(
    st.builds(make, realms, st.sampled_from(Role), ids),
    st.builds(make, realms, st.just(Role.CLIENT), ids, ids),
)


def reason(uri: str) -> str:
    with pytest.raises(IdentityError) as refused:
        parse(uri)
    return refused.value.reason


@given(identities)
def test_an_identity_survives_its_uri(identity: Identity) -> None:
    assert parse(identity.uri) == identity


@given(st.text(max_size=80) | st.text("abc/.:@%-# ", max_size=30).map("spiffe://build.example.com/".__add__))
def test_a_uri_is_refused_by_name_or_is_the_one_spelling(uri: str) -> None:
    try:
        identity = parse(uri)
    except IdentityError:
        return
    assert identity.uri == uri


def test_the_forms_are_frozen() -> None:
    assert make("b.example", Role.CLIENT, "acme").uri == "spiffe://b.example/client/acme"
    assert make("b.example", Role.CLIENT, "acme", "i-1").uri == "spiffe://b.example/client/acme/i-1"
    assert make("b.example", Role.MIRROR, "eu").uri == "spiffe://b.example/mirror/eu"
    assert make("b.example", Role.SUPPORT, "kim").uri == "spiffe://b.example/support/kim"
    assert make("b.example", Role.CA_OPERATOR, "h1").uri == "spiffe://b.example/ca-operator/h1"


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: ascii(vector["uri"])[1:60])
def test_another_form_is_refused_by_name(vector: dict[str, str]) -> None:
    assert reason(vector["uri"]) == vector["reason"]


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda vector: vector["uri"][:60])
def test_the_forms_of_the_vectors_are_read(vector: dict[str, str | None]) -> None:
    assert parse(str(vector["uri"])) == Identity(
        str(vector["realm"]), Role(vector["role"]), str(vector["name"]), vector["installation"]
    )


def test_only_clients_have_installations() -> None:
    with pytest.raises(IdentityError) as refused:
        make("b.example", Role.SUPPORT, "kim", "i-1")
    assert refused.value.reason == "bad-path"


def test_the_longest_names_are_read() -> None:
    realm = ".".join(["a" * 63] * 3 + ["b" * 8])
    assert len(check_realm(realm)) == 200
    longest = make(realm, Role.CLIENT, check_id("customer", "c" * 63), "i" * 63)
    assert parse(longest.uri) == longest
    with pytest.raises(IdentityError):
        check_realm("a" + realm[:-1] + "bb")
