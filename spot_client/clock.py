"""The last verified time: what this machine's clock never goes back behind unnoticed.

Whoever sets a clock back makes metadata good again that has expired, and freezes SPOT at what it was then. So at each
good refresh the time is written down, in ROOT/.spot/clock.json: this machine's, if the mirror's agrees with it, and the
earlier of the two, so that no clock alone, here or there, locks anybody out later. What a mirror says can hold that up,
and not push it ahead. What relies on expiry is refused while the clock is behind it by more than an hour; what does not
(rollback, verify, status, uninstall) never asks.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeGuard

from spot_client import durable
from spot_client.errors import LocalFault, OutOfDate
from spot_client.fetch.lapse import CLOCK_DOUBT, MINUTE
from spot_client.wire import document
from spot_client.wire.errors import FormatError

TOLERANCE: Final = timedelta(hours=1)
"""How far a clock may be corrected backwards without a word."""

_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"
_MAX_BYTES: Final = 1024


class _Kept(document.Document, frozen=True):
    verified: str


class Clock:
    """This machine's clock, held to what is known of the time. `now`, `mirror_time`: in UTC."""

    def __init__(
        self, path: Path, *, now: Callable[[], datetime], mirror_time: Callable[[], datetime | None] = lambda: None
    ) -> None:
        self._path = path
        self._mirror_time = mirror_time
        self.now = now

    def last(self) -> datetime | None:
        """The last verified time, in UTC; None if there is none.

        Raises:
            LocalFault: reason `bad-clock`.
        """
        try:
            with self._path.open("rb") as file:
                raw = file.read(_MAX_BYTES + 1)
            kept = document.decode(raw, _Kept, max_bytes=_MAX_BYTES, what=str(self._path))
            return datetime.strptime(kept.verified, _FORM).replace(tzinfo=UTC)
        except FileNotFoundError:
            return None
        except (FormatError, ValueError) as error:
            raise LocalFault(
                "bad-clock",
                f"{self._path}, which says when the catalogue was verified last, is damaged. "
                "Check this machine's clock, and run the same command with --reset-clock.",
            ) from error

    def check(self) -> None:
        """Refuse to go on with a clock that is behind the last verified time.

        Raises:
            OutOfDate: reason `clock-behind`.
            LocalFault: reason `bad-clock`.
        """
        last, here = self.last(), self.now()
        if last is not None and here < last - TOLERANCE:
            raise OutOfDate(
                "clock-behind",
                f"This machine's clock says {here:{MINUTE}}, and the catalogue was verified at {last:{MINUTE}} "
                "already. Set the clock right; if it is, add --reset-clock. What is installed goes on running.",
            )

    def advance(self) -> None:
        """The catalogue has been verified: write down when, by the earlier of both clocks. Raises OSError.

        Unless the mirror says what time it is, and much the same, nothing is written: this clock might run ahead.
        """
        here, there, last = self.now(), self._mirror_time(), self.last()
        if not _agree(there, here):
            return
        verified = min(here, there)
        if last is None or verified > last:
            durable.write(self._path, document.encode(_Kept(verified=f"{verified:{_FORM}}")))

    def reset(self, there: datetime | None) -> None:
        """Forget the last verified time, if this machine's clock agrees with that of a mirror that was just asked.

        Raises:
            OutOfDate: reason `clock-wrong`.
        """
        here = self.now()
        if not _agree(there, here):
            said = f"the mirror's {there:{MINUTE}}" if there else "the mirror does not say what time it is"
            raise OutOfDate(
                "clock-wrong",
                f"This machine's clock says {here:{MINUTE}}, {said}: the last verified time stays. "
                "Set the clock right.",
            )
        durable.remove(self._path)


def _agree(there: datetime | None, here: datetime) -> TypeGuard[datetime]:
    return there is not None and abs(there - here) < CLOCK_DOUBT
