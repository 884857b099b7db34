"""What the vendor stopped of a component: releases withdrawn for good (tombstones), and halted for now. Pure.

A stop is of one release: version and platform. It keeps a release from being activated and touches nothing that runs.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Final

import msgspec
from packaging.version import Version

from spot_client.wire.halts import Halt
from spot_client.wire.index import Moment, Tombstone

_TOLD: Final = 500  # characters of the vendor's reason in a sentence; `Stop.reason` has them all


class Kind(Enum):
    """How a release was stopped."""

    WITHDRAWN = "withdrawn"
    HALTED = "halted"


class Stop(msgspec.Struct, frozen=True):
    """That a release is not to be activated: since when (RFC 3339 in UTC), and why, in the vendor's words."""

    kind: Kind
    since: Moment
    reason: str

    @property
    def told(self) -> str:
        """The rest of a sentence that begins with the release, on one line and without its full stop."""
        how = "was withdrawn" if self.kind is Kind.WITHDRAWN else f"is halted since {self.since}"
        words = " ".join(self.reason.split())[:_TOLD].rstrip(" .")
        return f"{how}: {words}" if words else how


class Stops:
    """All stops of one component. A release that was both withdrawn and halted is withdrawn."""

    def __init__(self, tombstones: Iterable[Tombstone], halts: Iterable[Halt] = ()) -> None:
        halted = {_key(halt.version, halt.platform): Stop(Kind.HALTED, halt.since, halt.reason) for halt in halts}
        gone = {
            _key(stone.version, stone.platform): Stop(Kind.WITHDRAWN, stone.withdrawn, stone.reason)
            for stone in tombstones
        }
        self._stops = {**halted, **gone}

    def of(self, version: str, platform: str) -> Stop | None:
        """What stops a release, if anything; the version in any spelling."""
        return self._stops.get(_key(version, platform))


def _key(version: str, platform: str) -> tuple[Version, str]:
    return Version(version), platform
