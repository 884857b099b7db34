"""mirror.content.limits: what callers may cost, and that nobody goes short because another one takes more."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mirror.content.limits import BUSY, Buckets, Connections, Rates, fair_share, retry_after
from mirror.limits import Limits

MANY = 1_000_000
UNLIMITED = Limits(requests_per_installation=MANY, requests_per_customer=MANY)


# Connections


def taken(rates: Rates, customer: str, installation: str | None, now: float) -> bool:
    """A request as the application has it counted."""
    return rates.take(customer, now) == 0 and (installation is None or rates.take_of(installation, customer, now) == 0)


def test_connections_in_all_are_limited() -> None:
    connections = Connections(Limits(connections=2))
    assert [connections.admit(f"192.0.2.{last}") for last in (1, 2, 3)] == [None, None, "too-many"]
    connections.left("192.0.2.1")
    assert connections.admit("192.0.2.3") is None


def test_connections_of_an_address_are_limited() -> None:
    connections = Connections(Limits(connections_per_address=2))
    assert [connections.admit("192.0.2.1") for _ in range(3)] == [None, None, "too-many-of-address"]
    assert connections.admit("192.0.2.2") is None
    connections.left("192.0.2.1")
    assert connections.admit("192.0.2.1") is None


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("2001:db8::1", "2001:db8::ffff:0:0:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "?", False),
    ],
)
def test_ipv6_counts_by_its_network_and_ipv4_whole(one: str, other: str, alike: bool) -> None:
    connections = Connections(Limits(connections_per_address=1))
    assert connections.admit(one) is None
    assert connections.admit(other) == ("too-many-of-address" if alike else None)


def test_connections_of_a_customer_are_limited() -> None:
    connections = Connections(Limits(connections_per_customer=1))
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        connections.admit(address)
    assert connections.proved("192.0.2.1", "acme") is None
    assert connections.proved("192.0.2.2", "acme") == "too-many-of-customer"
    assert connections.proved("192.0.2.3", "other") is None
    connections.left("192.0.2.2")
    connections.left("192.0.2.1", "acme")
    connections.admit("192.0.2.4")
    assert connections.proved("192.0.2.4", "acme") is None


def test_connections_that_have_proved_nothing_are_limited() -> None:
    connections = Connections(Limits(handshakes=4))
    assert [connections.admit(f"192.0.2.{last}") for last in range(5)] == [None] * 4 + ["handshake-limit"]
    connections.proved("192.0.2.0", "acme")
    assert connections.admit("192.0.2.5") is None


@given(st.integers(1, 600), st.integers(1, 6))
def test_whoever_takes_all_handshakes_it_can_leaves_room_for_others(handshakes: int, greedy: int) -> None:
    connections = Connections(Limits(handshakes=handshakes))
    taken = Counter(
        f"192.0.2.{turn % greedy}" for turn in range(2000) if not connections.admit(f"192.0.2.{turn % greedy}")
    )
    assert max(taken.values()) <= math.ceil(handshakes / 2)
    if handshakes > 2 ** (greedy + 1):
        assert connections.admit("198.51.100.1") is None


class ManyConnections(RuleBasedStateMachine):
    """Whatever comes and goes, the counts are those of what is there, and no limit is passed."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(connections=6, connections_per_customer=2, connections_per_address=3, handshakes=4)
        self.connections = Connections(self.limits)
        self.there: list[tuple[str, str | None]] = []

    @rule(address=st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]))
    def comes(self, address: str) -> None:
        if self.connections.admit(address) is None:
            self.there.append((address, None))

    @rule(place=st.integers(0, 9), customer=st.sampled_from(["acme", "other"]))
    def proves(self, place: int, customer: str) -> None:
        if place < len(self.there) and self.there[place][1] is None:
            address = self.there[place][0]
            if self.connections.proved(address, customer) is None:
                self.there[place] = (address, customer)

    @rule(place=st.integers(0, 9))
    def goes(self, place: int) -> None:
        if place < len(self.there):
            self.connections.left(*self.there.pop(place))

    @invariant()
    def counts_hold(self) -> None:
        unproved = [address for address, customer in self.there if customer is None]
        assert (self.connections.count, self.connections.handshaking) == (len(self.there), len(unproved))
        assert len(self.there) <= self.limits.connections
        assert len(unproved) <= self.limits.handshakes
        customers = Counter(customer for _, customer in self.there if customer)
        assert max(customers.values(), default=0) <= self.limits.connections_per_customer

    def teardown(self) -> None:
        for address, customer in self.there:
            self.connections.left(address, customer)
        left = vars(self.connections)
        assert {name: left[name] for name in left if name != "_limits" and left[name]} == {}  # nothing is remembered


