"""When installations were last seen: noted for every accepted request, written down in batches."""

from datetime import datetime

from mirror.records.protocol import Records


class Seen:
    """Moments that are not written down yet. `note` is called on the event loop, `flush` in one thread at a time."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._moments: dict[str, datetime] = {}

    def note(self, installation: str, now: datetime) -> None:
        """An installation asked for something and was let in. `now`: UTC."""
        self._moments[installation] = now

    def flush(self) -> None:
        """Write down what was noted; what the store does not take is kept for the next time.

        Raises:
            StoreFault: from the store.
        """
        moments, self._moments = self._moments, {}
        if not moments:
            return
        try:
            self._records.seen(moments)
        except BaseException:
            self._moments = {**moments, **self._moments}
            raise
