"""Which requests for a certificate are signed, and each reason for which they are not."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.entry import Entry
from ca.identity import Identity, Role, make, parse
from ca.profiles import CLIENT
from ca.renewing import GRACE, SENTENCES, Refuse, Sign, Why, decide, requester
from tests.ca.family import DAY, Family, client, enrolment, key, request
from tests.ca.house import NOW, REALM, House
from tests.docs.pages import DOCS, rows, sections

ONE, TWO = client("acme", "one"), client("acme", "two")
OPERATOR = make(REALM, Role.CA_OPERATOR, "acme")
SPARE = 50  # the number of a key that nobody has

Case = Callable[[Family], tuple[Identity, Entry | None]]


@pytest.fixture
def family(house: House) -> Family:
    return Family(house)


def decided(family: Family, wanted: Identity, asker: Entry | None, *, at: timedelta = DAY) -> Sign | Refuse:
    return decide(request(wanted, SPARE), asker, family.entries, now=NOW + at)


SIGNED: dict[str, Case] = {
    "an installation renews itself": lambda f: (ONE, f.add(ONE, 1)),
    "a customer certificate becomes one of an installation": lambda f: (ONE, f.add(client(), 1)),
    "a customer certificate renews itself": lambda f: (client(), f.add(client(), 1)),
    "what can only enrol enrols": lambda f: (ONE, f.add(enrolment(), 1, uses=1)),
    "another installation has a certificate": lambda f: (TWO, _with(f.add(client(), 1), f, ONE)),
}
REFUSED: dict[str, tuple[Case, Why]] = {
    "nobody": (lambda _: (ONE, None), Why.UNKNOWN_REQUESTER),
    "an operator": (lambda f: (ONE, f.add(OPERATOR, 1)), Why.WRONG_ROLE),
    "for an operator": (lambda f: (OPERATOR, f.add(client(), 1)), Why.WRONG_ROLE),
    "for enrolment": (lambda f: (enrolment(), f.add(enrolment(), 1, uses=5)), Why.WRONG_ROLE),
    "a customer for enrolment": (lambda f: (enrolment(), f.add(client(), 1)), Why.WRONG_ROLE),
    "another realm": (
        lambda f: (make("other.example.com", Role.CLIENT, "acme", "one"), f.add(ONE, 1)),
        Why.WRONG_REALM,
    ),
    "an installation for its neighbour": (lambda f: (TWO, f.add(ONE, 1)), Why.OTHER_IDENTITY),
    "an installation for its customer": (lambda f: (client(), f.add(ONE, 1)), Why.OTHER_IDENTITY),
    "an installation for another customer": (lambda f: (client("globex", "one"), f.add(ONE, 1)), Why.OTHER_IDENTITY),
    "a customer for another": (lambda f: (client("globex"), f.add(client(), 1)), Why.OTHER_IDENTITY),
    "a customer for an installation of another": (
        lambda f: (client("globex", "one"), f.add(client(), 1)),
        Why.OTHER_IDENTITY,
    ),
    "enrolment for the whole customer": (lambda f: (client(), f.add(enrolment(), 1, uses=5)), Why.OTHER_IDENTITY),
    "enrolment for another customer": (
        lambda f: (client("globex", "one"), f.add(enrolment(), 1, uses=5)),
        Why.OTHER_IDENTITY,
    ),
    "its own key": (lambda f: (ONE, f.add(ONE, SPARE)), Why.KEY_REUSED),
    "somebody else's key": (lambda f: (ONE, (f.add(client("globex"), SPARE), f.add(ONE, 1))[1]), Why.KEY_REUSED),
    "a customer for an installation that has one": (
        lambda f: (ONE, _with(f.add(client(), 1), f, ONE)),
        Why.OWN_CERTIFICATE,
    ),
    "enrolment for an installation that has one": (
        lambda f: (ONE, _with(f.add(enrolment(), 1, uses=5), f, ONE)),
        Why.OWN_CERTIFICATE,
    ),
    "the last use is over": (lambda f: (TWO, _with(f.add(enrolment(), 1, uses=1), f, ONE)), Why.USES_SPENT),
    "enrolment without a number of uses": (lambda f: (ONE, f.add(enrolment(), 1)), Why.USES_SPENT),
    "renewed before": (lambda f: (ONE, _with(f.add(ONE, 1), f, ONE)), Why.CLONE_SUSPECTED),
    "renewed twice before": (
        lambda f: (ONE, (first := f.add(ONE, 1), f.add(ONE, 3, f.add(ONE, 2, first)))[0]),
        Why.CLONE_SUSPECTED,
    ),
}


def _with(asker: Entry, family: Family, child: Identity) -> Entry:
    """The asker, after it had a certificate for `child`."""
    family.add(child, 7, asker)
    return asker


@pytest.mark.parametrize("case", SIGNED.values(), ids=SIGNED)
def test_what_follows_from_the_askers_own_certificate_is_signed(family: Family, case: Case) -> None:
    wanted, asker = case(family)
    assert asker is not None
    assert decided(family, wanted, asker) == Sign(CLIENT, asker.serial)


@pytest.mark.parametrize(("case", "why"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_by_name(family: Family, case: Case, why: Why) -> None:
    assert decided(family, *case(family)) == Refuse(why)


def test_the_ledger_says_who_asks_and_not_the_mirror(family: Family) -> None:
    entry = family.add(ONE, 1)
    assert requester(family.entries, int(entry.serial, 16), entry.fingerprint) == entry
    assert requester(family.entries, int(entry.serial, 16), "0" * 64) is None
    assert requester(family.entries, 1, entry.fingerprint) is None


@pytest.mark.parametrize("identity", [ONE, client()])
def test_what_has_ended_may_be_renewed_for_a_while(family: Family, identity: Identity) -> None:
    entry = family.add(identity, 1, days=100)
    end = entry.not_after - NOW
    assert decided(family, identity, entry, at=end + GRACE) == Sign(CLIENT, entry.serial)
    assert decided(family, identity, entry, at=end + GRACE + timedelta(seconds=1)) == Refuse(Why.EXPIRED)


def test_nobody_enrols_after_the_end(family: Family) -> None:
    entry = family.add(enrolment(), 1, uses=5)
    end = entry.not_after - NOW
    assert decided(family, ONE, entry, at=end) == Sign(CLIENT, entry.serial)
    assert decided(family, ONE, entry, at=end + timedelta(seconds=1)) == Refuse(Why.EXPIRED)


def test_without_grace_what_has_ended_is_over(family: Family) -> None:
    entry = family.add(ONE, 1)
    late = entry.not_after + timedelta(seconds=1)
    found = decide(request(ONE, SPARE), entry, family.entries, now=late, grace=timedelta())
    assert found == Refuse(Why.EXPIRED)


def test_a_request_that_waits_dies_with_its_requester(family: Family) -> None:
    """Whoever is revoked while it waits: the ledger counts as it is when it comes to signing."""
    entry = family.add(ONE, 1)
    waiting = request(ONE, SPARE)
    assert decide(waiting, entry, family.entries, now=NOW) == Sign(CLIENT, entry.serial)
    family.revoke(entry.serial)
    assert decide(waiting, family.now_of(entry), family.entries, now=NOW) == Refuse(Why.REVOKED)


def test_what_was_revoked_or_is_long_over_stands_in_nobodys_way(family: Family) -> None:
    customer = family.add(client(), 1, days=500)
    own = family.add(ONE, 2, customer, days=10)
    assert decided(family, ONE, customer, at=10 * DAY + GRACE) == Refuse(Why.OWN_CERTIFICATE)
    assert decided(family, ONE, customer, at=10 * DAY + GRACE + DAY) == Sign(CLIENT, customer.serial)
    family.revoke(own.serial)
    assert decided(family, ONE, customer) == Sign(CLIENT, customer.serial)


def test_a_revoked_enrolment_was_one_all_the_same(family: Family) -> None:
    entry = family.add(enrolment(), 1, uses=1)
    family.revoke(family.add(ONE, 2, entry).serial)
    assert decided(family, ONE, entry) == Refuse(Why.USES_SPENT)


def test_two_machines_with_one_key_wait_for_a_person(family: Family) -> None:
    first = family.add(ONE, 1)
    thief = family.add(ONE, 2, first)
    later = NOW + DAY
    for asker, found in ((first, Refuse(Why.CLONE_SUSPECTED)), (thief, Sign(CLIENT, thief.serial))):
        assert decide(request(ONE, SPARE), asker, family.entries, now=later) == found
    accepted = {first.serial}
    assert decide(request(ONE, SPARE), first, family.entries, now=later, accepted=accepted) == Sign(
        CLIENT, first.serial
    )
    other = family.add(TWO, 3)
    family.add(TWO, 4, other)
    assert decide(request(TWO, SPARE), other, family.entries, now=later, accepted=accepted) == Refuse(
        Why.CLONE_SUSPECTED
    )


def test_being_accepted_is_no_right_to_anything_else(family: Family) -> None:
    first = family.add(ONE, 1)
    family.add(ONE, 2, first)
    accepted = {first.serial}
    assert decide(request(TWO, SPARE), first, family.entries, now=NOW, accepted=accepted) == Refuse(Why.OTHER_IDENTITY)
    assert decide(request(ONE, 2), first, family.entries, now=NOW, accepted=accepted) == Refuse(Why.KEY_REUSED)
    family.revoke(first.serial)
    found = decide(request(ONE, SPARE), family.now_of(first), family.entries, now=NOW, accepted=accepted)
    assert found == Refuse(Why.REVOKED)


def test_every_refusal_has_a_sentence_and_is_explained() -> None:
    assert set(SENTENCES) == set(Why)
    (section,) = (
        one.text
        for one in sections((DOCS / "reference" / "reasons.md").read_text())
        if one.title == "Why a request for a certificate is not signed"
    )
    assert {first for first, *_ in rows(section)} == {why.value for why in Why}


STARTS = [(client(), None), (enrolment(), 2), (client("globex"), None), (enrolment("globex"), 1), (OPERATOR, None)]
WANTED = [client(), ONE, TWO, client("globex"), client("globex", "one"), enrolment(), OPERATOR]
STEPS = st.lists(
    st.tuples(
        st.integers(0, 15),  # of the certificates that there are by then: who asks
        st.sampled_from(WANTED),
        st.integers(10, 24),  # with which key
        st.sampled_from(["ask", "ask", "ask", "revoke"]),
        st.integers(0, 40),  # days that pass
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_is_asked_for_the_house_stays_in_order(
    house: House, steps: list[tuple[int, Identity, int, str, int]]
) -> None:
    """Machines, thieves and revocations in any order: what was signed always follows from what was there."""
    family, now = Family(house), NOW
    for number, (identity, uses) in enumerate(STARTS):
        family.add(identity, number, uses=uses)
    for who, wanted, number, what, days in steps:
        now += days * DAY
        asker = family.entries[who % len(family.entries)]
        if what == "revoke":
            family.revoke(asker.serial)
            continue
        found = decide(request(wanted, number), asker, family.entries, now=now)
        if isinstance(found, Sign):
            assert asker.revoked_at is None
            family.add(wanted, number, asker, now=now, profile=found.profile)
    _check(family, now)


def _check(family: Family, now: datetime) -> None:
    by_serial = {entry.serial: entry for entry in family.entries}
    live: dict[str, int] = {}
    for entry in family.entries:
        identity = parse(entry.who)
        children = [one for one in family.entries if one.parent == entry.serial]
        if entry.parent is not None:
            parent = parse(by_serial[entry.parent].who)
            assert identity.role is Role.CLIENT
            assert identity.name == parent.name
            assert parent.installation in (None, identity.installation)
        if entry.uses is not None:
            assert len(children) <= entry.uses
        live_children = [one for one in children if one.who == entry.who and one.revoked_at is None]
        live[entry.serial] = sum(one.not_after >= now for one in live_children)
    assert max(live.values()) <= 1
    keys = [key_bytes(entry) for entry in family.entries]
    assert len(set(keys)) == len(keys)


def key_bytes(entry: Entry) -> bytes:
    return next(
        key(number).public_key().public_numbers().x.to_bytes(32)
        for number in range(100)
        if key(number).public_key().public_numbers().x.to_bytes(32) in entry.certificate
    )
