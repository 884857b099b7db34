"""What is written into the memory: customers, installations, revocation lists, a catalogue. Differences only.

Each call is one transaction: readers see all of it or nothing, and one that fails changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import lmdb
import msgspec

from ca.revocation import Revocations
from mirror.catalogue import Catalogue
from mirror.memory.layout import (
    NUMBER_OCTETS,
    OWN,
    CatalogueFacts,
    ListFacts,
    issuer_prefix,
    name_key,
    number_key,
    serial_key,
)
from mirror.memory.place import Opened, faults
from mirror.memory.values import pack_holder, pack_offer
from mirror.records.protocol import Holder
from mirror.records.requests import Owned
from mirror.records.told import Minted
from spot_client.wire.index import Index

_ROOM: Final = 4 * 2**20  # for what must get in when there is no room any more: some 50,000 serials
_PIECE: Final = 2**16


class Writer:
    """Writes into an open memory; its only writer. Raises (every call): `MemoryFault`."""

    def __init__(self, opened: Opened) -> None:
        self._environment = opened.environment
        self._tables = opened.tables

    def put_holders(self, pages: Iterable[Sequence[Holder]], *, fresh: bool = False, gone: Iterable[str] = ()) -> None:
        """Customers as they are now, and those who are `gone`; `fresh`: there are no others."""
        with self._changing() as change:
            for table in ("holders", "names") if fresh else ():
                change.drop(self._tables[table], delete=False)
            for name in gone:
                self._forget(change, name_key(name))
            for holder in (one for page in pages for one in page):
                self._put_holder(change, holder)

    def put_installations(self, pages: Iterable[Sequence[Minted]]) -> None:
        """Installations that were minted. Each page is a transaction: none of them depends on another."""
        for page in pages:
            with self._changing() as change, change.cursor(self._tables["installations"]) as cursor:
                cursor.putmulti([(name_key(one.id), number_key(one.holder)) for one in page])

    def put_owned(self, pages: Iterable[Sequence[Owned]]) -> None:
        """Installations that have a certificate of their own by now. Pages as above."""
        for page in pages:
            with self._changing() as change, change.cursor(self._tables["installations"]) as cursor:
                cursor.putmulti([(name_key(one.id), number_key(one.holder) + OWN) for one in page])

    def put_lists(self, old: Mapping[bytes, Revocations], new: Mapping[bytes, Revocations]) -> None:
        """Revocation lists by their issuer's key; `old`: what was written last."""
        with self._changing() as change:
            table = self._tables["serials"]
            for key, crl in new.items():
                prefix, before = issuer_prefix(key), old[key].serials if key in old else frozenset()
                for serial in before - crl.serials:
                    change.delete(serial_key(prefix, serial), db=table)
                for serial in crl.serials - before:
                    change.put(serial_key(prefix, serial), b"", db=table)
            facts = [ListFacts(key, crl.number, crl.this_update, crl.next_update) for key, crl in new.items()]
            change.put(b"lists", msgspec.msgpack.encode(facts), db=self._tables["about"])

    def put_catalogue(
        self, old: Catalogue | None, new: Catalogue, timestamp: bytes, files: Mapping[str, str] | None = None
    ) -> None:
        """A catalogue with its timestamp.json; `old`: what was written last, of which contents may be left out.

        `files`: as `CatalogueFacts` has them.
        """
        with self._changing() as change:
            before, after = old.parts if old else {}, new.parts
            for path in before.keys() - after.keys():
                self._put_index(change, before[path].content, keep=False)
                change.delete(name_key(path), db=self._tables["targets"])
            for path, part in after.items():
                if path not in before or before[path].blob != part.blob:
                    self._put_index(change, part.content)
                    change.put(name_key(path), part.blob.sha256.encode(), db=self._tables["targets"])
            facts = CatalogueFacts(new.version, new.current, new.expires, dict(files or {}))
            change.put(b"catalogue", msgspec.msgpack.encode(facts), db=self._tables["about"])
            change.put(b"timestamp", timestamp, db=self._tables["about"])

    def make_room(self) -> None:
        """Take room and let it go again: inside the memory it stays free, whatever else fills the disk."""
        about = self._tables["about"]
        with self._changing() as change:
            for number in range(_ROOM // _PIECE):
                change.put(b"room %d" % number, bytes(_PIECE), db=about)
        with self._changing() as change:
            for number in range(_ROOM // _PIECE):
                change.delete(b"room %d" % number, db=about)
        with self._changing() as change:  # what a transaction freed can be used by the next but one
            change.put(b"room", b"", db=about)

    def _put_holder(self, change: "lmdb.Transaction[bytes]", holder: Holder) -> None:
        key, value = name_key(holder.customer.name), pack_holder(holder)
        before = change.get(key, db=self._tables["holders"])
        if before != value:
            self._forget(change, key)  # of an older one of this name, whose installations are not this one's
            change.put(key, value, db=self._tables["holders"])
            change.put(number_key(holder.number), holder.customer.name.encode(), db=self._tables["names"])

    def _forget(self, change: "lmdb.Transaction[bytes]", key: bytes) -> None:
        value = change.pop(key, db=self._tables["holders"])
        if value is not None:
            change.delete(value[:NUMBER_OCTETS], db=self._tables["names"])

    def _put_index(self, change: "lmdb.Transaction[bytes]", content: object, *, keep: bool = True) -> None:
        if not isinstance(content, Index):
            return
        place = content.product, content.component
        kept = content if keep else Index(product=content.product, component=content.component)
        lines = {name_key(*place, one.version, one.platform): pack_offer(one) for one in kept.releases}
        ever = {one.version for one in kept.releases} | {one.version for one in kept.tombstones}
        versions = {name_key(*place, version): b"" for version in ever}
        for name, wanted in (("offers", lines), ("versions", versions)):
            table = self._tables[name]
            there = dict(_below(change.cursor(table), name_key(*place) + b"\0"))
            for key in there.keys() - wanted.keys():
                change.delete(key, db=table)
            for key, value in wanted.items():
                if there.get(key) != value:
                    change.put(key, value, db=table)

    @contextmanager
    def _changing(self) -> "Iterator[lmdb.Transaction[bytes]]":
        with faults():
            self._environment.reader_check()  # what a killed reader held is free
            with self._environment.begin(write=True) as change:
                yield change


def _below(cursor: "lmdb.Cursor[bytes]", prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    with cursor:
        more = cursor.set_range(prefix)
        while more and cursor.key().startswith(prefix):
            yield cursor.item()
            more = cursor.next()
