"""When installations were last seen: noted for every accepted request, told in batches to whoever writes it down."""

from datetime import datetime


class Seen:
    """Installations that were seen and not told of yet. For one event loop."""

    def __init__(self) -> None:
        self._noted: dict[str, datetime] = {}

    def note(self, installation: str, now: datetime) -> None:
        """An installation asked for something and was let in. `now`: UTC."""
        self._noted[installation] = now

    def take(self) -> dict[str, datetime]:
        """The newest moment of each that was noted since the last call."""
        noted, self._noted = self._noted, {}
        return noted
