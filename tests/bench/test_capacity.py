"""docs/capacity.md calculates as bench/capacity.py does, and a herd is served whole in the model."""

import re
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.capacity import (
    MEASURED,
    bits_per_second,
    cores,
    cores_for_update,
    installations_per_core,
    memory_bytes,
    polls_per_core,
)
from bench.herd import MODEL_WORKERS, MODELS
from bench.rush import Crowd, percentile, simulate
from mirror.limits import Limits
from tests.docs.pages import DOCS, rows

PAGE = (DOCS / "capacity.md").read_text()
HANDSHAKES = Limits().handshakes


def table(name: str) -> list[list[str]]:
    """The rows of the table that is marked so."""
    found = re.search(rf"<!-- {name} -->\n((?:\|.*\n)+)", PAGE)
    assert found
    return rows(found[1])


def test_the_page_has_the_costs_that_were_measured() -> None:
    assert {name: float(value) for name, value, _ in table("costs")} == msgspec.to_builtins(MEASURED)


def test_the_page_calculates_looks_right() -> None:
    for line in table("looks"):
        many, every, looks, needed, line_mbit = map(float, line)
        assert looks == round(many / every, 1)
        assert needed == round(cores(MEASURED, int(many), every), 3)
        assert line_mbit == round(bits_per_second(int(many), MEASURED.poll_bytes, every) / 1e6, 1)
    assert "2.4 million installations" in PAGE
    assert round(installations_per_core(MEASURED, 3600) / 1e6, 1) == 2.4


def test_the_page_calculates_updates_right() -> None:
    for line in table("updates"):
        many, size, hours, needed, mbit = map(float, line)
        assert needed == round(cores_for_update(MEASURED, int(many), size, hours * 3600), 3)
        assert mbit == round(bits_per_second(int(many), size, hours * 3600) / 1e6, 1)


def test_what_is_to_be_bought_follows() -> None:
    assert round(memory_bytes(MEASURED, 0, Limits().connections) / 1e9, 1) == 1.1
    assert round(memory_bytes(MEASURED, 2, 0) / 1e9, 1) == 0.1
    assert bits_per_second(1_000_000, 2_000_000, 5 * 3600) < 1e9


def test_the_page_has_what_the_model_says() -> None:
    told = {(int(line[0]), float(line[1])): [float(cell) for cell in line[2:]] for line in table("herd")}
    assert set(told) == {(crowd.clients, crowd.over) for crowd in MODELS}
    for crowd in MODELS:
        if crowd.clients <= 10_000:  # the others take too long for a test
            got = simulate(crowd, Random(1), workers=MODEL_WORKERS, handshakes=HANDSHAKES)  # noqa: S311
            assert told[crowd.clients, crowd.over] == [got.shed, got.lost, got.p50_ms, got.p99_ms, got.last]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3000), st.floats(0.01, 60), st.integers(1, 8), st.integers(0, 99))
def test_a_herd_is_served_whole_and_nobody_waits_long(clients: int, over: float, workers: int, seed: int) -> None:
    crowd = Crowd(clients=clients, over=over)
    outcome = simulate(crowd, Random(seed), workers=workers, handshakes=HANDSHAKES)  # noqa: S311
    assert (outcome.served, outcome.lost) == (clients, 0)
    longest = HANDSHAKES / workers * (MEASURED.handshake + MEASURED.small) + 1 / polls_per_core(MEASURED)
    shedding = outcome.shed * MEASURED.shed
    assert 150 <= outcome.p50_ms <= outcome.p99_ms <= 151 + (longest + shedding) * 1000


def test_ten_thousand_in_the_same_minute_are_served_within_half_a_second() -> None:
    for over in (60.0, 1.0, 0.1):
        outcome = simulate(Crowd(clients=10_000, over=over), Random(3), workers=2, handshakes=HANDSHAKES)  # noqa: S311
        assert outcome.lost == 0
        assert outcome.p99_ms <= 500


def test_more_than_a_mirror_can_serve_is_lost_in_the_model_too() -> None:
    crowd = Crowd(clients=20_000, over=1, window=5)
    assert simulate(crowd, Random(3), workers=1, handshakes=HANDSHAKES).lost > 0  # noqa: S311


@pytest.mark.parametrize(("values", "part", "found"), [([], 0.5, 0), ([7], 0.99, 7), ([1, 2, 3, 4], 0.5, 3)])
def test_a_percentile_is_one_of_the_values(values: list[float], part: float, found: float) -> None:
    assert percentile(values, part) == found