TestManyConnections = ManyConnections.TestCase


# Buckets


def test_what_was_saved_up_may_be_used_at_once_and_then_one_in_each_interval() -> None:
    buckets = Buckets(60, 4, 9)
    given: list[float] = []
    for second in range(600):
        if not buckets.wait("one", second):
            buckets.take("one", second)
            given.append(second)
    assert given == [0, 1, 2, 3, *range(60, 600, 60)]


@settings(deadline=None)
@given(
    st.floats(0.01, 100),
    st.floats(1, 10),
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 50)), max_size=200),
)
def test_nobody_ever_gets_more_than_saved_and_rate_allow(
    every: float, saved: float, calls: list[tuple[str, float]]
) -> None:
    buckets, now = Buckets(every, saved, 9), 0.0
    given: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    for name, later in calls:
        now += later
        wait = buckets.wait(name, now)
        if not wait:
            buckets.take(name, now)
            given[name].append(now)
        else:
            assert buckets.wait(name, now + wait) == 0  # whoever waits as told is served
    for moments in given.values():
        for first in range(len(moments)):
            for last in range(first, len(moments)):
                span = moments[last] - moments[first]
                assert last - first + 1 <= saved + span / every + 0.01


def test_a_flood_of_names_gives_nobody_a_full_bucket_and_is_forgotten() -> None:
    buckets = Buckets(1, 10, 100)
    for _ in range(10):
        assert buckets.wait("acme", 0) == 0
        buckets.take("acme", 0)
    for turn in range(3000):
        now = turn / 100
        if buckets.wait(f"name-{turn}", now) == 0:
            buckets.take(f"name-{turn}", now)
        assert len(buckets._young) + len(buckets._old) <= 200
        if now < 10:
            assert buckets.wait("acme", now) == pytest.approx(max(0, 1 - now))
    assert buckets.wait("nobody", 29.99) == pytest.approx(0.01)  # there is no room until then
    assert buckets.wait("nobody", 100) == 0
    buckets.take("nobody", 100)
    assert (len(buckets._young), len(buckets._old)) == (1, 0)


# Rates


def served(rates: Rates, calls: Sequence[tuple[str, str | None]], now: float) -> Counter[str]:
    """How many of the calls of each customer may go on."""
    return Counter(customer for customer, installation in calls if taken(rates, customer, installation, now))


def test_an_installation_has_its_rate() -> None:
    rates = Rates(Limits(requests_per_installation=10))
    assert served(rates, [("acme", "i1")] * 50, 0.0) == {"acme": 20}
    assert served(rates, [("acme", "i2")] * 5, 0.0) == {"acme": 5}
    assert served(rates, [("acme", "i1")] * 50, 1.0) == {"acme": 10}


def test_a_customer_has_its_rate_over_all_installations() -> None:
    rates = Rates(Limits(requests_per_customer=10))
    assert served(rates, [("acme", f"i{number}") for number in range(40)] + [("acme", None)], 0.0) == {"acme": 20}
    assert served(rates, [("other", None)] * 5, 0.0) == {"other": 5}


def test_an_installation_that_is_refused_costs_its_customer_nothing() -> None:
    rates = Rates(Limits(requests_per_installation=1, requests_per_customer=10))
    served(rates, [("acme", "i1")] * 100, 0.0)
    assert served(rates, [("acme", f"i{number}") for number in range(2, 30)], 0.0) == {"acme": 18}


def test_those_who_are_refused_together_are_told_one_after_another() -> None:
    rates = Rates(Limits(requests_per_customer=100))
    rates.measured(0.5, 0.0)
    waits = [rates.take("acme", 0.0) for number in range(1000)]
    assert waits[:200] == [0.0] * 200
    assert waits[-1] == pytest.approx(10)
    assert sorted(waits) == waits


@given(st.floats(0, 60), st.floats(0, 1))
def test_nobody_is_told_to_come_back_too_early_nor_at_once_nor_never(wait: float, spread: float) -> None:
    assert max(1, wait) <= retry_after(wait, spread) <= 2 * wait + 1
    assert isinstance(retry_after(wait, spread), int)


# Fair shares


@given(st.floats(1, 1e6), st.lists(st.floats(0, 1e6), max_size=30))
def test_a_fair_share_uses_the_room_and_no_more(room: float, wanted: list[float]) -> None:
    share = fair_share(room, wanted)
    assert sum(min(one, share) for one in wanted) == pytest.approx(min(room, sum(wanted)), rel=1e-6)
    if wanted:
        assert share >= room / len(wanted) * 0.999


