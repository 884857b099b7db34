"""What SPOT does for an installation: fetch → decide → assemble → switch → thin snapshot, collaborators passed in.

Every call that changes something is made while the installation's lock is held, and first finishes or undoes what an
interrupted run left (`begin`). A thin snapshot goes out before and after every change; one that cannot be sent never
stops an update, and is sent at the next opportunity.
"""

import errno
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from packaging.version import Version

from spot_client.believe import believing
from spot_client.decide.choose import Decision, Hold, Rollback, Situation, Upgrade, Why, choose
from spot_client.errors import LocalFault, NotLicensed, NotReachable, NotTrusted, OutOfDate, RefusedLocally
from spot_client.fetch.catalogue import Catalogue
from spot_client.fetch.releases import Releases
from spot_client.install.change import Changer, Progress
from spot_client.state import ComponentState, Installed, Store
from spot_client.thin_snapshots import ThinSnapshots
from spot_client.wire import index, names
from spot_client.wire.errors import BadName
from spot_client.wire.index import Index, Release

_CLOCK_DOUBT = timedelta(days=1)


class Report(Protocol):
    """Where SPOT tells what it does: a terminal, a log, a program that embeds it."""

    def say(self, text: str) -> None:
        """One sentence of progress."""
        ...

    def warn(self, text: str) -> None:
        """One sentence about something that went wrong without stopping the work."""
        ...

    def begin(self, label: str, *, fetch: int, write: int) -> Progress:
        """A change begins that will fetch and write so many bytes."""
        ...

    def end(self) -> None:
        """The change that was begun has ended, one way or the other."""
        ...


class Offer(msgspec.Struct, frozen=True):
    """Where a component could go. `wire_bytes`: of content still to be fetched for it, None where nothing would be."""

    component: str
    installed: str | None
    decision: Decision
    wire_bytes: int | None = None
    insisted: bool = False
    """Whether a version was asked for, so that anything else than reaching it is a refusal."""


