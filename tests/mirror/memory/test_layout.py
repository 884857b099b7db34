"""mirror.memory.layout and .values: every name and serial has a key, no two the same, and values come back whole."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.memory import values
from mirror.memory.layout import issuer_prefix, name_key, number_key, serial_key
from mirror.records.protocol import Customer, Holder, Licence, Suspension
from spot_client.wire.index import Release, Severity
from spot_client.wire.sealed import Seal

LMDB_KEY = 511  # octets
NOW = datetime(2026, 3, 1, tzinfo=UTC)

texts = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["", "\0", "a\0", "\udc80", "\xff", "a" * 300, "a" * 600]
)
names = st.lists(texts, min_size=1, max_size=4).map(tuple)
serials = st.integers() | st.integers(min_value=-(2**300), max_value=2**300)


@given(names, names)
def test_names_have_keys_that_are_theirs_alone(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert 0 < len(name_key(*one)) <= LMDB_KEY
    assert (name_key(*one) == name_key(*other)) == (one == other)


@given(serials, serials, st.binary(max_size=40), st.binary(max_size=40))
def test_serials_have_keys_that_are_theirs_alone(one: int, other: int, issuer: bytes, another: bytes) -> None:
    keys = serial_key(issuer_prefix(issuer), one), serial_key(issuer_prefix(another), other)
    assert 0 < len(keys[0]) <= LMDB_KEY
    assert (keys[0] == keys[1]) == ((issuer, one) == (another, other))


def test_the_releases_of_a_component_lie_together_and_apart_from_all_others() -> None:
    keys = [name_key("sdk", component, "1.0", "any") for component in ("tool", "tool-2", "too", "toola")]
    assert [key.startswith(name_key("sdk", "tool") + b"\0") for key in keys] == [True, False, False, False]


@pytest.mark.parametrize("suspended", [None, Suspension(NOW, "unpaid")])
@given(
    number=st.integers(0, 2**63 - 1),
    licences=st.lists(
        st.builds(
            Licence,
            st.just("acme"),
            st.sampled_from(["sdk", "tools"]),
            st.lists(st.text(max_size=5), max_size=3).map(tuple),
            st.dates(),
            st.none() | st.dates(),
            st.integers(1, 10**9),
        )
    ).map(tuple),
)
def test_a_customer_comes_back_with_its_licences(
    suspended: Suspension | None, number: int, licences: tuple[Licence, ...]
) -> None:
    value = values.pack_holder(Holder(number, Customer("acme", NOW, suspended), licences))
    assert value.startswith(number_key(number))
    found = values.holding(value)
    assert found.suspended == (suspended is not None)
    assert [msgspec.structs.astuple(one) for one in found.licences] == [
        msgspec.structs.astuple(one) for one in licences
    ]


def test_a_release_comes_back_with_what_a_request_needs() -> None:
    seal = Seal("ab" * 32, 1234)
    release = Release("1.0", "any", ("beta", "stable"), seal, Severity.BUG, "2026-01-01T00:00:00Z", notes="left out")
    assert values.offer(values.pack_offer(release)) == values.Offer(("beta", "stable"), seal)


def test_what_is_no_value_is_refused() -> None:
    for call in (lambda: values.offer(b"\xc1"), lambda: values.holding(bytes(9) + b"\xc1")):
        with pytest.raises(msgspec.DecodeError):
            call()
