"""Licences as hypothesis draws them, around one day."""

from datetime import date
from typing import Final

from hypothesis import strategies as st

from mirror.records.difference import Wanted
from mirror.records.protocol import Licence

TODAY: Final = date(2026, 3, 1)
CUSTOMERS: Final = ("acme", "globex", "initech")

_days = st.dates(date(2026, 2, 26), date(2026, 3, 4))
_periods = st.tuples(_days, st.none() | _days).filter(lambda days: days[1] is None or days[0] <= days[1])
_channels = st.lists(st.sampled_from(["beta", "stable"]), min_size=1, unique=True).map(sorted).map(tuple)


@st.composite
def licences(draw: st.DrawFn, *customers: str) -> tuple[Licence, ...]:
    """By customer and product, as a store lists them; products are few, so that two draws meet."""
    keys = draw(st.sets(st.tuples(st.sampled_from(customers), st.sampled_from(["sdk", "tools"])))) if customers else ()
    drawn = []
    for customer, product in sorted(keys):
        first, last = draw(_periods)
        drawn.append(Licence(customer, product, draw(_channels), first, last, draw(st.integers(1, 3))))
    return tuple(drawn)


@st.composite
def wanted(draw: st.DrawFn) -> Wanted:
    """Some of `CUSTOMERS`, and licences of theirs."""
    names = sorted(draw(st.sets(st.sampled_from(CUSTOMERS))))
    return Wanted(tuple(names), draw(licences(*names)))
