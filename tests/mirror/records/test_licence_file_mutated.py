"""A file of licences that somebody spoilt: it is refused by name, or all in it keeps the rules of the store."""

from datetime import date, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import RecordsError
from mirror.records import checks, licence_file
from mirror.records.difference import Wanted
from mirror.records.protocol import Licence
from tests.drawn import texts, toml, toml_values
from tests.mirror.records.licensing import CUSTOMERS, wanted
from tests.spot_client.wire.strategies import mutated

REASONS = {"not-toml", "bad-file", "bad-name", "bad-licence"}


def read(raw: bytes) -> Wanted | None:
    """What the file holds, which can be written and read again; None where it is refused as it should be."""
    try:
        found = licence_file.read(raw)
    except RecordsError as error:
        refused = error
    else:
        for licence in found.licences:
            checks.check_licence(licence)
            assert licence.customer in found.customers
        keys = [(licence.customer, licence.product) for licence in found.licences]
        assert len(set(keys)) == len(keys)
        assert licence_file.read(licence_file.write(found).encode()) == found
        return found
    assert refused.reason in REASONS
    str(refused).encode()
    return None


@given(wanted().map(licence_file.write).map(str.encode).flatmap(mutated))
def test_whatever_was_done_to_its_bytes_it_keeps_the_rules_or_is_refused(raw: bytes) -> None:
    read(raw)


GOOD: dict[str, st.SearchStrategy[Any]] = {
    "channels": st.lists(st.sampled_from(["stable", "beta"]), min_size=1, max_size=3),
    "from": st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    "until": st.dates(date(2026, 12, 31)),
    "installations": st.integers(1, 10**9),
}
NEAR: dict[str, list[Any]] = {
    "channels": [[], ["stable", ""], ["Beta"], "stable", [1]],
    "from": ["2026-01-01", datetime(2026, 1, 1), 2026],  # noqa: DTZ001
    "until": [date(2025, 12, 31), "2026-12-31", datetime(2026, 12, 31), ""],  # noqa: DTZ001
    "installations": [0, -1, 10**9 + 1, 2**70, 1.0, "1", True],
    "unknown": [1],
}
TERMS = st.fixed_dictionaries(
    {name: GOOD[name] for name in ("channels", "from", "installations")}, optional={"until": GOOD["until"]}
)
TABLES = st.dictionaries(
    st.sampled_from(CUSTOMERS), st.dictionaries(st.sampled_from(["sdk", "tools"]), TERMS, min_size=1), min_size=1
)


@given(TABLES)
def test_whatever_is_good_is_what_was_written(customers: dict[str, dict[str, dict[str, Any]]]) -> None:
    licences = tuple(
        Licence(
            customer,
            product,
            tuple(sorted(set(terms["channels"]))),
            terms["from"],
            terms.get("until"),
            terms["installations"],
        )
        for customer, products in customers.items()
        for product, terms in products.items()
    )
    assert read(toml({"customer": customers}).encode()) == Wanted(tuple(customers), licences)


@st.composite
def spoilt(draw: st.DrawFn, *, near: bool) -> str:
    """A file with one thing in it that is nearly good, or of any kind at all: a value, a table, or the name of one."""
    customers = draw(TABLES)
    customer = draw(st.sampled_from(sorted(customers)))
    products = customers[customer]
    product = draw(st.sampled_from(sorted(products)))
    odd = st.sampled_from([1, [], "x", [{}]]) if near else toml_values
    names = ["", "A", "../a", "a" * 64, "\x1b[2J", "é"]
    match draw(st.integers(0, 5)):
        case 0:
            customers[draw(st.sampled_from(names))] = customers.pop(customer)
        case 1:
            products[draw(st.sampled_from([*names, "root", "targets"]))] = products.pop(product)
        case 2:
            return toml({"customer": {**customers, customer: draw(odd)}})
        case 3:
            return toml({"customer": {**customers, customer: {**products, product: draw(odd)}}})
        case _:
            name = draw(st.sampled_from(sorted(NEAR)))
            products[product][name] = draw(st.sampled_from(NEAR[name]) if near else toml_values)
    return toml({"customer": customers})


@settings(max_examples=200)
@given(spoilt(near=True))
def test_one_thing_that_cannot_be_is_enough_for_a_refusal(text: str) -> None:
    assert read(text.encode()) is None


@given(spoilt(near=False) | st.dictionaries(texts, toml_values, max_size=2).map(toml))
def test_whatever_stands_in_it_it_keeps_the_rules_or_is_refused(text: str) -> None:
    read(text.encode())
