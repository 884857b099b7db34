"""How long things are good is the CA's own choice, in a file that says nothing by mistake."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import IssueError, VaultError
from ca.issue import CRL_LIFETIME
from ca.lifetimes import MAX_LIFETIMES, Lifetimes, check_days, parse_lifetimes, template
from ca.profiles import CLIENT, PROFILES, SERVER
from tests.ca.house import NOW, reason_of


def parse(raw: bytes) -> Lifetimes:
    return parse_lifetimes(raw, source="lifetimes.toml", refusal=VaultError)


def refused(raw: bytes) -> str:
    with pytest.raises(VaultError) as error:
        parse(raw)
    assert error.value.reason == "bad-lifetimes"
    assert "lifetimes.toml" in str(error.value)
    return str(error.value)


def test_what_init_writes_says_the_defaults() -> None:
    assert parse(template().encode()) == parse(b"")
    for profile in PROFILES:
        assert parse(b"").applied(profile) == profile
    assert parse(b"").crl("issuing") == CRL_LIFETIME
    assert parse(b"").crl("root") == timedelta(days=365)


def test_a_line_changes_one_profile() -> None:
    found = parse(b"client = 90\ncrl = 7\nroot-crl = 700\n")
    assert found.applied(CLIENT).lifetime == timedelta(days=90)
    assert found.applied(SERVER) == SERVER
    assert (found.crl("issuing").days, found.crl("root").days) == (7, 700)


@pytest.mark.parametrize(
    "raw",
    [
        b"client = 0",
        b"client = -1",
        b"client = 7301",
        b"client = 730.0",
        b"client = true",
        b'client = "730"',
        b"client = nan",
        b"client = 1970-01-01",
        b"client = [730]",
        b"[client]\ndays = 730",
        b"crl = 367",
        b"crl = 0",
        b"root-crl = 7301",
        b"Client = 730",
        b"ca_operator = 365",
        b"client = 1\nclient = 2",
        b"client = ",
        b"client = " + b"9" * 5000,
        b"client = 730 # \xff",
        b"\0",
        b"\xef\xbb\xbfclient = 730",
        b"client = " + b"[" * 8000,
        b"client = " + b"{a=" * 4000,
        b"a." * 7000 + b"a = 1",
        b"#" * (MAX_LIFETIMES + 1),
    ],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    assert len(refused(raw)) < 600


def test_all_that_is_wrong_is_told_at_once() -> None:
    message = refused(b"client = 0\nservr = 5\ncrl = 999")
    for part in ("'servr' is not one of", "client is not a whole number of days from 1 to 7300", "from 1 to 366"):
        assert part in message


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"client = 2000", "client (2000 days) would outlive issuing (1825 days)"),
        (b"issuing = 100", "server (730 days) would outlive issuing (100 days)"),
        (b"root = 1000", "issuing (1825 days) would outlive root (1000 days)"),
    ],
)
def test_nothing_is_longer_than_its_issuer(raw: bytes, told: str) -> None:
    assert told in refused(raw)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | st.text("client=0123[]{}.\"'\n#", max_size=40))
def test_any_bytes_are_read_or_refused(raw: bytes | str) -> None:
    found: list[Lifetimes] = []
    reason = reason_of(lambda: found.append(parse(raw.encode() if isinstance(raw, str) else raw)))
    assert reason in {None, "bad-lifetimes"}
    assert all(1 <= days <= 7300 for lifetimes in found for days in lifetimes.days.values())


def test_days_by_hand_end_with_the_issuer_at_the_latest() -> None:
    check_days(10, NOW + timedelta(days=10), NOW)
    with pytest.raises(IssueError, match="10 days at most") as refused:
        check_days(11, NOW + timedelta(days=10, hours=23), NOW)
    assert refused.value.reason == "outlives-issuer"
    with pytest.raises(IssueError, match=" 0 days at most"):
        check_days(1, NOW - timedelta(days=5), NOW)
