"""Puts the rooms of SPOT together on the real file system, network and clock."""

import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from ca import tls
from spot_client.config import Paths, Settings
from spot_client.errors import NotEnrolled
from spot_client.fetch.cache import Cache
from spot_client.fetch.catalogue import Catalogue
from spot_client.fetch.failover import AnyCatalogue, Mirrors
from spot_client.fetch.pinned import open_pool
from spot_client.fetch.releases import Releases
from spot_client.fetch.transport import Mirror, Transport
from spot_client.install.change import Changer
from spot_client.offers import Offers
from spot_client.platforms import here
from spot_client.state import Identity, Store
from spot_client.thin_snapshots import ThinSnapshots
from spot_client.update import Report, Spot
from spot_client.wire.routes import METADATA_BASE, TARGET_BASE


def open_transport(paths: Paths, settings: Settings, identity: Identity) -> Transport:
    """The vendor's mirrors, pinned; nothing is connected yet.

    Raises:
        ca.errors.TlsError: the credentials or pins cannot be used.
    """
    credentials = Store(paths).credentials
    headers = {"Spot-Installation": identity.installation} if identity.installation else {}
    mirrors = []
    for mirror in identity.mirrors:
        pins = tuple(der for pem in mirror.pins for der in tls.read_pins(pem.encode()))
        context = tls.client_context(certificate=credentials, key=credentials, pins=pins, tls12=settings.tls12)
        url = urlsplit(mirror.url)
        pool = open_pool(
            url.hostname or "",
            url.port or 443,
            context=context,
            pins=pins,
            timeout=float(settings.timeout),
            connections=settings.downloads,
        )
        mirrors.append(Mirror(mirror.url, pool, headers))
    return Transport(mirrors, sleep=time.sleep)


class Opened(msgspec.Struct, frozen=True):
    """SPOT for one installation, and what it is made of that commands ask, too. The caller closes the transport."""

    spot: Spot
    offers: Offers
    transport: Transport
    store: Store

    @property
    def versions(self) -> dict[str, str]:
        """The version in use by `PRODUCT/COMPONENT`."""
        return self.store.state().versions

    @property
    def installed(self) -> list[str]:
        """All components that are installed, sorted."""
        return sorted(self.versions)


def open_spot(paths: Paths, settings: Settings, report: Report) -> Opened:
    """SPOT for an enrolled installation; nothing is connected yet.

    Raises:
        NotEnrolled: there is no whole identity.
    """
    store = Store(paths)
    identity = store.enrolled()
    transport = open_transport(paths, settings, identity)
    cache = Cache(paths.cache)
    mirrors = Mirrors(transport, report.warn)
    manifests = paths.own / "manifests"
    releases = Releases(transport, cache, manifests, downloads=settings.downloads, mirrors=mirrors)

    def open_catalogue() -> AnyCatalogue:
        try:
            root = store.root.read_bytes()
        except FileNotFoundError as error:
            raise NotEnrolled("not-enrolled", f"{store.root} is missing: enrol again with the bundle.") from error
        folder = paths.own / "catalogue"

        def build(through: Transport) -> Catalogue:
            return Catalogue(folder, through, root=root, metadata_base=METADATA_BASE, target_base=TARGET_BASE)

        return AnyCatalogue(mirrors, folder, build)

    offers = Offers(store, open_catalogue, now=_now, mirror_time=lambda: transport.mirror_time)
    spot = Spot(
        store=store,
        offers=offers,
        releases=releases,
        changer=Changer(store, releases, cache, keep=settings.keep, now=_now),
        thin_snapshots=ThinSnapshots(store, transport, identity.installation),
        channel=settings.channel,
        platform=here(),
        report=report,
    )
    return Opened(spot, offers, transport, store)


def _now() -> datetime:
    return datetime.now(UTC)
