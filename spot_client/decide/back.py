"""Which kept version a rollback goes to: the newest below the one in use that was not stopped. Pure."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from packaging.version import Version

from spot_client.decide.stops import Stop, Stops


class Kept(Protocol):
    """A release that is kept here: `spot_client.state.Installed`."""

    @property
    def version(self) -> str:
        """Its version."""
        ...

    @property
    def platform(self) -> str:
        """What it was built for."""
        ...


K = TypeVar("K", bound=Kept)


def way_back(
    kept: Iterable[K], stops: Stops, *, below: str, wanted: Version | None = None
) -> tuple[K | None, tuple[tuple[K, Stop], ...]]:
    """The release to go back to, or None; and those that were passed over for it, newest first, with what stops them.

    Args:
        below: the version in use.
        wanted: only this version will do.
    """
    older = [release for release in kept if Version(release.version) < Version(below)]
    passed: list[tuple[K, Stop]] = []
    for release in sorted(older, key=lambda one: Version(one.version), reverse=True):
        if wanted is not None and Version(release.version) != wanted:
            continue
        stop = stops.of(release.version, release.platform)
        if stop is None:
            return release, tuple(passed)
        passed.append((release, stop))
    return None, tuple(passed)
