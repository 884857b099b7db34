"""Puts the rooms of SPOT together on the real file system, network and clock."""

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from ca import tls
from spot_client import mirrors
from spot_client.clock import Clock
from spot_client.config import Paths, Settings
from spot_client.errors import NotEnrolled
from spot_client.fetch.cache import Cache
from spot_client.fetch.catalogue import FULL_EVERY, MAX_METADATA, Catalogue
from spot_client.fetch.failover import AnyCatalogue, Mirrors
from spot_client.fetch.floors import Floored, Verified, newest_root
from spot_client.fetch.folder import Folder
from spot_client.fetch.pace import Patience
from spot_client.fetch.pinned import open_pool
from spot_client.fetch.releases import Releases
from spot_client.fetch.rules import house_rules
from spot_client.fetch.speeds import ENOUGH, Speeds
from spot_client.fetch.transport import Mirror, Transport
from spot_client.install.change import Changer
from spot_client.offers import Offers
from spot_client.platforms import here
from spot_client.renew import Renewer
from spot_client.site import Site
from spot_client.state import Identity, Store
from spot_client.thin_snapshots import ThinSnapshots
from spot_client.update import Report, Spot
from spot_client.wire.routes import METADATA_BASE, TARGET_BASE

HOUR: Final = 3600.0  # seconds
WINDOW: Final = 60.0
"""Seconds over which the rate of a mirror is taken."""


def open_transport(paths: Paths, settings: Settings, identity: Identity, credentials: Path | None = None) -> Transport:
    """The vendor's mirrors, pinned; nothing is connected yet. `credentials`: a file in place of the usual one.

    Raises:
        ca.errors.TlsError: the credentials or pins cannot be used.
    """
    store = Store(paths)
    credentials = credentials or store.credentials
    headers = {"Spot-Installation": identity.installation} if identity.installation else {}
    in_force = mirrors.in_force(store, identity)
    opened = []
    end = time.monotonic() + settings.deadline * HOUR
    patience = _patience(settings, [mirror.url for mirror in in_force], end)
    for mirror in in_force:
        pins = tuple(der for pem in mirror.pins for der in tls.read_pins(pem.encode()))
        context = tls.client_context(certificate=credentials, key=credentials, pins=pins, tls12=settings.tls12)
        url = urlsplit(mirror.url)
        pool = open_pool(
            url.hostname or "",
            url.port or 443,
            context=context,
            pins=pins,
            patience=patience(mirror.url),
            connections=settings.downloads,
        )
        opened.append(Mirror(mirror.url, pool, headers))
    return Transport(opened, sleep=time.sleep, left=lambda: end - time.monotonic())


def _patience(settings: Settings, urls: Collection[str], end: float) -> Callable[[str], Patience]:
    """What is borne of each mirror, in a run that ends at `end` of the monotonic clock."""
    speeds = Speeds(urls, enough=ENOUGH / settings.downloads, clock=time.monotonic)
    return lambda url: Patience(
        gap=settings.timeout,
        window=WINDOW,
        rate=settings.min_rate / settings.downloads,
        judge=lambda: speeds.of(url),
        left=lambda: end - time.monotonic(),
    )


class Opened(msgspec.Struct, frozen=True):
    """SPOT for one installation, and what it is made of that commands ask, too. The caller closes the transport."""

    spot: Spot
    offers: Offers
    transport: Transport | Folder
    honest: Mirrors | None
    store: Store
    site: Site
    clock: Clock

    def reset_clock(self) -> None:
        """Forget the last verified time, if a mirror, asked for its own, agrees with this machine's clock.

        Raises:
            OutOfDate: reason `clock-wrong`: none agrees, or there is none to ask.
            SpotError: no mirror could be asked.
        """
        if self.honest is None:
            self.clock.reset(None)
        else:
            self.honest.ask(self._reset_by)

    def _reset_by(self, transport: Transport) -> None:
        transport.get(f"{METADATA_BASE}timestamp.json", max_bytes=MAX_METADATA)
        self.clock.reset(transport.mirror_time)

    @property
    def versions(self) -> dict[str, str]:
        """The version in use by `PRODUCT/COMPONENT`."""
        return self.store.state().versions

    @property
    def installed(self) -> list[str]:
        """All components that are installed, sorted."""
        return sorted(self.versions)


def open_spot(paths: Paths, settings: Settings, report: Report, source: Path | None = None) -> Opened:
    """SPOT for an enrolled installation; nothing is connected yet.

    Args:
        source: the folder of an offline set, in place of the mirrors.

    Raises:
        NotEnrolled: there is no whole identity.
        RefusedLocally: reason `no-offline-set`.
    """
    store = Store(paths)
    identity = store.enrolled()
    cache, manifests = Cache(paths.cache), paths.own / "manifests"
    transport = open_transport(paths, settings, identity) if source is None else Folder(source)
    honest = Mirrors(transport, report.warn) if isinstance(transport, Transport) else None
    releases = Releases(transport, cache, manifests, downloads=settings.downloads, mirrors=honest)
    clock = Clock(paths.own / "clock.json", now=_now, mirror_time=lambda: honest.mirror_time if honest else None)
    offers = Offers(
        store,
        lambda: _catalogue(store, transport, honest),
        clock,
        refreshed=lambda catalogue: mirrors.take_over(store, catalogue, report),
    )
    site = Site(paths, settings)
    spot = Spot(
        store=store,
        offers=offers,
        releases=releases,
        changer=Changer(store, releases, cache, keep=settings.keep, now=_now),
        site=site,
        thin_snapshots=ThinSnapshots(store, honest or transport, identity.installation),
        channel=settings.channel,
        platform=here(),
        report=report,
    )
    return Opened(spot, offers, transport, honest, store, site, clock)


def open_renewer(paths: Paths, settings: Settings, now: Callable[[], datetime]) -> Renewer:
    """What asks for the certificate of an enrolled installation; nothing is connected yet. `now`: UTC."""
    store = Store(paths)
    return Renewer(store, connect=lambda file: open_transport(paths, settings, store.enrolled(), file), now=now)


def _catalogue(store: Store, transport: Transport | Folder, honest: Mirrors | None) -> Verified:
    """The catalogue of the mirrors, or of an offline set: each in a folder of its own, and held to the other."""
    try:
        first = store.root.read_bytes()
    except FileNotFoundError as error:
        raise NotEnrolled("not-enrolled", f"{store.root} is missing: enrol again with the bundle.") from error
    online, offline = store.catalogues
    if honest is None:
        return _verified(transport, first, offline, online)
    return AnyCatalogue(honest, online, lambda through: _verified(through, first, online, offline))


def _verified(getter: Transport | Folder, first: bytes, folder: Path, other: Path) -> Verified:
    offline = isinstance(getter, Folder)
    catalogue = Catalogue(
        folder,
        getter,
        root=newest_root(first, folder, other),
        metadata_base=METADATA_BASE,
        target_base=TARGET_BASE,
        rules=house_rules,
        offline=offline,
        full_every=FULL_EVERY,
        now=_now,
    )
    return Floored(catalogue, folder, other, offline=offline)


def _now() -> datetime:
    return datetime.now(UTC)
