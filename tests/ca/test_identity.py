"""An identity and its URI SAN are two spellings of one thing, and only ours are read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import IdentityError
from ca.identity import ID_PATTERN, Identity, Role, check_id, check_realm, make, parse

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


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("", "bad-uri"),
        ("https://b.example/client/acme", "bad-uri"),
        ("SPIFFE://b.example/client/acme", "bad-uri"),
        ("spiffe:/b.example/client/acme", "bad-uri"),
        ("spiffe://b.example/client/" + "a" * 600, "bad-uri"),
        ("spiffe:///client/acme", "bad-realm"),
        ("spiffe://example/client/acme", "bad-realm"),
        ("spiffe://B.example/client/acme", "bad-realm"),
        ("spiffe://b.example:443/client/acme", "bad-realm"),
        ("spiffe://user@b.example/client/acme", "bad-realm"),
        ("spiffe://b.example./client/acme", "bad-realm"),
        ("spiffe://b..example/client/acme", "bad-realm"),
        ("spiffe://-b.example/client/acme", "bad-realm"),
        ("spiffe://b.exämple/client/acme", "bad-realm"),
        ("spiffe://b.example", "bad-path"),
        ("spiffe://b.example/client", "bad-path"),
        ("spiffe://b.example/client/acme/i/j", "bad-path"),
        ("spiffe://b.example/mirror/eu/i", "bad-path"),
        ("spiffe://b.example/Client/acme", "bad-role"),
        ("spiffe://b.example//client/acme", "bad-role"),
        ("spiffe://b.example/root/acme", "bad-role"),
        ("spiffe://b.example/client/", "bad-id"),
        ("spiffe://b.example/client/acme/", "bad-id"),
        ("spiffe://b.example/client/..", "bad-id"),
        ("spiffe://b.example/client/ac%6de", "bad-id"),
        ("spiffe://b.example/client/acme?x", "bad-id"),
        ("spiffe://b.example/client/acme#x", "bad-id"),
        ("spiffe://b.example/client/Acme", "bad-id"),
        ("spiffe://b.example/client/-acme", "bad-id"),
        ("spiffe://b.example/client/acme\n", "bad-id"),
        ("spiffe://b.example/client/acme\0", "bad-id"),
        ("spiffe://b.example/client/\u0430cme", "bad-id"),  # a Cyrillic letter that looks like ours
        ("spiffe://b.example/client/" + "a" * 64, "bad-id"),
    ],
)
def test_another_form_is_refused_by_name(uri: str, expected: str) -> None:
    assert reason(uri) == expected


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
