"""What SPOT tells whoever called it: a report on the way, and what came of it."""

from typing import Protocol

import msgspec

from spot_client.decide.choose import Decision
from spot_client.decide.stops import Stop
from spot_client.install.change import Progress


class Report(Protocol):
    """Where SPOT tells what it does: a terminal, a log, a program that embeds it."""

    def say(self, text: str) -> None:
        """One sentence of progress."""
        ...

    def warn(self, text: str) -> None:
        """One sentence about something that wants a look, or went wrong without stopping the work."""
        ...

    def begin(self, label: str, *, fetch: int, write: int) -> Progress:
        """A change begins that will fetch and write so many bytes."""
        ...

    def end(self) -> None:
        """The change that was begun has ended, one way or the other."""
        ...


class Offer(msgspec.Struct, frozen=True):
    """Where a component could go. `wire_bytes`: of content still to be fetched for it, None where nothing would be.

    stopped: what the vendor did to the release in use, if it withdrew or halted that.
    """

    component: str
    installed: str | None
    decision: Decision
    wire_bytes: int | None = None
    insisted: bool = False
    """Whether a version was asked for, so that anything else than reaching it is a refusal."""
    stopped: Stop | None = None
    waiting: tuple[str, ...] = ()
    """Newer versions that are not on the site's list, oldest first."""


class Uninstalled(msgspec.Struct, frozen=True):
    """A component that is gone: the version that was in use (None: it went before, and now what it had left), and the
    paths below the root that stay."""

    version: str | None
    kept: tuple[str, ...]


class Verdict(msgspec.Struct, frozen=True):
    """How a component was found, paths relative to the version's tree.

    whole: nothing was damaged, neither in the version in use nor in a kept one.
    damaged: entries of the version in use that are not as the release has them.
    changed: configuration files that were changed here, which is no damage.
    added: files, and folders as a whole, that are not of the release; 1000 at most, and no damage either.
    kept_damaged: version and damaged entries of kept versions.
    repaired: whether what was damaged has been put right (kept versions: removed).
    """

    component: str
    version: str
    whole: bool
    damaged: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]
    kept_damaged: tuple[tuple[str, tuple[str, ...]], ...]
    repaired: bool
