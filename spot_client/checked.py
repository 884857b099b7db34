"""When this installation last had a catalogue that was signed and not expired: for people, who ask if SPOT still looks.

One line in ROOT/.spot/checked, RFC 3339 in UTC. Nothing is decided by it, and it never leaves the machine.
"""

from datetime import UTC, datetime

from spot_client import durable
from spot_client.config import Paths

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_MAX_BYTES = 64


def remember(paths: Paths, now: datetime) -> None:
    """Write down that the catalogue was refreshed `now` (UTC). Raises OSError."""
    durable.write(paths.own / "checked", f"{now:{_FORM}}\n".encode())


def last(paths: Paths) -> datetime | None:
    """When it was last refreshed, in UTC; None if never, or if nobody can tell."""
    try:
        with (paths.own / "checked").open("rb") as file:
            text = file.read(_MAX_BYTES).decode()
        return datetime.strptime(text, f"{_FORM}\n").replace(tzinfo=UTC)
    except (OSError, ValueError):
        return None
