"""What the memory holds at one moment: views over one transaction, which sees nothing of what is written after it.

A look-up costs about a microsecond, however much there is. For one thread at a time.
"""

from collections.abc import Callable, Container, Mapping
from datetime import datetime
from functools import partial
from typing import Final

import msgspec

from mirror.errors import MemoryFault
from mirror.memory.layout import NUMBER_OCTETS, OWN, CatalogueFacts, ListFacts, issuer_prefix, name_key, serial_key
from mirror.memory.place import Opened, faults
from mirror.memory.values import Holding, Offer, holding, offer

Get = Callable[[bytes], bytes | None]
"""Looks a key up in one table."""


_ASKED: Final = 1024  # releases that stay decoded


class RevocationView(msgspec.Struct, frozen=True):
    """As `ca.revocation.Revocations`, with serials to look up in, not to go through."""

    issuer_key: bytes
    serials: Container[int]
    number: int
    this_update: datetime
    next_update: datetime


class CatalogueView:
    """As `mirror.catalogue.Catalogue`, as far as a request needs it."""

    def __init__(self, facts: CatalogueFacts, offers: Get, versions: Get, targets: Get) -> None:
        self.version, self.current, self.expires = facts.version, facts.current, facts.expires
        self.files = facts.files
        self._offers, self._versions, self._targets = offers, versions, targets
        self._asked: dict[tuple[str, str, str, str], Offer | None] = {}

    def release(self, product: str, component: str, version: str, platform: str) -> Offer | None:
        """The release of that name that is on offer."""
        name = (product, component, version, platform)
        if name not in self._asked:
            if len(self._asked) >= _ASKED:
                self._asked.clear()
            value = self._offers(name_key(*name))
            self._asked[name] = None if value is None else offer(value)
        return self._asked[name]

    def ever_published(self, product: str, component: str) -> Container[str]:
        """The versions that are or were on offer."""
        return _Versions(product, component, self._versions)

    def target(self, path: str) -> str | None:
        """The SHA-256, in hex, of the target of that path."""
        value = self._targets(name_key(path))
        return None if value is None else value.decode()


class HolderView:
    """Customers. The last one that was asked for stays at hand: its installation is asked for next."""

    def __init__(self, get: Get) -> None:
        self._get = get
        self._name: str | None = None
        self._value: bytes | None = None
        self._holding: Holding | None = None

    def get(self, name: str, /) -> Holding | None:
        """What a customer has; None if there is no such customer."""
        if name != self._name:
            value = self._get(name_key(name))
            self._holding = None if value is None else holding(value)
            self._name, self._value = name, value
        return self._holding

    def named(self, number: bytes) -> str | None:
        """The name of the last customer that was asked for, if this is its number."""
        name, value = self._name, self._value
        return name if value is not None and value.startswith(number) else None


class InstallationView:
    """Customers by the ids of their installations."""

    def __init__(self, installations: Get, names: Get, holders: HolderView) -> None:
        self._installations, self._names, self._holders = installations, names, holders

    def get(self, installation: str, /) -> str | None:
        """Whose it is; None if there is no such installation, or its customer was removed."""
        value = self._installations(name_key(installation))
        if value is None:
            return None
        number = value[:NUMBER_OCTETS]
        if (last := self._holders.named(number)) is not None:
            return last
        name = self._names(number)
        return None if name is None else name.decode()

    def owns(self, installation: str, /) -> bool:
        """Whether it has a certificate of its own."""
        value = self._installations(name_key(installation))
        return value is not None and value.endswith(OWN, NUMBER_OCTETS)


class View(msgspec.Struct, frozen=True):
    """Everything at one moment. `revocations`: by the issuer's key. `count`: of customers."""

    holders: HolderView
    installations: InstallationView
    revocations: Mapping[bytes, RevocationView]
    catalogue: CatalogueView
    timestamp: bytes
    count: int


class Reader:
    """Takes views of an open memory. A view that nobody holds any more lets its transaction go."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def view(self) -> View:
        """The memory as it is now.

        Raises:
            MemoryFault: reason `memory-unusable`: it was never filled, or not by this version.
        """
        with faults():
            transaction = self._opened.environment.begin()
            get = {name: partial(transaction.get, db=handle) for name, handle in self._opened.tables.items()}
            count: int = transaction.stat(self._opened.tables["holders"])["entries"]
        about = get["about"]
        try:
            lists = msgspec.msgpack.decode(about(b"lists") or b"", type=list[ListFacts])
            facts = msgspec.msgpack.decode(about(b"catalogue") or b"", type=CatalogueFacts)
        except msgspec.DecodeError as error:
            raise MemoryFault(
                "memory-unusable", f"The memory that the mirror's processes share is not filled: {error}. Restart it."
            ) from error
        holders = HolderView(get["holders"])
        return View(
            holders=holders,
            installations=InstallationView(get["installations"], get["names"], holders),
            revocations={one.issuer_key: _revocations(one, get["serials"]) for one in lists},
            catalogue=CatalogueView(facts, get["offers"], get["versions"], get["targets"]),
            timestamp=about(b"timestamp") or b"",
            count=count,
        )


class _Versions:
    def __init__(self, product: str, component: str, get: Get) -> None:
        self._product, self._component, self._get = product, component, get

    def __contains__(self, version: object) -> bool:
        return isinstance(version, str) and self._get(name_key(self._product, self._component, version)) is not None


class _Serials:
    def __init__(self, prefix: bytes, get: Get) -> None:
        self._prefix, self._get = prefix, get

    def __contains__(self, serial: object) -> bool:
        return isinstance(serial, int) and self._get(serial_key(self._prefix, serial)) is not None


def _revocations(facts: ListFacts, serials: Get) -> RevocationView:
    return RevocationView(
        issuer_key=facts.issuer_key,
        serials=_Serials(issuer_prefix(facts.issuer_key), serials),
        number=facts.number,
        this_update=facts.this_update,
        next_update=facts.next_update,
    )
