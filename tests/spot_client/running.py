"""SPOT as a new run composes it, on an installation whose mirror is in memory."""

from collections.abc import Callable
from datetime import UTC, datetime

from spot_client.clock import Clock
from spot_client.config import Settings
from spot_client.fetch.catalogue import FULL_EVERY, Catalogue
from spot_client.fetch.rules import house_rules
from spot_client.install.change import Progress
from spot_client.offers import Offers
from spot_client.site import Site
from spot_client.thin_snapshots import ThinSnapshots
from spot_client.update import Spot
from spot_client.wire.routes import METADATA_BASE, TARGET_BASE
from tests.spot_client.installation import Installation
from tests.spot_client.vendor import MINTED, Vendor


class Listener:
    """A report that only listens."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.begun: list[tuple[str, int, int]] = []
        self.fetched: list[int] = []
        self.ended = 0

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)

    def begin(self, label: str, *, fetch: int, write: int) -> Progress:
        self.begun.append((label, fetch, write))
        return Progress(self.fetched.append, lambda _: None, self.warned.append)

    def end(self) -> None:
        self.ended += 1


def open_spot(
    here: Installation,
    vendor: Vendor,
    report: Listener,
    *,
    now: Callable[[], datetime | None] = lambda: None,
    mirror_time: Callable[[], datetime | None] = lambda: None,
    settings: Settings = Settings(),  # noqa: B008  it is frozen
) -> Spot:
    """A new run, begun. `now` and `mirror_time`: this machine's clock, by default the right one, and the mirror's."""

    def catalogue() -> Catalogue:
        here.line.mirror_time = mirror_time()
        return Catalogue(
            here.store.paths.own / "catalogue",
            here.line,
            root=vendor.root,
            metadata_base=METADATA_BASE,
            target_base=TARGET_BASE,
            rules=house_rules,
            full_every=FULL_EVERY,
            now=clock.now,
        )

    clock = Clock(here.store.paths.own / "clock.json", now=lambda: now() or datetime.now(UTC), mirror_time=mirror_time)

    spot = Spot(
        store=here.store,
        offers=Offers(here.store, catalogue, clock),
        releases=here.releases,
        changer=here.changer,
        site=Site(here.store.paths, settings),
        thin_snapshots=ThinSnapshots(here.store, here.line, MINTED),
        channel="stable",
        platform="linux-x86_64",
        report=report,
    )
    spot.begin()
    return spot