class Worker:
    """A worker that manages `capacity` requests a second; to refuse one costs `refusal` of that.

    Whoever asks waits in one line, whoever it is, with as many requests as its demand, and asks anew as soon as it is
    answered: the hardest that callers can press.
    """

    def __init__(
        self, rates: Rates, demand: Mapping[str, int], *, capacity: int, refusal: float, random: Random
    ) -> None:
        self.rates = rates
        self.capacity, self.refusal = capacity, refusal
        self.demand = demand
        self.random = random
        self.now = 0
        rates.measured(0.0, 0.0)

    def second(self) -> Counter[str]:
        """How many requests of each were served and, under `refused NAME`, refused."""
        calls = [name for name, count in self.demand.items() for _ in range(count)]
        self.random.shuffle(calls)
        used, outcome = 0.0, Counter[str]()
        for name in calls:
            if used >= 1:
                break
            is_refused = self.rates.take(name, self.now + used) > 0
            outcome[f"refused {name}" if is_refused else name] += 1
            used += (self.refusal if is_refused else 1) / self.capacity
        self.now += 1
        self.rates.measured(used, self.now)
        return outcome


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 8), st.integers(1, 200), st.integers(0, 20), st.integers(0, 3), st.integers(0, 99))
def test_small_customers_are_never_refused_and_no_capacity_is_lost(
    others: int, most: int, thousands: int, tenths: int, seed: int
) -> None:
    random, refusal = Random(seed), tenths / 10  # noqa: S311
    demand = {f"small-{place}": random.randint(1, most) for place in range(others)} | {"big": thousands * 1000 + 1}
    worker = Worker(Rates(UNLIMITED), demand, capacity=4000, refusal=refusal, random=random)
    served = []
    for _ in range(30):
        outcome = worker.second()
        assert [name for name in outcome if name.startswith("refused small")] == []
        refused = outcome["refused big"]
        served.append(outcome.total() - refused + refused * refusal)  # what refusing costs cannot be had
    assert sum(served) / 30 >= 0.85 * min(4000, sum(demand.values()))


def test_a_fleet_that_takes_all_is_held_so_that_the_others_are_served() -> None:
    demand = {"big": 50_000, "one": 300, "two": 300}
    worker = Worker(Rates(UNLIMITED), demand, capacity=4000, refusal=0.02, random=Random(5))  # noqa: S311
    outcomes = [worker.second() for _ in range(40)]
    assert outcomes[0]["one"] < 50  # of 300: nothing was known yet
    late = outcomes[10:]
    assert sum(outcome["one"] + outcome["two"] for outcome in late) >= 0.7 * 600 * len(late)
    refusing = sum(outcome["refused big"] for outcome in late) * worker.refusal
    assert sum(outcome["big"] for outcome in late) + refusing >= 0.75 * 4000 * len(late)


@pytest.mark.parametrize("busy", [0.0, BUSY - 0.01])
def test_while_the_worker_is_not_busy_nobody_is_held(busy: float) -> None:
    rates = Rates(UNLIMITED)
    rates.measured(0.0, 0.0)
    for second in range(5):
        assert served(rates, [("big", None)] * 5000 + [("small", None)], second) == {"big": 5000, "small": 1}
        rates.measured(busy, second + 1.0)


def test_a_customer_alone_is_never_held_and_those_who_are_alike_neither() -> None:
    for names in (["alone"], ["one", "two", "three"]):
        rates = Rates(UNLIMITED)
        rates.measured(0.0, 0.0)
        for second in range(5):
            calls = [(name, None) for name in names] * 1000
            assert served(rates, calls, second).total() == len(calls)
            rates.measured(1.0, second + 1.0)


def test_few_requests_are_never_held_however_busy_the_worker_is() -> None:
    rates = Rates(UNLIMITED)
    rates.measured(0.0, 0.0)
    for second in range(5):
        assert served(rates, [("one", None)] * 100 + [("two", None)], second).total() == 101
        rates.measured(1.0, second + 1.0)


def test_once_it_is_calm_all_are_served_again() -> None:
    worker = Worker(Rates(UNLIMITED), {"big": 9000, "small": 10}, capacity=4000, refusal=0.0, random=Random(7))  # noqa: S311
    assert sum(worker.second()["refused big"] for _ in range(6)) > 0
    worker.demand = {"big": 3000, "small": 10}
    for _ in range(10):
        worker.second()
    assert worker.second() == {"big": 3000, "small": 10}
