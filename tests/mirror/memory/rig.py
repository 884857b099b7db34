"""A memory of a mirror's folder, filled and read in one process, and what its store says instead."""

from datetime import UTC, datetime
from io import StringIO

import msgspec

from mirror import catalogue
from mirror.log import program_log
from mirror.memory import place
from mirror.memory.fill import Filler, Sources
from mirror.memory.read import Reader, View
from mirror.records.protocol import Licence, Records
from tests.mirror.content.rig import Mirror

NAMES = ("acme", "globex", "retired", "initech", "nobody")


class Filled:
    """`refresh` looks once, `view` is what is there then."""

    def __init__(self, mirror: Mirror, records: Records) -> None:
        self.mirror, self.records, self.said = mirror, records, StringIO()
        self.sources = Sources(
            issuers=[mirror.house.issuing.certificate],
            crls=[mirror.folder / "issuing.crl"],
            pushed=mirror.data / "crls",
            records=records,
            catalogue=mirror.data / "catalogue",
            load=catalogue.load,
        )
        self.place = place.take(mirror.data / "memory")
        self.opened = place.open_to_fill(self.place.folder)
        self.filler = Filler(self.opened, self.sources, datetime.now(UTC), program_log(self.said))

    def refresh(self) -> bool:
        return self.filler.refresh(datetime.now(UTC))

    def view(self) -> View:
        return Reader(self.opened).view()

    def close(self) -> None:
        self.opened.environment.close()
        self.place.remove()


def held(view: View, customer: str) -> tuple[Licence, ...]:
    """A customer's licences in a view, in the store's own form."""
    found = view.holders.get(customer)
    return () if found is None else tuple(Licence(*msgspec.structs.astuple(one)) for one in found.licences)


def suspended(view: View, customer: str) -> bool:
    """Whether a view says so of a customer."""
    found = view.holders.get(customer)
    return found is not None and found.suspended


def told(records: Records, view: View, ids: set[str]) -> tuple[object, object]:
    """What the store says of customers and installations, and what a view says, in the same form."""
    customers = {one.name: one.suspended is not None for one in records.customers()}
    of_store = (
        {name: (customers[name], tuple(records.licences(name))) for name in sorted(customers)},
        {one.id: one.customer for one in records.installations()},
        len(customers),
    )
    seen = [name for name in sorted({*NAMES, *customers}) if view.holders.get(name) is not None]
    of_view = (
        {name: (suspended(view, name), held(view, name)) for name in seen},
        {id_: owner for id_ in ids if (owner := view.installations.get(id_)) is not None},
        view.count,
    )
    return of_store, of_view
