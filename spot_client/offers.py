"""What the signed catalogue offers this installation: the indexes of components, refreshed once a run and verified.

Reading changes nothing that is installed; python-tuf's metadata on this machine moves forward. Whoever reads holds the
installation's lock.
"""

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

from spot_client import checked
from spot_client.believe import believing
from spot_client.errors import NotLicensed, NotTrusted, OutOfDate, RefusedLocally
from spot_client.fetch.catalogue import Catalogue
from spot_client.state import ComponentState, Store
from spot_client.wire import index, names
from spot_client.wire.errors import BadName
from spot_client.wire.index import Index

_CLOCK_DOUBT = timedelta(days=1)
_INDEX = "/index.json.zst"


class Offers:
    """The catalogue of one installation, opened and refreshed when it is first asked.

    `refreshed` is called once with the refreshed catalogue, for what else is to be read from it.
    """

    def __init__(
        self,
        store: Store,
        catalogue: Callable[[], Catalogue],
        *,
        now: Callable[[], datetime],
        mirror_time: Callable[[], datetime | None],
        refreshed: Callable[[Catalogue], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._open = catalogue
        self._catalogue: Catalogue | None = None
        self._now = now
        self._mirror_time = mirror_time
        self._tell = refreshed

    def index(self, component: str) -> Index:
        """The index of `PRODUCT/COMPONENT`.

        Raises:
            NotLicensed: no licence for the product, or no such component.
            NotTrusted: the catalogue does not verify, or a release that was in use here came back as another.
            NotReachable, Refused: the catalogue could not be had.
            RefusedLocally: reason `bad-name`.
        """
        product, name = _split(component)
        packed = self._refreshed().target(index.target_path(product, name), max_bytes=index.MAX_PACKED_BYTES)
        if packed is None:
            raise NotLicensed(
                "not-licensed", f"There is no {component} for you: it does not exist, or is not licensed."
            )
        with believing():
            found = index.decode(packed)
        if (found.product, found.component) != (product, name):
            raise NotTrusted("other-index", f"The index of {component} is that of another component.")
        _check_unchanged(found, self._store.state().components.get(component))
        return found

    def components(self, product: str) -> tuple[str, ...]:
        """All `PRODUCT/COMPONENT` that the catalogue has of a product, sorted.

        Raises:
            NotLicensed: no licence for the product.
            NotTrusted, NotReachable, Refused: the catalogue could not be had.
        """
        found = []
        for path in self._refreshed().listing(product):
            component = path.removesuffix(_INDEX)
            with contextlib.suppress(BadName):  # a target of another kind, for a SPOT that knows it
                if path.endswith(_INDEX) and names.split_component(component)[0] == product:
                    found.append(component)
        return tuple(found)

    def _refreshed(self) -> Catalogue:
        if self._catalogue is None:
            catalogue = self._open()
            try:
                catalogue.refresh()
            except OutOfDate as error:
                raise self._doubt(error) from error
            self._catalogue = catalogue
            with contextlib.suppress(OSError):  # only people read it
                checked.remember(self._store.paths, self._now())
            self._tell(catalogue)
        return self._catalogue

    def _doubt(self, error: OutOfDate) -> OutOfDate:
        """Expired metadata is either held back by somebody, or this machine's clock is wrong: say which is likelier."""
        there, here = self._mirror_time(), self._now()
        if there is None or abs(there - here) < _CLOCK_DOUBT:
            return error
        return OutOfDate(
            "clock-wrong",
            f"This machine's clock says {here:%Y-%m-%d %H:%M} UTC, the mirror's {there:%Y-%m-%d %H:%M}: by the first, "
            "the signed catalogue has expired. Set the clock right; what is installed goes on running.",
        )


def _split(component: str) -> tuple[str, str]:
    try:
        return names.split_component(component)
    except BadName as error:
        raise RefusedLocally("bad-name", f"{error}") from error


def _check_unchanged(found: Index, known: ComponentState | None) -> None:
    """A release is immutable: one that was in use here may not come back as another, whoever signed it."""
    seen = known.seen if known else {}
    for release in found.releases:
        if seen.get(f"{release.version} {release.platform}", release.manifest.head) != release.manifest.head:
            raise NotTrusted(
                "changed-release",
                f"{found.product}/{found.component} {release.version} was published again with other content. "
                "Nothing was installed; tell your vendor.",
            )
