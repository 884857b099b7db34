"""What was believed last: each component's index and each product's halts, kept as they were signed.

    .spot/known/PRODUCT/COMPONENT.json.zst   the index that was accepted last
    .spot/known/PRODUCT.halts.json.zst       the halts that were verified last; missing: nothing is halted

The catalogue's folder is a cache, this is a memory: whatever becomes of the catalogue, a new index is held to the one
before it (`offers`). No tombstone goes missing in that way, so those here are all that there ever were. They bind
without network, and stay when the component is uninstalled. Halts go when a newer list lifts them. How long either can
be is for their formats to say; one file a component, so that what changes is small.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from spot_client import durable
from spot_client.config import Paths
from spot_client.decide.stops import Stops
from spot_client.errors import LocalFault
from spot_client.wire import halts, index, names
from spot_client.wire.errors import FormatError
from spot_client.wire.halts import Halt, Halts
from spot_client.wire.index import Index

_D = TypeVar("_D", Index, Halts)


class Known:
    """The memory of one installation. Reading takes no lock; whoever keeps something holds the installation's."""

    def __init__(self, paths: Paths) -> None:
        self._folder = paths.own / "known"

    def index(self, component: str) -> Index | None:
        """The index of `PRODUCT/COMPONENT` that was accepted last. Raises `LocalFault`, and OSError."""
        return _read(self._index(component), index.decode, index.MAX_PACKED_BYTES)

    def keep_index(self, component: str, packed: bytes) -> None:
        """Remember an index that was accepted; durable on return. Raises OSError."""
        _keep(self._index(component), packed)

    def halts(self, component: str) -> tuple[Halt, ...]:
        """The halts of `PRODUCT/COMPONENT` that were verified last. Raises `LocalFault`, and OSError."""
        product, name = names.split_component(component)
        found = _read(self._halts(product), halts.decode, halts.MAX_PACKED_BYTES)
        return tuple(halt for halt in found.halts if halt.component == name) if found else ()

    def keep_halts(self, product: str, packed: bytes | None) -> None:
        """Remember the halts of a product that were verified, None where there are none; durable on return."""
        if packed is None:
            durable.remove(self._halts(product))
        else:
            _keep(self._halts(product), packed)

    def stops(self, component: str) -> Stops:
        """All that is known to be stopped of `PRODUCT/COMPONENT`. Raises `LocalFault`, and OSError."""
        found = self.index(component)
        return Stops(found.tombstones if found else (), self.halts(component))

    def _index(self, component: str) -> Path:
        product, name = names.split_component(component)
        return self._folder / product / f"{name}.json.zst"

    def _halts(self, product: str) -> Path:
        return self._folder / f"{names.check_product(product)}.halts.json.zst"


def _keep(path: Path, packed: bytes) -> None:
    if path.exists() and path.read_bytes() == packed:
        return
    durable.make_private(path.parent)
    durable.write(path, packed)


def _read(path: Path, decode: Callable[[bytes], _D], limit: int) -> _D | None:
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except FileNotFoundError:
        return None
    try:
        return decode(raw)
    except FormatError as error:
        way_out = (
            "Use the SPOT that wrote it, or a newer one."
            if error.reason == "too-new"
            else "Restore it from a backup; or remove it, and run 'spot check', which asks the mirror for it."
        )
        raise LocalFault("bad-state", f"{path}: {error} {way_out}") from error
