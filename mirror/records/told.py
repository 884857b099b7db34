"""What a store of records tells of its changes and is handed in numbers, beside what `mirror.records.protocol` names.

Pure.
"""

from datetime import datetime

import msgspec


class Minted(msgspec.Struct, frozen=True):
    """An installation as it is followed: its place in the order of minting, its id, the number of its `Holder`."""

    number: int
    id: str
    holder: int


class Changed(msgspec.Struct, frozen=True):
    """Whom to read again: `customers` by name, some of them perhaps removed by now; None: all, too much has changed.

    number: what to ask with the next time.
    """

    number: int
    customers: tuple[str, ...] | None


class Received(msgspec.Struct, frozen=True):
    """A thin snapshot that is to be stored, and the moment it came at."""

    installation: str
    components: dict[str, str]
    at: datetime


class Holdings(msgspec.Struct, frozen=True):
    """What goes with a customer: products it has or had licences for (sorted), and how many of the rest.

    thin_snapshots: lines of history, of all its installations.
    """

    products: tuple[str, ...]
    installations: int
    thin_snapshots: int
