"""The signed catalogue, refreshed and verified: the only user of `tuf.ngclient`.

It needs a folder for metadata, a way to fetch, and a trusted root, and has no other state: `refresh`, then `target` for
one target by its path. Which targets exist, and what they mean, is for the caller.

Rules, by python-tuf 7 and the TUF specification 1.0.34: root is rolled forward one version at a time (§5.3), versions
of timestamp, snapshot and every targets role never go back (§5.4 to §5.6), expired metadata is refused, a target's
length and SHA-256 are those of signed metadata (§5.7). What is verified is written to the folder, and made durable
after a refresh, because the versions remembered there are what stops a rollback.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from tuf.api.exceptions import DownloadError, DownloadHTTPError, ExpiredMetadataError, RepositoryError
from tuf.api.metadata import Metadata, Root, TargetFile, Targets
from tuf.ngclient import Updater
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from spot_client import durable
from spot_client.errors import NotReachable, NotTrusted, OutOfDate, Refused
from spot_client.fetch.transport import Answer
from spot_client.wire.digest import Blob, verify
from spot_client.wire.errors import DigestError
from spot_client.wire.problem import Reason

MAX_METADATA: Final = 5_000_000
"""Longest metadata file, in bytes; the limits of each role are lower (`tuf.ngclient.config`)."""

_log = logging.getLogger(__name__)


class Getter(Protocol):
    """What fetches: `spot_client.fetch.transport.Transport`."""

    def get(self, path: str, *, max_bytes: int) -> Answer:
        """The whole answer to a GET of `path`. Raises `SpotError`."""
        ...


class _Fetcher(FetcherInterface):
    """python-tuf asks by URL; the URL is our path. Errors of ours pass through it untouched."""

    def __init__(self, getter: Getter) -> None:
        self._getter = getter

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield self._getter.get(url, max_bytes=MAX_METADATA).body
        except Refused as error:
            # python-tuf asks for the next root until it is told that there is none.
            if error.reason == Reason.NOT_FOUND.value:
                raise DownloadHTTPError(str(error), 404) from error
            raise


class Catalogue:
    """The catalogue as this installation sees it.

    Args:
        folder: where verified metadata is kept; created if missing. Whoever refreshes holds the installation's lock.
        getter: fetches by path.
        root: the TUF root.json that trust begins with; later roots come from the folder or the mirror.
        metadata_base, target_base: paths, each with a slash at its end.
    """

    def __init__(self, folder: Path, getter: Getter, *, root: bytes, metadata_base: str, target_base: str) -> None:
        self._folder = folder
        self._getter = getter
        self._target_base = target_base
        durable.make_private(folder)
        try:
            self._updater = Updater(
                str(folder),
                metadata_base,
                fetcher=_Fetcher(getter),
                config=UpdaterConfig(app_user_agent=None),
                bootstrap=root,
            )
        except RepositoryError as error:
            raise _distrust(error) from error

    def refresh(self) -> None:
        """Bring the top-level metadata up to date.

        Raises:
            OutOfDate: expired metadata (reason `expired-metadata`).
            NotTrusted: metadata that does not verify (reason `bad-metadata`).
            SpotError: what the getter raises.
        """
        try:
            self._updater.refresh()
        except RepositoryError as error:
            raise _distrust(error) from error
        except DownloadError as error:
            raise NotReachable("bad-metadata-answer", f"The catalogue could not be fetched: {error}.") from error
        durable.sync_tree(self._folder)
        self._check_keys()

    def target(self, path: str, *, max_bytes: int) -> bytes | None:
        """The verified bytes of one target, or None if no role says that it exists.

        Raises:
            NotTrusted: metadata or target do not verify, or the target is longer than `max_bytes`.
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
        try:
            role = Metadata[Targets].from_bytes((self._folder / f"{product}.json").read_bytes())
            targets.verify_delegate(product, role.signed_bytes, role.signatures)
        except RepositoryError as error:
            raise _distrust(error) from error
        return tuple(sorted(role.signed.targets))

    def _found(self, path: str) -> TargetFile | None:
        try:
            return self._updater.get_targetinfo(path)
        except RepositoryError as error:
            raise _distrust(error) from error
        except DownloadError as error:
            raise NotReachable("bad-metadata-answer", f"The catalogue could not be fetched: {error}.") from error

    def _check_keys(self) -> None:
        """One key under two ids would count twice towards a threshold, which the specification does not forbid."""
        root = Metadata[Root].from_file(str(self._folder / "root.json")).signed
        delegations = Metadata[Targets].from_file(str(self._folder / "targets.json")).signed.delegations
        for statement, keys in (("root", root.keys), ("targets", delegations.keys if delegations else {})):
            public = [key.keyval.get("public") for key in keys.values()]
            if len(public) != len(set(public)):
                raise NotTrusted("one-key-twice", f"The catalogue's {statement} names one key twice. Tell your vendor.")

    def _fetch_target(self, found: TargetFile, max_bytes: int) -> bytes:
        digest = found.hashes.get("sha256")
        if digest is None or found.length > max_bytes:
            raise NotTrusted("bad-metadata", f"The catalogue lists {found.path} in a way that SPOT does not accept.")
        blob = Blob(length=found.length, sha256=digest)
        kept = self._folder / "targets" / found.path
        cached = self._cached(kept, blob)
        if cached is not None:
            _log.debug("%s: unchanged, kept here", found.path)
            return cached
        folder, _, name = found.path.rpartition("/")
        raw = self._getter.get(f"{self._target_base}{folder}/{digest}.{name}", max_bytes=found.length).body
        try:
            verify(raw, blob, f"The catalogue's file {found.path}")
        except DigestError as error:
            raise NotTrusted("bad-target", f"{error} The mirror is damaged or hostile.") from error
        durable.make_private(kept.parent)
        durable.write(kept, raw)
        return raw

    @staticmethod
    def _cached(kept: Path, blob: Blob) -> bytes | None:
        try:
            with kept.open("rb") as file:
                raw = file.read(blob.length + 1)
            verify(raw, blob, str(kept))
        except (FileNotFoundError, DigestError):
            return None
        return raw


def _distrust(error: RepositoryError) -> NotTrusted:
    if isinstance(error, ExpiredMetadataError):
        return OutOfDate(
            "expired-metadata",
            f"The signed catalogue has expired ({error}), or this machine's clock is wrong. "
            "Check the clock; if it is right, tell your vendor. What is installed goes on running.",
        )
    return NotTrusted(
        "bad-metadata", f"The mirror's catalogue is not what your vendor signed: {error}. Nothing was installed."
    )
