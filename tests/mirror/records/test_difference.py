"""What leads from the licences that are to those that are wanted."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import RecordsError
from mirror.records.difference import Difference, Kind, Wanted, difference
from mirror.records.protocol import Customer, Licence
from mirror.records.sqlite import open_records
from tests.mirror.records.licensing import CUSTOMERS, TODAY, licences, wanted

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SDK = Licence("acme", "sdk", ("stable",), TODAY - 9 * DAY, None, 3)
TOOLS = msgspec.structs.replace(SDK, product="tools")


def compare(asked: Wanted, held: Sequence[Licence], **options: bool) -> Difference:
    """The difference for a mirror whose one customer is acme."""
    return difference(asked, [Customer("acme", NOW)], held, today=TODAY, **options)


def kinds(found: Difference) -> list[tuple[Kind, str, str | None]]:
    return [(step.kind, step.customer, step.product) for step in found.steps]


def test_what_is_as_it_is_wanted_is_counted_and_left_alone() -> None:
    found = compare(Wanted(("acme",), (SDK, TOOLS)), [SDK, TOOLS])
    assert (found.steps, found.unchanged) == ((), 2)
    assert (found.add, found.grant, found.end) == ((), (), ())


def test_a_customer_who_is_not_there_is_added_with_its_licences() -> None:
    new = msgspec.structs.replace(SDK, customer="globex")
    found = compare(Wanted(("globex",), (new,)), [SDK])
    assert kinds(found) == [(Kind.ADD_CUSTOMER, "globex", None), (Kind.GRANT, "globex", "sdk")]
    assert (found.add, found.grant) == (("globex",), (new,))


def test_a_licence_that_differs_is_changed_from_the_old_to_the_new() -> None:
    more = msgspec.structs.replace(SDK, installations=9)
    (step,) = compare(Wanted(("acme",), (more,)), [SDK]).steps
    assert (step.kind, step.old, step.new) == (Kind.CHANGE, SDK, more)


def test_a_licence_that_is_not_wanted_goes_on_unless_it_is_pruned() -> None:
    told = compare(Wanted(("acme",), (SDK,)), [SDK, TOOLS])
    assert kinds(told) == [(Kind.NOT_WANTED, "acme", "tools")]
    assert (told.grant, told.end) == ((), ())
    pruned = compare(Wanted(("acme",), (SDK,)), [SDK, TOOLS], prune=True)
    assert kinds(pruned) == [(Kind.END, "acme", "tools")]
    assert pruned.end == (msgspec.structs.replace(TOOLS, valid_until=TODAY - DAY),)


def test_licences_of_customers_who_are_not_named_are_none_of_its_business() -> None:
    found = compare(Wanted((), ()), [SDK], prune=True)
    assert (found.steps, found.end) == ((), ())


@pytest.mark.parametrize(
    ("first", "last", "over"),
    [
        (-9, -1, True),
        (-9, 0, False),
        (-9, None, False),
        (5, None, False),
        (5, 9, False),
        (5, 4, True),
    ],
    ids=["ended", "last day", "open", "to come", "to come and end", "ended before it begins"],
)
def test_only_a_licence_that_is_over_needs_no_end(first: int, last: int | None, *, over: bool) -> None:
    until = None if last is None else TODAY + last * DAY
    held = msgspec.structs.replace(SDK, valid_from=TODAY + first * DAY, valid_until=until)
    assert held.is_over(TODAY) is over
    assert bool(compare(Wanted(("acme",), ()), [held], prune=True).end) is not over


CUTTING: dict[str, dict[str, Any]] = {
    "begins later": {"valid_from": TODAY + DAY},
    "ended": {"valid_until": TODAY - DAY},
}


@pytest.mark.parametrize("change", CUTTING.values(), ids=CUTTING)
def test_a_licence_in_force_is_not_cut_off_unless_it_is_to_be_replaced(change: dict[str, Any]) -> None:
    new = msgspec.structs.replace(SDK, **change)
    with pytest.raises(RecordsError, match="acme sdk") as caught:
        compare(Wanted(("acme",), (new,)), [SDK])
    assert caught.value.reason == "would-cut-off"
    assert compare(Wanted(("acme",), (new,)), [SDK], replace=True).grant == (new,)
    assert compare(Wanted(("acme",), (new,)), [new]).steps == ()
    over = msgspec.structs.replace(SDK, valid_until=TODAY - DAY)
    assert compare(Wanted(("acme",), (msgspec.structs.replace(new, installations=1),)), [over]).grant


def test_a_refusal_names_a_few_of_many() -> None:
    held = [msgspec.structs.replace(SDK, product=f"p{number}") for number in range(9)]
    later = tuple(msgspec.structs.replace(line, valid_from=TODAY + DAY) for line in held)
    with pytest.raises(RecordsError, match="acme p0, acme p1, acme p2 and 6 more"):
        compare(Wanted(("acme",), later), held)


@settings(max_examples=60, deadline=None)
@given(licences(*CUSTOMERS[:2]), wanted())
def test_carried_out_it_reaches_what_is_wanted_and_the_next_one_is_empty(
    held: tuple[Licence, ...], asked: Wanted
) -> None:
    with TemporaryDirectory() as folder, closing(open_records(Path(folder) / "records", create=True)) as records:
        for name in CUSTOMERS[:2]:
            records.add_customer(name, NOW)
        for line in held:
            records.grant(line)

        def apply() -> Difference:
            return records.change(partial(difference, asked, today=TODAY, prune=True, replace=True), NOW)

        apply()
        state = records.licences()
        assert {line.name for line in records.customers()} == {*CUSTOMERS[:2], *asked.customers}
        assert {*asked.licences} <= {*state}
        for line in {*state} - {*asked.licences}:
            assert line.is_over(TODAY) if line.customer in asked.customers else line in held
        again = apply()
        assert (again.steps, again.unchanged) == ((), len(asked.licences))


@given(licences(*CUSTOMERS[:2]), wanted(), st.booleans())
def test_every_step_is_told_once_and_nothing_is_done_that_no_step_tells(
    held: tuple[Licence, ...], asked: Wanted, prune: bool
) -> None:
    customers = [Customer(name, NOW) for name in CUSTOMERS[:2]]
    found = difference(asked, customers, held, today=TODAY, prune=prune, replace=True)
    named = [(step.customer, step.product) for step in found.steps]
    assert named == sorted(named, key=lambda pair: (pair[0], pair[1] or ""))
    assert len(named) == len(set(named))
    told = [step.new for step in found.steps if step.kind in {Kind.GRANT, Kind.CHANGE, Kind.END}]
    assert {*found.grant, *found.end} == set(told)
    assert set(found.add) == {step.customer for step in found.steps if step.kind is Kind.ADD_CUSTOMER}
    assert {name for name, _ in named} <= set(asked.customers)
    kept = {(line.customer, line.product) for line in asked.licences} - set(named)
    assert found.unchanged == len(kept)
