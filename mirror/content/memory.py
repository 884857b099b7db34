"""What the hot path reads: customers and licences, revocations, and the catalogue, all at one moment, all in memory.

A request takes `Memory.state` once and sees nothing change under it. `refresh` is called again and again, in a thread;
it looks only at marks (a file's time, size and inode; the store's counter) and reads what changed. The issuing CAs
are not among it: they are the anchors of the TLS context too, and change with a restart.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

import msgspec
from cryptography import x509
from structlog.typing import FilteringBoundLogger

from ca.revocation import Revocations
from mirror.catalogue import Catalogue
from mirror.certificates import read_list
from mirror.content.policy import Validity, World
from mirror.content.shelf import TIMESTAMP, Shelved, read_shelved
from mirror.content.watched import Watched, file_mark
from mirror.errors import CatalogueFault, ServeError
from mirror.records.protocol import Licence, Records


class Sources(msgspec.Struct, frozen=True):
    """Where everything comes from. `catalogue`: its folder, which `load` verifies and
    reads, given what it read last."""

    realm: str
    issuers: Sequence[x509.Certificate]
    crls: Sequence[Path]
    grace: timedelta
    records: Records
    catalogue: Path
    load: Callable[[Path, Catalogue | None], Catalogue]


class State(msgspec.Struct, frozen=True):
    """All of it at one moment. `timestamp`: the bytes of timestamp.json that belong to `catalogue`."""

    world: World
    catalogue: Catalogue
    timestamp: Shelved


class _Known(msgspec.Struct, frozen=True):
    customers: frozenset[str]
    suspended: frozenset[str]
    licences: dict[str, tuple[Licence, ...]]
    installations: dict[str, str]


class Memory:
    """The newest good state. `state` is replaced whole; only installations are added to in place, by `minted`."""

    def __init__(self, sources: Sources, now: datetime, log: FilteringBoundLogger) -> None:
        """Read everything for the first time; nothing may be missing.

        Raises:
            ServeError: reason `no-crl`, for an issuing CA without a CRL.
            CaError, MirrorError, OSError: what cannot be read or believed.
        """
        self._sources, self._log = sources, log
        self._issuers = {_key_id(issuer): _validity(issuer) for issuer in sources.issuers}
        self._lock = Lock()
        self._minted: dict[str, str] = {}
        self._crls = [
            Watched(str(path), _mark_of(path), _reader(path, sources.issuers), now, log) for path in sources.crls
        ]
        self._catalogue = Watched(
            "catalogue", _mark_of(sources.catalogue / TIMESTAMP), lambda _now, last: _load(sources, last), now, log
        )
        self._known = Watched("records", sources.records.marker, lambda _now, _last: _know(sources.records), now, log)
        self.state = self._compose()
        for issuer in sources.issuers:
            if _key_id(issuer) not in self.state.world.revocations:
                raise ServeError(
                    "no-crl",
                    f"There is no CRL of {issuer.subject.rfc4514_string()} among content.crls: add it to the "
                    "configuration; without one, nobody would be served.",
                )

    def refresh(self, now: datetime) -> bool:
        """Read what changed; whether anything did. Never raises for what lies outside: the last good version stays."""
        changed = [self._refreshed(crl, now) for crl in self._crls]
        changed += [self._catalogue.refresh(now), self._known.refresh(now)]
        if any(changed):
            with self._lock:
                self.state = self._compose()
        return any(changed)

    def minted(self, installation: str, customer: str) -> None:
        """Know a new installation at once, before the store is read again."""
        with self._lock:
            self._minted[installation] = customer
            self._known.value.installations[installation] = customer

    def _refreshed(self, crl: Watched[Revocations], now: datetime) -> bool:
        """Told in the log, so that whoever brought a list over sees that it holds, also after one that was refused."""
        taken = crl.refresh(now)
        if taken:
            number, revoked = crl.value.number, len(crl.value.serials)
            self._log.info("took a new revocation list", what=crl.what, number=number, revoked=revoked)
        return taken

    def _compose(self) -> State:
        known = self._known.value
        # What was minted while the store was being read is missing from what was read.
        self._minted = {
            id_: name
            for id_, name in self._minted.items()
            if id_ not in known.installations and name in known.customers  # one removed since took its own along
        }
        known.installations.update(self._minted)
        revocations = sorted((crl.value for crl in self._crls), key=lambda crl: crl.number)
        catalogue, timestamp = self._catalogue.value
        world = World(
            realm=self._sources.realm,
            issuers=self._issuers,
            revocations={crl.issuer_key: crl for crl in revocations},
            grace=self._sources.grace,
            customers=known.customers,
            licences=known.licences,
            installations=known.installations,
            suspended=known.suspended,
        )
        return State(world, catalogue, timestamp)


def _mark_of(path: Path) -> Callable[[], object]:
    return lambda: file_mark(path)


def _key_id(issuer: x509.Certificate) -> bytes:
    return issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.key_identifier


def _validity(issuer: x509.Certificate) -> Validity:
    return Validity(issuer.not_valid_before_utc, issuer.not_valid_after_utc)


def _reader(path: Path, issuers: Sequence[x509.Certificate]) -> Callable[[datetime, Revocations | None], Revocations]:
    return lambda now, previous: read_list(path, issuers, now, previous)


def _load(sources: Sources, last: tuple[Catalogue, Shelved] | None) -> tuple[Catalogue, Shelved]:
    """The catalogue and its timestamp.json, which a publish may replace between two reads."""
    before = read_shelved(sources.catalogue / TIMESTAMP)
    catalogue = sources.load(sources.catalogue, last[0] if last else None)
    if before is None or read_shelved(sources.catalogue / TIMESTAMP) != before:
        raise CatalogueFault("changing", "The catalogue was replaced while it was read; it is read again soon.")
    return catalogue, before


def _know(records: Records) -> _Known:
    licences: dict[str, tuple[Licence, ...]] = {}
    for licence in records.licences():
        licences[licence.customer] = (*licences.get(licence.customer, ()), licence)
    customers = records.customers()
    return _Known(
        customers=frozenset(customer.name for customer in customers),
        suspended=frozenset(customer.name for customer in customers if customer.suspended is not None),
        licences=licences,
        installations={installation.id: installation.customer for installation in records.installations()},
    )
