"""What leads from the licences that are to the licences that are wanted: every step, and what is to be done. Pure.

The wanted licences are those of the customers they name, and of nobody else. Carried out, a difference reaches what is
wanted, and the next one is empty. A licence that is not wanted any more is only told of, unless it is to be pruned: a
line that somebody forgot to write must not cut a customer off. An ended licence is never touched.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from enum import Enum

import msgspec

from mirror.errors import RecordsError
from mirror.records.protocol import Changes, Customer, Licence

_TOLD = 3  # licences that a refusal names


class Wanted(msgspec.Struct, frozen=True):
    """Customers who are to be there, and all licences that they are to have (channels sorted)."""

    customers: tuple[str, ...]
    licences: tuple[Licence, ...]


class Kind(Enum):
    """What a step does."""

    ADD_CUSTOMER = "add-customer"
    GRANT = "grant"
    CHANGE = "change"
    END = "end"
    NOT_WANTED = "not-wanted"
    """Nothing: the licence goes on, though it is not wanted."""


class Step(msgspec.Struct, frozen=True):
    """One line of a difference: the licence as it is, and as it will be (None: there is none)."""

    kind: Kind
    customer: str
    product: str | None = None
    old: Licence | None = None
    new: Licence | None = None


class Difference(Changes, frozen=True, kw_only=True):
    """Steps by customer and product, what of them is to be done, and how many licences are as they are wanted."""

    steps: tuple[Step, ...]
    unchanged: int


def difference(
    wanted: Wanted,
    customers: Sequence[Customer],
    licences: Sequence[Licence],
    *,
    today: date,
    prune: bool = False,
    replace: bool = False,
) -> Difference:
    """Compare what is wanted with all `customers` and `licences` that are.

    Args:
        today: in UTC.
        prune: end, with yesterday, licences of wanted customers that are not wanted.
        replace: even if a licence in force is changed to one that is not.

    Raises:
        RecordsError: reason `would-cut-off`, without `replace`.
    """
    there, held = {line.name for line in customers}, {(line.customer, line.product): line for line in licences}
    asked = {(line.customer, line.product): line for line in wanted.licences}
    steps = [Step(Kind.ADD_CUSTOMER, name) for name in wanted.customers if name not in there]
    for key, new in asked.items():
        old = held.get(key)
        if new != old:
            steps.append(Step(Kind.GRANT if old is None else Kind.CHANGE, *key, old, new))
    for key, old in held.items():
        if key[0] in wanted.customers and key not in asked and not old.is_over(today):
            ended = msgspec.structs.replace(old, valid_until=today - timedelta(days=1))
            steps.append(Step(Kind.END, *key, old, ended) if prune else Step(Kind.NOT_WANTED, *key, old, old))
    if not replace:
        _refuse_gaps(steps, today)
    return _sorted(steps, sum(1 for key, new in asked.items() if held.get(key) == new))


def _refuse_gaps(steps: Sequence[Step], today: date) -> None:
    cut = [
        f"{step.customer} {step.product}"
        for step in steps
        if step.kind is Kind.CHANGE and step.old and step.new and step.old.holds(today) and not step.new.holds(today)
    ]
    if cut:
        more = f" and {len(cut) - _TOLD} more" if len(cut) > _TOLD else ""
        raise RecordsError(
            "would-cut-off",
            f"Licences in force today would be cut off: {', '.join(cut[:_TOLD])}{more}. Correct their days, or add"
            " --replace. Nothing was changed.",
        )


def _sorted(steps: Sequence[Step], unchanged: int) -> Difference:
    def new(*kinds: Kind) -> tuple[Licence, ...]:
        return tuple(step.new for step in steps if step.kind in kinds and step.new is not None)

    return Difference(
        steps=tuple(sorted(steps, key=lambda step: (step.customer, step.product or ""))),
        unchanged=unchanged,
        add=tuple(step.customer for step in steps if step.kind is Kind.ADD_CUSTOMER),
        grant=new(Kind.GRANT, Kind.CHANGE),
        end=new(Kind.END),
    )
