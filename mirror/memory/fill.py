"""Keeps the memory as things are outside: customers, installations, revocation lists, the catalogue.

A look asks for marks (a file's time, size and inode; the store's counter) and reads what changed, of the store and the
catalogue only the difference. What is bad outside is refused loudly and the last good one stays; what cannot be
written is tried again at the next look. Revocation lists come first, and wait for nothing else.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec
from cryptography import x509
from structlog.typing import FilteringBoundLogger

from ca.errors import RevocationError
from ca.revocation import Revocations
from mirror.catalogue import MAX_METADATA_BYTES, Catalogue
from mirror.certificates import pushed_list, read_list
from mirror.errors import CatalogueFault, MemoryFault, ServeError
from mirror.memory.place import Opened
from mirror.memory.watched import Watched, file_mark
from mirror.memory.write import Writer
from mirror.records.protocol import Holder, Records
from mirror.records.requests import Owned
from mirror.records.told import Minted
from mirror.targets import Part, read_file
from spot_client.wire.digest import sha256_hex
from spot_client.wire.index import Index

_TIMESTAMP: Final = "timestamp.json"
_HOLDERS: Final = 1000  # a page
_MINTED: Final = 20_000


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything comes from. `catalogue`: its folder, which `load` reads, given what it read last.

    pushed: the folder of the lists that the issuing host sent, one an issuer (`mirror.certificates.pushed_list`).
    """

    issuers: Sequence[x509.Certificate]
    crls: Sequence[Path]
    pushed: Path
    records: Records
    catalogue: Path
    load: Callable[[Path, Catalogue | None], Catalogue]


class _Offered(msgspec.Struct, frozen=True):
    catalogue: Catalogue
    timestamp: bytes
    files: dict[str, str]


class Filler:
    """The memory's writer. `refresh` may run in a thread, one call at a time; `follow` beside it."""

    def __init__(self, opened: Opened, sources: Sources, now: datetime, log: FilteringBoundLogger) -> None:
        """Write everything for the first time; nothing may be missing.

        Raises:
            ServeError: reason `no-crl`, for an issuing CA without a CRL.
            CaError, MirrorError, OSError: what cannot be read, believed or written.
        """
        self._write, self._sources, self._log = Writer(opened), sources, log
        self._following, self._complaint = Lock(), ""
        self._crls = [
            Watched(str(path), _mark_of(path), _reader(path, sources.issuers), now, log) for path in sources.crls
        ]
        self._pushed = [
            Watched(str(path), _mark_of(path), _optional(path, issuer, log), now, log)
            for issuer in sources.issuers
            for path in [pushed_list(sources.pushed, issuer)]
        ]
        self._lists: dict[bytes, Revocations] = {}
        self._taken: list[tuple[str, Revocations]] = []
        self._put_lists()
        _check_lists(sources.issuers, self._lists)
        self._offered = Watched(
            "catalogue", _mark_of(sources.catalogue / _TIMESTAMP), lambda _now, last: _offer(sources, last), now, log
        )
        self._written: _Offered | None = None
        self._put_catalogue()
        self._records = Watched("records", sources.records.marker, lambda _now, last: self._follow(last), now, log)
        self._write.make_room()

    def refresh(self, now: datetime) -> bool:
        """Write what changed; whether anything did. Never raises for what lies outside, or a full disk."""
        self._taken += [(crl.what, crl.value) for crl in self._crls if crl.refresh(now)]
        self._taken += [(crl.what, crl.value) for crl in self._pushed if crl.refresh(now) and crl.value is not None]
        written = [self._try(self._put_lists)]
        written.append(self.follow(now))
        self._offered.refresh(now)
        written.append(self._try(self._put_catalogue))
        return any(written)

    @property
    def lists(self) -> Sequence[Revocations]:
        """The revocation lists in force, one an issuer."""
        return [*self._lists.values()]

    def follow(self, now: datetime) -> bool:
        """Write what changed in the store; for whoever has just changed it, and cannot wait. Never raises, as above."""
        with self._following:
            return self._records.refresh(now)

    def _try(self, write: Callable[[], bool]) -> bool:
        try:
            written = write()
        except MemoryFault as error:
            if str(error) != self._complaint:
                self._log.error("what changed could not be taken over", reason=error.reason, problem=str(error))
            self._complaint = str(error)
            return False
        if written:
            self._complaint = ""
        return written

    def _put_lists(self) -> bool:
        """Told in the log, so that whoever brought a list over sees that it holds, also after one that was refused."""
        there = [crl.value for crl in self._crls] + [crl.value for crl in self._pushed if crl.value is not None]
        newest = {crl.issuer_key: crl for crl in sorted(there, key=lambda crl: crl.number)}
        changed = {key: crl for key, crl in newest.items() if crl is not self._lists.get(key)}
        if changed:
            self._write.put_lists(self._lists, newest)
            self._lists = newest
        for what, crl in self._taken:
            self._log.info("took a new revocation list", what=what, number=crl.number, revoked=len(crl.serials))
        self._taken = []
        return bool(changed)

    def _put_catalogue(self) -> bool:
        offered = self._offered.value
        if offered is self._written:
            return False
        self._write.put_catalogue(
            self._written.catalogue if self._written else None, offered.catalogue, offered.timestamp, offered.files
        )
        # What was written need not be kept a second time: the next load takes over what is signed as before.
        self._written = self._offered.value = _Offered(_without_lines(offered.catalogue), b"", offered.files)
        return True

    def _follow(self, since: int | None) -> int:
        """Write what happened in the store since the number `since`; returns the number for the next time."""
        records = self._sources.records
        # First the number, then what it stands for: what happens in between is read twice, and nothing never.
        changed = records.changes(since or 0)
        if since is None or changed.customers is None:
            self._write.put_holders(_all_holders(records), fresh=True)
        elif changed.customers:
            holders = {name: records.holder(name) for name in changed.customers}
            there = [holder for holder in holders.values() if holder is not None]
            self._write.put_holders([there], gone=[name for name, holder in holders.items() if holder is None])
        self._write.put_installations(_minted(records, since or 0))
        self._write.put_owned(_owned(records, since or 0))
        return changed.number


