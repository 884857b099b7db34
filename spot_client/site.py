"""The site's own approval on top of the vendor's: `site_list` and `site_key` in spot.toml, and who writes the list.

With `site_list`, only what stands there comes into use: by installation, by update, and by going back to a kept
version. What is in use already stays, may be repaired, and a change that was under way is finished or undone. A list
that is missing, damaged or not signed as it should be allows nothing, and says so.

With `site_key`, the newest version of the list that was seen here is remembered in ROOT/.spot/site-floor.json, by key,
and an older list is refused. Whoever reads a list holds the installation's lock.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ca import files
from ca.errors import CaError
from spot_client import durable, site_key
from spot_client.config import Paths, Settings
from spot_client.decide import site
from spot_client.decide.site import Approved, Rule, SiteList
from spot_client.errors import LocalFault, NotTrusted, RefusedLocally
from spot_client.wire import document
from spot_client.wire.digest import Sha256, sha256_hex
from spot_client.wire.errors import FormatError, WireError
from spot_client.wire.index import Release

_MODE = 0o644  # many installations of the site read it
_MAX_FLOOR = 4096  # bytes


class _Floor(document.Document, frozen=True):
    """The newest version of a list that was seen here, signed by the public key with the SHA-256 `key`."""

    key: Sha256
    version: int


class Site:
    """The site's rule for one installation, read when it is first asked for."""

    def __init__(self, paths: Paths, settings: Settings) -> None:
        self._floor = paths.own / "site-floor.json"
        self._path = paths.root / settings.site_list if settings.site_list else None
        self._key = paths.root / settings.site_key if settings.site_key else None
        self._rule: Rule | None = None

    @property
    def path(self) -> Path | None:
        """Where the list lies, if there is to be one."""
        return self._path

    def public_key(self) -> Ed25519PublicKey | None:
        """The key that the list has to be signed with, if any. Raises RefusedLocally, reason `bad-site-key`."""
        return None if self._key is None else site_key.read_public(self._key)

    def rule(self) -> Rule:
        """What may come into use here.

        Raises:
            RefusedLocally: reason `missing-site-list`, `bad-site-key`, or `bad-config` (a key and no list).
            NotTrusted: reason `bad-site-list` or `older-site-list`.
        """
        if self._rule is None:
            if self._key and not self._path:
                raise RefusedLocally("bad-config", "spot.toml has a site_key and no site_list that it signs: name one.")
            key = self.public_key()
            listed = None if self._path is None else read(self._path, key)
            if listed and key:
                self._hold(listed, key)
            self._rule = Rule(listed)
        return self._rule

    def newest(self, key: Ed25519PublicKey | None) -> int:
        """The newest version that was seen here of a list signed with `key`; 0 if none was."""
        try:
            with self._floor.open("rb") as file:
                raw = file.read(_MAX_FLOOR + 1)
            floor = document.decode(raw, _Floor, max_bytes=_MAX_FLOOR, what=str(self._floor))
        except FileNotFoundError:
            return 0
        except FormatError as error:
            raise LocalFault("bad-state", f"{error} Remove it if you know that the list is the newest.") from error
        return floor.version if key and floor.key == _fingerprint(key) else 0

    def _hold(self, listed: SiteList, key: Ed25519PublicKey) -> None:
        newest = self.newest(key)
        if listed.version < newest:
            raise NotTrusted(
                "older-site-list",
                f"{self._path} is version {listed.version}, and version {newest} was here before: "
                "put the newest list of your site there.",
            )
        if listed.version > newest:
            durable.write(self._floor, document.encode(_Floor(key=_fingerprint(key), version=listed.version)))


