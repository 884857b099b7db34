"""What a request reads: customers and licences, revocations, and the catalogue, all at one moment.

A request takes `state` once and sees nothing change under it. The issuing CAs are not among what changes: they are the
anchors of the TLS context too, and change with a restart.
"""

from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

import msgspec
from cryptography import x509
from structlog.typing import FilteringBoundLogger

from mirror.content.policy import Validity, World
from mirror.content.shelf import Shelved
from mirror.memory import fill, place
from mirror.memory.place import Opened
from mirror.memory.read import CatalogueView, Reader
from spot_client.wire.digest import sha256_hex


class Sources(fill.Sources, frozen=True, kw_only=True):
    """Where everything comes from, and what does not change. `spare`: where the memory lies if not on /dev/shm."""

    realm: str
    grace: timedelta
    spare: Path


class State(msgspec.Struct, frozen=True):
    """All of it at one moment. `timestamp`: the timestamp.json of `catalogue`. `customers`: how many there are."""

    world: World
    catalogue: CatalogueView
    timestamp: Shelved
    customers: int


class Remembered:
    """The newest state of a memory that is filled elsewhere; `renew` replaces it whole."""

    def __init__(self, opened: Opened, sources: Sources) -> None:
        """Take the memory as it is now. Raises MemoryFault: reason `memory-unusable`."""
        self._reader, self._realm, self._grace = Reader(opened), sources.realm, sources.grace
        self._issuers = {_key_id(issuer): _validity(issuer) for issuer in sources.issuers}
        self.state = self._read()

    def renew(self) -> None:
        """See what has changed. Raises MemoryFault: reason `memory-unusable`; the state stays."""
        self.state = self._read()

    def _read(self) -> State:
        view = self._reader.view()
        world = World(
            realm=self._realm,
            issuers=self._issuers,
            revocations=view.revocations,
            grace=self._grace,
            customers=view.holders,
            licences=view.holders,
            installations=view.installations,
            suspended=view.holders.suspended,
        )
        return State(world, view.catalogue, Shelved(view.timestamp, sha256_hex(view.timestamp)), view.count)


class Memory:
    """Both halves in one process: filled here, and read here."""

    def __init__(self, sources: Sources, now: datetime, log: FilteringBoundLogger) -> None:
        """Read everything for the first time; nothing may be missing.

        Raises:
            ServeError: reason `no-crl`, for an issuing CA without a CRL.
            CaError, MirrorError, OSError: what cannot be read or believed.
        """
        self._place, self._renewing = place.take(sources.spare), Lock()
        try:
            self._opened = place.open_to_fill(self._place.folder)
            self._filler = fill.Filler(self._opened, sources, now, log)
            self._remembered = Remembered(self._opened, sources)
        except BaseException:
            self._place.remove()
            raise

    @property
    def state(self) -> State:
        """What a request takes once."""
        return self._remembered.state

    def refresh(self, now: datetime) -> None:
        """Read what changed. Never raises for what lies outside: the last good version stays."""
        if self._filler.refresh(now):
            self._renew()

    def minted(self, now: datetime) -> None:
        """Know an installation that was just minted, before the store is looked at again."""
        self._filler.follow(now)
        self._renew()  # also if another thread has read it, which is not done yet with the rest

    def close(self) -> None:
        """Remove what lies on the disk or in shared memory; every state ends with it."""
        self._opened.environment.close()
        self._place.remove()

    def _renew(self) -> None:
        with self._renewing:
            self._remembered.renew()


def _key_id(issuer: x509.Certificate) -> bytes:
    return issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.key_identifier


def _validity(issuer: x509.Certificate) -> Validity:
    return Validity(issuer.not_valid_before_utc, issuer.not_valid_after_utc)
