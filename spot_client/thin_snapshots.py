"""Sending thin snapshots: exactly what `wire.thin_snapshot` can say, never more, and never in the way of an update."""

from typing import Protocol

import msgspec

from spot_client.errors import RefusedLocally, SpotError
from spot_client.state import Store
from spot_client.wire import thin_snapshot
from spot_client.wire.errors import WireError
from spot_client.wire.routes import Kind, Route


class Putter(Protocol):
    """What sends: `spot_client.fetch.failover.Mirrors`."""

    def put(self, path: str, body: bytes) -> None:
        """PUT a body once. Raises `SpotError`."""
        ...


class ThinSnapshots:
    """The thin snapshots of one installation."""

    def __init__(self, store: Store, putter: Putter, installation: str) -> None:
        self._store = store
        self._putter = putter
        self._installation = installation

    def send(self) -> SpotError | None:
        """Send what is installed now. What stands in the way is returned, not raised: it will be sent later.

        The state says what is still owed, so that "later" survives this process.
        """
        state = self._store.state()
        try:
            path = Route(kind=Kind.THIN_SNAPSHOT, installation=self._installation).path
            self._putter.put(path, thin_snapshot.encode(state.versions))
        except (SpotError, WireError) as error:
            if not state.owed:
                self._store.write_state(msgspec.structs.replace(state, owed=True))
            return error if isinstance(error, SpotError) else RefusedLocally(error.reason, str(error))
        if state.owed:
            self._store.write_state(msgspec.structs.replace(state, owed=False))
        return None