class Spot:
    """One installation at work. Made by `spot_client.compose.open_spot`."""

    def __init__(
        self,
        *,
        store: Store,
        catalogue: Callable[[], Catalogue],
        releases: Releases,
        changer: Changer,
        thin_snapshots: ThinSnapshots,
        channel: str,
        platform: str,
        report: Report,
        now: Callable[[], datetime],
        mirror_time: Callable[[], datetime | None],
    ) -> None:
        self._store = store
        self._open_catalogue = catalogue
        self._catalogue: Catalogue | None = None
        self._releases = releases
        self._changer = changer
        self._thin_snapshots = thin_snapshots
        self._channel = channel
        self._platform = platform
        self._report = report
        self._now = now
        self._mirror_time = mirror_time
        self._offline = False

    def begin(self) -> None:
        """Finish or undo what an interrupted run left; the first call under the lock."""
        outcome = self._changer.recover()
        if outcome:
            self._report.warn(outcome)

    def offer(self, component: str, version: str | None = None) -> Offer:
        """Where `component` could go: to `version`, or to the newest; what it would cost. Changes nothing installed.

        Raises:
            NotLicensed: no licence for the product, or no such component.
            NotTrusted, NotReachable, Refused: the catalogue could not be had.
            RefusedLocally: reason `bad-name`.
        """
        try:
            names.split_component(component)
        except BadName as error:
            raise RefusedLocally("bad-name", f"{error}") from error
        wanted = None if version is None else str(_version(version))
        state = self._store.state()
        versions = state.versions
        installed = versions.pop(component, None)
        situation = Situation(installed, self._channel, self._platform, versions)
        found = self._index(component)
        _check_unchanged(found, state.components.get(component))
        decision = choose(found, situation, wanted=wanted)
        if isinstance(decision, Hold):
            return Offer(component, installed, decision, insisted=version is not None or installed is None)
        return Offer(component, installed, decision, self._cost(component, decision.release))

    def go(self, offer: Offer) -> bool:
        """Do what an offer says. False if there is nothing to do.

        Raises:
            RefusedLocally: nothing is installed, or a version was asked for, and the offer does not lead there.
            LocalFault, NotTrusted, NotReachable, Refused: nothing has changed.
        """
        decision = offer.decision
        if isinstance(decision, Hold):
            if decision.why is not Why.CURRENT and offer.insisted:
                raise RefusedLocally(decision.why.value, f"{offer.component} stays as it is: {decision.detail}.")
            self.settle()
            return False
        release = decision.release
        target = Installed(release.version, release.platform, release.manifest, folder="")
        self._change(offer.component, target, _verb(offer))
        return True

    def rollback(self, component: str, version: str | None = None) -> str:
        """Go back to the newest kept version below the one in use, or to the kept `version`; returns it. Works offline.

        Raises:
            RefusedLocally: reason `not-installed`, `bad-name` or `nothing-to-go-back-to`.
        """
        known = self._installed(component)
        in_use = Version(known.current.version)
        older = [release for release in known.kept if Version(release.version) < in_use]
        if version is not None:
            wanted = _version(version)
            older = [release for release in older if Version(release.version) == wanted]
        if not older:
            kept = ", ".join(release.version for release in known.kept) or "none"
            raise RefusedLocally(
                "nothing-to-go-back-to",
                f"No such version of {component} older than {in_use} is kept here (kept: {kept}): "
                f"'spot install {component} --version VERSION' goes to any that is on offer.",
            )
        target = max(older, key=lambda release: Version(release.version))
        self._change(component, target, f"Going back from {known.current.version} to {target.version}")
        return target.version

    def settle(self) -> None:
        """Send the thin snapshot if one is owed."""
        if self._store.state().owed:
            self.send_thin_snapshot()

    def send_thin_snapshot(self) -> bool:
        """Send what is installed; True if the mirror has it now. A failure is reported once, not raised.

        Once the mirror was out of reach it is not tried again: the rest of the work is not to wait for it.
        """
        if self._offline:
            return False
        failure = self._thin_snapshots.send()
        if failure is not None:
            self._report.warn(f"The thin snapshot could not be sent and will be sent later: {failure}")
        self._offline = isinstance(failure, NotReachable)
        return failure is None

    def deliver_thin_snapshot(self) -> None:
        """Send what is installed; raises what stands in the way (`NotReachable`, `NotTrusted`, `Refused`)."""
        failure = self._thin_snapshots.send()
        if failure is not None:
            raise failure

    def _change(self, component: str, target: Installed, label: str) -> None:
        manifest = self._releases.manifest(component, target.version, target.platform, target.manifest)
        self.send_thin_snapshot()
        kept = self._changer.whole_kept(component, target, manifest)
        fetch = 0 if kept else self._changer.plan(component, manifest).wire_bytes
        write = 0 if kept else sum(file.size for file in manifest.files)
        progress = self._report.begin(f"{component}: {label}", fetch=fetch, write=write)
        try:
            self._changer.change(component, target, manifest, kept=kept, progress=progress)
        except OSError as error:
            reason, what = _explain(error)
            where = f" ({error.filename})" if error.filename else ""
            raise LocalFault(reason, f"{component} was not changed: {what}{where}.") from error
        finally:
            self._report.end()
        self.send_thin_snapshot()

    def _index(self, component: str) -> Index:
        if self._catalogue is None:
            catalogue = self._open_catalogue()
            try:
                catalogue.refresh()
            except OutOfDate as error:
                raise self._doubt(error) from error
            self._catalogue = catalogue
        product, _, name = component.partition("/")
        packed = self._catalogue.target(index.target_path(product, name), max_bytes=index.MAX_PACKED_BYTES)
        if packed is None:
            raise NotLicensed(
                "not-licensed", f"There is no {component} for you: it does not exist, or is not licensed."
            )
        with believing():
            found = index.decode(packed)
        if (found.product, found.component) != (product, name):
            raise NotTrusted("other-index", f"The index of {component} is that of another component.")
        return found

    def _cost(self, component: str, release: Release) -> int:
        manifest = self._releases.manifest(component, release.version, release.platform, release.manifest)
        wanted = Installed(release.version, release.platform, release.manifest, folder="")
        kept = self._changer.whole_kept(component, wanted, manifest)
        return 0 if kept else self._changer.plan(component, manifest).wire_bytes

    def _doubt(self, error: OutOfDate) -> OutOfDate:
        """Expired metadata is either held back by somebody, or this machine's clock is wrong: say which is likelier."""
        there, here = self._mirror_time(), self._now()
        if there is None or abs(there - here) < _CLOCK_DOUBT:
            return error
        return OutOfDate(
            "clock-wrong",
            f"This machine's clock says {here:%Y-%m-%d %H:%M} UTC, the mirror's {there:%Y-%m-%d %H:%M}: by the first, "
            "the signed catalogue has expired. Set the clock right; what is installed goes on running.",
        )

    def _installed(self, component: str) -> ComponentState:
        known = self._store.state().components.get(component)
        if known is None:
            raise RefusedLocally("not-installed", f"{component} is not installed: 'spot status' lists what is.")
        return known


def _check_unchanged(found: Index, known: ComponentState | None) -> None:
    """A release is immutable: one that was in use here may not come back as another, whoever signed it."""
    seen = known.seen if known else {}
    for release in found.releases:
        if seen.get(f"{release.version} {release.platform}", release.manifest.head) != release.manifest.head:
            raise NotTrusted(
                "changed-release",
                f"{found.product}/{found.component} {release.version} was published again with other content. "
                "Nothing was installed; tell your vendor.",
            )


def _version(text: str) -> Version:
    """A version as a person writes it, in whatever spelling."""
    try:
        return Version(text)
    except ValueError as error:
        raise RefusedLocally("bad-name", f"{error}: write a version like 1.40.1.") from error


def _explain(error: OSError) -> tuple[str, str]:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "disk-full", "the disk is full; make room and run it again"
    return "local", f"{error.strerror or error}"


def _verb(offer: Offer) -> str:
    match offer.decision, offer.installed:
        case Upgrade(release), None:
            return f"Installing {release.version}"
        case Upgrade(release), installed:
            return f"Updating from {installed} to {release.version}"
        case Rollback(release), installed:
            return f"Going back from {installed} to {release.version}"
    return ""
