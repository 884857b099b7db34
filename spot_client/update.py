"""What SPOT does for an installation: fetch → decide → assemble → switch → thin snapshot, collaborators passed in.

Every call that changes something is made while the installation's lock is held, and first finishes or undoes what an
interrupted run left (`begin`). A thin snapshot goes out before and after every change; one that cannot be sent never
stops an update, and is sent at the next opportunity.
"""

import errno
from typing import Protocol

import msgspec
from packaging.version import Version

from spot_client.decide.choose import Decision, Hold, Rollback, Situation, Upgrade, Why, choose
from spot_client.errors import LocalFault, NotReachable, RefusedLocally
from spot_client.fetch.releases import Releases
from spot_client.install.change import Changer, Progress
from spot_client.offers import Offers
from spot_client.state import ComponentState, Installed, Store
from spot_client.thin_snapshots import ThinSnapshots
from spot_client.wire.index import Release


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
        offers: Offers,
        releases: Releases,
        changer: Changer,
        thin_snapshots: ThinSnapshots,
        channel: str,
        platform: str,
        report: Report,
    ) -> None:
        self._store = store
        self._offers = offers
        self._releases = releases
        self._changer = changer
        self._thin_snapshots = thin_snapshots
        self._channel = channel
        self._platform = platform
        self._report = report
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
        wanted = None if version is None else str(_version(version))
        state = self._store.state()
        versions = state.versions
        installed = versions.pop(component, None)
        situation = Situation(installed, self._channel, self._platform, versions)
        decision = choose(self._offers.index(component), situation, wanted=wanted)
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

    def _cost(self, component: str, release: Release) -> int:
        manifest = self._releases.manifest(component, release.version, release.platform, release.manifest)
        wanted = Installed(release.version, release.platform, release.manifest, folder="")
        kept = self._changer.whole_kept(component, wanted, manifest)
        return 0 if kept else self._changer.plan(component, manifest).wire_bytes

    def _installed(self, component: str) -> ComponentState:
        known = self._store.state().components.get(component)
        if known is None:
            raise RefusedLocally("not-installed", f"{component} is not installed: 'spot status' lists what is.")
        return known


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
