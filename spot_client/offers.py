"""What the signed catalogue offers this installation: indexes and halts, refreshed once a run and verified.

Reading changes nothing that is installed; python-tuf's metadata on this machine moves forward, and what was accepted is
remembered (`known`). Whoever reads holds the installation's lock.

An index is held to the one that was accepted before it, and not only to its signatures: a release that is in both has
the same manifest, and no tombstone goes missing. One that breaks this is refused in every run, because what it is held
to does not move on with the catalogue's metadata.
"""

import contextlib
from collections.abc import Callable, Mapping

from spot_client import checked
from spot_client.believe import believing
from spot_client.clock import Clock
from spot_client.errors import NotLicensed, NotTrusted, RefusedLocally
from spot_client.fetch.floors import Verified
from spot_client.known import Known
from spot_client.state import ComponentState, Store
from spot_client.wire import halts, index, names
from spot_client.wire.errors import BadName
from spot_client.wire.halts import Halt
from spot_client.wire.index import Index

_INDEX = "/index.json.zst"


class Offers:
    """The catalogue of one installation, opened and refreshed when it is first asked.

    `refreshed` is called once with the refreshed catalogue, for what else is to be read from it.
    """

    def __init__(
        self,
        store: Store,
        catalogue: Callable[[], Verified],
        clock: Clock,
        *,
        refreshed: Callable[[Verified], None] = lambda _: None,
    ) -> None:
        self.known = Known(store.paths)
        """What was believed last, for those who cannot ask the mirror."""
        self._store = store
        self._open = catalogue
        self._catalogue: Verified | None = None
        self._clock = clock
        self._halts: dict[str, tuple[Halt, ...]] = {}
        self._tell = refreshed

    def index(self, component: str) -> Index:
        """The index of `PRODUCT/COMPONENT`.

        Raises:
            NotLicensed: no licence for the product, or no such component.
            OutOfDate: the catalogue has expired, or the clock is wrong.
            NotTrusted: the catalogue does not verify, or the index takes back what an earlier one said (reasons
                `changed-release`, `tombstone-gone`).
            NotReachable, Refused: the catalogue could not be had.
            RefusedLocally: reason `bad-name`.
            LocalFault: what was known before cannot be read.
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
        _check_follows(found, self.known.index(component))
        self.known.keep_index(component, packed)
        return found

    def halts(self, component: str) -> tuple[Halt, ...]:
        """The halts of `PRODUCT/COMPONENT`; none where the catalogue has no list of the product's.

        Raises:
            NotTrusted, NotReachable, Refused, RefusedLocally: as `index`; reason `other-halts`: the list is another's.
        """
        product, name = _split(component)
        if product not in self._halts:
            self._halts[product] = self._read_halts(product)
        return tuple(halt for halt in self._halts[product] if halt.component == name)

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

    def _read_halts(self, product: str) -> tuple[Halt, ...]:
        packed = self._refreshed().target(halts.target_path(product), max_bytes=halts.MAX_PACKED_BYTES)
        found = None
        if packed is not None:
            with believing():
                found = halts.decode(packed)
            if found.product != product:
                raise NotTrusted("other-halts", f"The list of halts of {product} is that of another product.")
        self.known.keep_halts(product, packed)
        return found.halts if found else ()

    def _refreshed(self) -> Verified:
        if self._catalogue is None:
            self._clock.check()
            catalogue = self._open()
            catalogue.refresh()
            self._catalogue = catalogue
            self._clock.advance()
            with contextlib.suppress(OSError):  # only people read it
                checked.remember(self._store.paths, self._clock.now())
            self._tell(catalogue)
        return self._catalogue


def _split(component: str) -> tuple[str, str]:
    try:
        return names.split_component(component)
    except BadName as error:
        raise RefusedLocally("bad-name", f"{error}") from error


def _check_unchanged(found: Index, known: ComponentState | None) -> None:
    """A release is immutable: one that was in use here may not come back as another, whoever signed it."""
    _check_heads(found, known.seen if known else {})


def _check_follows(found: Index, before: Index | None) -> None:
    """Hold an index to the one that was accepted before it: no release is another, and what was withdrawn stays so.

    A release that is not there any more says nothing: absence is not withdrawal.
    """
    if before is None:
        return
    _check_heads(found, {f"{one.version} {one.platform}": one.manifest.head for one in before.releases})
    stones = {(stone.version, stone.platform) for stone in found.tombstones}
    for stone in before.tombstones:
        if (stone.version, stone.platform) not in stones:
            raise NotTrusted(
                "tombstone-gone",
                f"{found.product}/{found.component} {stone.version} was withdrawn, and the catalogue does not say so "
                "any more. Nothing was installed; tell your vendor.",
            )


def _check_heads(found: Index, heads: Mapping[str, str]) -> None:
    for release in found.releases:
        if heads.get(f"{release.version} {release.platform}", release.manifest.head) != release.manifest.head:
            raise NotTrusted(
                "changed-release",
                f"{found.product}/{found.component} {release.version} was published again with other content. "
                "Nothing was installed; tell your vendor.",
            )
