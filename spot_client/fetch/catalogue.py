"""The signed catalogue, refreshed and verified: the only user of `tuf.ngclient`.

It needs a folder for metadata, a way to fetch, and a trusted root, and has no other state: `refresh`, then `target` for
one target by its path. Which targets exist, and what they mean, is for the caller. So it can be used alone, with
`spot_client.fetch.plain`.

Rules, by python-tuf 7 and the TUF specification 1.0.34: root is rolled forward one version at a time (§5.3), versions
of timestamp, snapshot and every targets role never go back (§5.4 to §5.6) unless a key of timestamp or snapshot was
replaced (§5.3.11), expired metadata is refused, a target's length and SHA-256 are those of signed metadata (§5.7). What
is verified is written to the folder, and made durable
after a refresh, because the versions remembered there are what stops a rollback.

The rules of the house (`spot_client.fetch.rules`), and which kind of set this is, are held to each file as it comes in,
before python-tuf reads it: so nothing that breaks them is ever used or kept, and no copy of the folder is needed to go
back to. What lies in the folder came in that way, and is looked at once more after a refresh.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tuf.api.exceptions import ExpiredMetadataError, LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, Root, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater
from tuf.ngclient.config import UpdaterConfig

from spot_client import durable
from spot_client.errors import NotTrusted, OutOfDate
from spot_client.fetch.asking import Asking, Getter
from spot_client.fetch.kept import forget_undone, newest_root
from spot_client.fetch.lapse import lapsed
from spot_client.fetch.rules import Rules
from spot_client.fetch.withheld import handed_out
from spot_client.wire.digest import sha256_hex

OFFLINE: Final = "x-spot-offline"
"""The field of a signed timestamp that is true in a set for machines without a network, and nowhere else."""

_CONFIG: Final = UpdaterConfig(app_user_agent=None)

MAX_METADATA: Final = _CONFIG.targets_max_length
"""Longest metadata file, in bytes; the limits of root, snapshot and timestamp are lower."""

FULL_EVERY: Final = timedelta(days=1)
"""How long a mirror can keep SPOT from a newer root by saying that nothing is new."""

_TIMESTAMP: Final = "timestamp.json"
_EXPIRED: Final = re.compile(r"(?:Final |New )?(.+?)(?:\.json)? is expired")

_log = logging.getLogger(__name__)


class Catalogue:
    """The catalogue as this installation sees it.

    Args:
        folder: where verified metadata is kept; created if missing. Whoever refreshes holds the installation's lock.
        getter: fetches by path.
        root: the TUF root.json that trust begins with; later roots come from the folder or the mirror. None: the one
            that an earlier run has put into the folder.
        metadata_base, target_base: paths, each with a slash at its end.
        rules: what is demanded beyond TUF.
        offline: whether this is a set for machines without a network; the other kind is refused, either way.
        full_every: within this time after a whole refresh, first ask whether there is a new timestamp at all. None:
            always refresh in the order of the specification (§5).
        now: this machine's clock, in UTC; python-tuf reads it by itself.

    Raises:
        NotTrusted: the root is none, or breaks the rules.
    """

    def __init__(
        self,
        folder: Path,
        getter: Getter,
        *,
        root: bytes | None,
        metadata_base: str,
        target_base: str,
        rules: Rules | None = None,
        offline: bool = False,
        full_every: timedelta | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = folder
        self._getter = getter
        self._root = root
        self._bases = metadata_base, target_base
        self._rules = rules
        self._offline = offline
        self._full_every = full_every
        self._now = now
        durable.make_private(folder)
        if root is not None:
            self._check(Root.type, root)
        self._asking = Asking(getter, metadata_base, self._check, self._forget_undone)
        self._updater = self._open()

    def refresh(self) -> None:
        """Bring the top-level metadata up to date.

        With `full_every`, a look without news is one request: for the timestamp, if it is another than the one here. If
        it is not, what lies here is verified once more, against the clock too, and that is all. If it is, or the last
        look at the root is too long ago, or what lies here does not verify, follow root, timestamp (if it is not here
        yet), snapshot and targets; of the last two only what is new.

        Raises:
            OutOfDate: expired metadata, reason `expired-metadata`; or `clock-wrong`, if the mirror's clock differs.
            NotTrusted: metadata that does not verify (reason `bad-metadata`), is of the other kind of set
                (`offline-set`, `not-an-offline-set`), breaks the rules, or is not handed out (`withheld`).
            SpotError: what the getter raises.
        """
        kept = self._kept_timestamp()
        if kept is None:
            self._refresh(None)
            return
        url, limit = f"{self._bases[0]}{_TIMESTAMP}", _CONFIG.timestamp_max_length
        with handed_out(url):
            answer = self._getter.get(url, max_bytes=limit, unless=f'"{sha256_hex(kept)}"')
        if answer.status != 304:
            self._refresh(answer.body)
            return
        try:
            self._refresh(kept, full=False)
        except NotTrusted as error:  # damaged here, or a lie there
            _log.debug("what lies here is not enough: %s", error)
            self._refresh(None)

    def target(self, path: str, *, max_bytes: int) -> bytes | None:
        """The verified bytes of one target, or None if no role says that it exists.

        Raises:
            NotTrusted: metadata or target do not verify or are not handed out, or the target is longer than
                `max_bytes`.
            SpotError: what the getter raises.
        """
        found = self._found(path)
        return None if found is None else self._fetch_target(found, max_bytes)

    def listing(self, product: str) -> tuple[str, ...]:
        """The paths of all targets that the role of `product` (an id, checked by the caller) names, sorted.

        python-tuf gives one target by its path. Asked for one that need not exist, it fetches the role, verifies it and
        keeps it in the folder; there it is read, and held once more to the keys that the catalogue names for it.
        Nothing is listed of a product that the catalogue does not have.

        Raises:
            NotTrusted, NotReachable, SpotError: as `target`.
        """
        probe = f"{product}/-/index.json.zst"
        targets = Metadata[Targets].from_file(str(self._folder / "targets.json")).signed
        roles = (targets.delegations.roles if targets.delegations else None) or {}
        if product not in roles or not roles[product].is_delegated_path(probe):
            return ()
        self._found(probe)
        with self._explained():
            role = Metadata[Targets].from_bytes((self._folder / f"{product}.json").read_bytes())
            targets.verify_delegate(product, role.signed_bytes, role.signatures)
        return tuple(sorted(role.signed.targets))

    def _open(self) -> Updater:
        folder, (base, _) = str(self._folder), self._bases
        root = newest_root(self._folder) if self._root is None else self._root
        with self._explained():
            return Updater(folder, base, fetcher=self._asking, config=_CONFIG, bootstrap=root)

    def _refresh(self, timestamp: bytes | None, *, full: bool = True) -> None:
        """With the timestamp that was fetched already, if any; if not `full`, without a look for a newer root."""
        self._asking.timestamp, self._asking.with_root = timestamp, full
        self._updater = self._open()
        with self._explained():
            self._updater.refresh()
            for role in (Root.type, Timestamp.type, Targets.type):
                self._check(role, (self._folder / f"{role}.json").read_bytes())
        if full:
            moment = self._now().timestamp()
            os.utime(self._folder / _TIMESTAMP, (moment, moment))
            durable.sync_tree(self._folder)

    def _forget_undone(self) -> None:
        with self._explained():
            forget_undone(self._folder)

    def _kept_timestamp(self) -> bytes | None:
        """The timestamp here, if it is still good and the last whole refresh, its file's time, is not too long ago."""
        path, now = self._folder / _TIMESTAMP, self._now()
        if self._full_every is None:
            return None
        try:
            raw = path.read_bytes()
            age = now - datetime.fromtimestamp(path.stat().st_mtime, UTC)
            expired = Metadata[Timestamp].from_bytes(raw).signed.is_expired(now)
        except (OSError, RepositoryError):
            return None
        return None if expired or not timedelta(0) <= age < self._full_every else raw

    def _check(self, role: str, raw: bytes) -> None:
        if role == Timestamp.type:
            self._check_kind(raw)
        if self._rules is not None:
            self._rules(role, raw)

    def _check_kind(self, raw: bytes) -> None:
        said = Metadata[Timestamp].from_bytes(raw).signed.unrecognized_fields.get(OFFLINE, False)
        if self._offline and said is not True:
            raise NotTrusted("not-an-offline-set", "This is not a set that was made for machines without a network.")
        if not self._offline and said is not False:
            raise NotTrusted(
                "offline-set",
                "The mirror shows a catalogue that was made for machines without a network. Tell your vendor.",
            )

    def _found(self, path: str) -> TargetFile | None:
        with self._explained():
            return self._updater.get_targetinfo(path)

    def _fetch_target(self, found: TargetFile, max_bytes: int) -> bytes:
        if found.length > max_bytes or (self._rules is not None and "sha256" not in found.hashes):
            raise NotTrusted("bad-metadata", f"The catalogue lists {found.path} in a way that SPOT does not accept.")
        kept = self._folder / "targets" / quote(found.path, safe="")
        cached = _cached(kept, found)
        if cached is not None:
            _log.debug("%s: unchanged, kept here", found.path)
            return cached
        path = f"{self._bases[1]}{self._file_name(found)}"
        with handed_out(path):
            raw = self._getter.get(path, max_bytes=found.length).body
        try:
            found.verify_length_and_hashes(raw)
        except LengthOrHashMismatchError as error:
            raise NotTrusted(
                "bad-target",
                f"The catalogue's file {found.path} is not what was signed: {error}. The mirror is damaged or hostile.",
            ) from error
        durable.make_private(kept.parent)
        durable.write(kept, raw)
        return raw

    def _file_name(self, found: TargetFile) -> str:
        if not Metadata[Root].from_file(str(self._folder / "root.json")).signed.consistent_snapshot:
            return found.path
        folder, slash, name = found.path.rpartition("/")
        digest = found.hashes.get("sha256") or next(iter(found.hashes.values()))
        return f"{folder}{slash}{digest}.{name}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What python-tuf refuses, in our words."""
        try:
            yield
        except ExpiredMetadataError as error:
            raise self._expired(str(error)) from error
        except RepositoryError as error:
            raise NotTrusted(
                "bad-metadata",
                f"The mirror's catalogue is not what your vendor signed: {error}. Nothing was installed.",
            ) from error

    def _expired(self, told: str) -> OutOfDate:
        role = found[1] if (found := _EXPIRED.fullmatch(told)) else told
        return lapsed(role, since=self._expiry(role), here=self._now(), there=self._getter.mirror_time)

    def _expiry(self, role: str) -> datetime | None:
        """When the newest file of a role expires: the one that came in, else the one that lies here."""
        try:
            raw = self._asking.seen.get(role) or (self._folder / f"{quote(role, safe='')}.json").read_bytes()
            expires: datetime = Metadata.from_bytes(raw).signed.expires
        except (OSError, RepositoryError):
            return None
        return expires


def _cached(kept: Path, found: TargetFile) -> bytes | None:
    try:
        with kept.open("rb") as file:
            raw = file.read(found.length + 1)
        found.verify_length_and_hashes(raw)
    except (FileNotFoundError, LengthOrHashMismatchError):
        return None
    return raw