def read(path: Path, key: Ed25519PublicKey | None) -> SiteList:
    """Read a list; with `key`, one that is signed with it.

    Raises:
        RefusedLocally: reason `missing-site-list`.
        NotTrusted: reason `bad-site-list`.
    """
    try:
        listed = site.decode(files.read_file(path, max_bytes=site.MAX_BYTES, refusal=CaError))
    except CaError as error:
        if error.reason == "missing-file":
            told = f"The site's list {path} is missing, and without it nothing is allowed: put it there."
            raise RefusedLocally("missing-site-list", told) from error
        raise NotTrusted("bad-site-list", f"The site's list cannot be used. {error}") from error
    except WireError as error:
        raise NotTrusted("bad-site-list", f"{path} cannot be used. {error} Put the whole list there.") from error
    if key is not None and listed.signature is None:
        raise NotTrusted("bad-site-list", f"{path} is not signed, and your site's key is to sign it: put that there.")
    if key is not None and not site_key.holds(key, bytes.fromhex(listed.signature or ""), site.signed_bytes(listed)):
        raise NotTrusted("bad-site-list", f"{path} is not what your site's key signed: find out who changed it.")
    return listed


def approve(approved: Sequence[Approved], component: str, releases: Sequence[Release]) -> tuple[Approved, ...]:
    """A list with these releases of a component on it.

    Raises:
        NotTrusted: reason `changed-release`: one stands there with other content.
    """
    known = {(one.component, one.version, one.platform): one for one in approved}
    for release in releases:
        one = Approved(component, release.version, release.platform, release.manifest.head)
        if known.setdefault((component, release.version, release.platform), one) != one:
            raise NotTrusted(
                "changed-release",
                f"{component} {release.version} was approved with other content than is on offer now. "
                "Nothing was written; tell your vendor.",
            )
    return tuple(known.values())


def strike(
    approved: Sequence[Approved], component: str, versions: Collection[str], platform: str | None
) -> tuple[Approved, ...]:
    """A list without these versions of a component: for `platform`, or for all."""
    return tuple(
        one
        for one in approved
        if one.component != component or one.version not in versions or platform not in {None, one.platform}
    )


class Pen:
    """What changes a list: the file, and the private key that signs it, if the site has one.

    What the key did not sign, it is not to sign now: else whoever writes to the file has his entries signed with the
    next change. So a list that is not signed with it is not changed with it, either.

    Raises:
        RefusedLocally: reason `no-site-key` or `other-site-key`: spot.toml names another key than this.
    """

    def __init__(self, of: Site, path: Path, key: Ed25519PrivateKey | None) -> None:
        self.path = path
        self._site, self._key = of, key
        self._public = None if key is None else key.public_key()
        wanted = of.public_key()
        if wanted is not None and self._public is None:
            raise RefusedLocally("no-site-key", "spot.toml names a site_key: sign the list, with --key FILE.")
        if wanted is not None and wanted != self._public:
            raise RefusedLocally("other-site-key", "The key is not the one that spot.toml names as site_key: use that.")

    def change(self, edit: Callable[[Sequence[Approved]], Sequence[Approved]]) -> tuple[SiteList, bool]:
        """The list after an edit, and whether anything changed; durable on return. None yet counts as empty.

        Raises:
            NotTrusted: reason `bad-site-list`, or what `edit` raises.
            RefusedLocally: reason `no-site-key` (it is signed, and there is no key), or `too-large`.
            OSError: it could not be written; the one before it stays.
        """
        before = read(self.path, self._public) if self.path.exists() else None
        if before and before.signature and self._key is None:
            raise RefusedLocally("no-site-key", f"{self.path} is signed: sign the next one, too, with --key FILE.")
        approved = tuple(edit(before.approved if before else ()))
        if before and set(approved) == set(before.approved):
            return before, False
        newest = max(before.version if before else 0, self._site.newest(self._public))
        listed = site.make(newest + 1, approved)
        if self._key is not None:
            signature = self._key.sign(site.signed_bytes(listed)).hex()
            listed = msgspec.structs.replace(listed, signature=signature)
        raw = document.encode(listed)
        if len(raw) > site.MAX_BYTES:
            raise RefusedLocally("too-large", f"The list would have {len(raw)} bytes, more than {site.MAX_BYTES}.")
        durable.write(self.path, raw, mode=_MODE)
        return listed, True


def _fingerprint(key: Ed25519PublicKey) -> str:
    return sha256_hex(key.public_bytes_raw())