def _all_holders(records: Records) -> Iterator[Sequence[Holder]]:
    after = ""
    while page := records.holders(after, _HOLDERS):
        yield page
        after = page[-1].customer.name


def _minted(records: Records, after: int) -> Iterator[Sequence[Minted]]:
    while page := records.minted(after, _MINTED):
        yield page
        after = page[-1].number


def _owned(records: Records, after: int) -> Iterator[Sequence[Owned]]:
    while page := records.owned(after, _MINTED):
        yield page
        after = page[-1].number


def _check_lists(issuers: Sequence[x509.Certificate], lists: dict[bytes, Revocations]) -> None:
    for issuer in issuers:
        if issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.key_identifier not in lists:
            raise ServeError(
                "no-crl",
                f"There is no CRL of {issuer.subject.rfc4514_string()} among content.crls: add it to the "
                "configuration; without one, nobody would be served.",
            )


def _mark_of(path: Path) -> Callable[[], Hashable]:
    return lambda: file_mark(path)


def _reader(path: Path, issuers: Sequence[x509.Certificate]) -> Callable[[datetime, Revocations | None], Revocations]:
    return lambda now, previous: read_list(path, issuers, now, previous)


def _optional(
    path: Path, issuer: x509.Certificate, log: FilteringBoundLogger
) -> Callable[[datetime, Revocations | None], Revocations | None]:
    """A list that need not be there; what is bad at the start is told, and keeps nobody from serving."""

    def read(now: datetime, previous: Revocations | None) -> Revocations | None:
        if not path.exists():
            return previous
        try:
            return read_list(path, [issuer], now, previous)
        except RevocationError as error:
            if previous is not None:
                raise
            refusal = error
        log.error("a pushed revocation list is passed over", reason=refusal.reason, problem=str(refusal))
        return None

    return read


def _offer(sources: Sources, last: _Offered | None) -> _Offered:
    """The catalogue and its timestamp.json, which a publish may replace between two reads."""
    path, most = sources.catalogue / _TIMESTAMP, MAX_METADATA_BYTES["timestamp"]
    before = file_mark(path)
    catalogue = sources.load(sources.catalogue, last.catalogue if last else None)
    timestamp = read_file(path, most)
    if file_mark(path) != before:
        raise CatalogueFault("changing", "The catalogue was replaced while it was read; it is read again soon.")
    return _Offered(catalogue, timestamp, _digests(sources.catalogue, catalogue, last.files if last else {}))


def _digests(folder: Path, catalogue: Catalogue, known: Mapping[str, str]) -> dict[str, str]:
    """Of the metadata that clients may ask for: what was just verified, and the roots before. They never change."""
    names = {f"{number}.{role}.json" for role, number in catalogue.current.items() if role != "timestamp"}
    names |= {f"{number}.root.json" for number in range(1, catalogue.current.get("root", 0) + 1)}
    most = max(MAX_METADATA_BYTES.values())
    return {name: known.get(name) or sha256_hex(read_file(folder / name, most)) for name in names}


def _without_lines(catalogue: Catalogue) -> Catalogue:
    parts = {
        path: Part(part.blob, Index(product=part.content.product, component=part.content.component))
        if isinstance(part.content, Index)
        else part
        for path, part in catalogue.parts.items()
    }
    return msgspec.structs.replace(catalogue, parts=parts, indexes={})
