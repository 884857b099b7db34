"""What SPOT does for an installation: fetch → decide → assemble → switch → thin snapshot, collaborators passed in.

Every call that changes something is made while the installation's lock is held, and first finishes or undoes what an
interrupted run left (`begin`). A thin snapshot goes out before and after every change; one that cannot be sent never
stops an update, and is sent at the next opportunity.
"""

from packaging.version import Version

from spot_client import going_back
from spot_client.available import Place, look
from spot_client.decide.choose import Hold, Rollback, Upgrade, Why
from spot_client.decide.states import tree_entries
from spot_client.errors import LocalFault, NotReachable, NotTrusted, Refused, RefusedLocally
from spot_client.fetch.releases import Releases
from spot_client.history import Action
from spot_client.install.change import Changer
from spot_client.install.remove import left_of
from spot_client.install.verify import Verifier
from spot_client.offers import Offers
from spot_client.site import Site
from spot_client.state import ComponentState, Installed, Store
from spot_client.telling import Offer, Report, Uninstalled, Verdict
from spot_client.thin_snapshots import ThinSnapshots
from spot_client.wire.index import Release
from spot_client.wire.manifest import File
from spot_client.wire.problem import Reason
from spot_client.wording import in_use

__all__ = ["Offer", "Report", "Spot", "Uninstalled", "Verdict"]


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
        site: Site,
        channel: str,
        platform: str,
        report: Report,
    ) -> None:
        self._store = store
        self._offers = offers
        self._releases = releases
        self._changer = changer
        self._thin_snapshots = thin_snapshots
        self._site = site
        self._channel = channel
        self._platform = platform
        self._report = report
        self._verifier = Verifier(store, releases)
        self._offline = False

    def begin(self) -> None:
        """Finish or undo what an interrupted run left; the first call under the lock."""
        for sentence in self._changer.recover():
            self._report.warn(sentence)

    def offer(self, component: str, version: str | None = None) -> Offer:
        """Where `component` could go: to `version`, or to the newest; what it would cost. Changes nothing installed.

        Warns if the version in use was withdrawn, or is halted.

        Raises:
            NotLicensed: no licence for the product, or no such component.
            NotTrusted, NotReachable, Refused: the catalogue could not be had.
            NotTrusted, RefusedLocally: the site's list could not be had.
            RefusedLocally: reason `bad-name`.
            LocalFault: what was known of the catalogue cannot be read.
        """
        wanted = None if version is None else str(_version(version))
        state, place = self._store.state(), Place(self._channel, self._platform, self._site.rule())
        found = look(self._offers, component, state, place, wanted=wanted)
        installed, decision = found.installed, found.decision
        if found.stopped:
            self._report.warn(in_use(component, f"{installed}", found.stopped))
        return Offer(
            component,
            installed,
            decision,
            None if isinstance(decision, Hold) else self._cost(component, decision.release),
            insisted=version is not None or installed is None,
            stopped=found.stopped,
            waiting=found.waiting,
        )

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
        target = Installed(release.version, release.platform, release.manifest, folder="", requires=release.requires)
        action, label = _verb(decision, offer.installed)
        self._change(offer.component, target, action, label)
        return True

    def rollback(self, component: str, version: str | None = None) -> str:
        """Go back to the newest kept version below the one in use, or to the kept `version`; returns it. Works offline.

        What was withdrawn or is halted, as far as this machine knows, is passed over.

        Raises:
            RefusedLocally: reason `not-installed`, `bad-name` or `nothing-to-go-back-to`; `withdrawn` or `halted`: what
                is kept, or the one asked for, may not be used any more; `not-approved-here`.
            NotTrusted, RefusedLocally: the site's list could not be had.
            LocalFault: what is known of withdrawals cannot be read; nothing has changed.
        """
        known = self._installed(component)
        wanted = None if version is None else _version(version)
        stops, rule = self._offers.known.stops(component), self._site.rule()
        target, passed = going_back.choose(component, known, stops, rule, wanted)
        for release, stop in passed:
            self._report.warn(f"{component} {release.version} is passed over: it {stop.told}.")
        self._change(component, target, Action.ROLLBACK, f"Going back from {known.current.version} to {target.version}")
        return target.version

    def uninstall(self, component: str, *, purge: bool = False, force: bool = False) -> Uninstalled:
        """Remove a component. Its state and the configuration that was changed stay, unless `purge`. Works offline.

        `purge` also removes what an earlier uninstallation left.

        Raises:
            RefusedLocally: reason `not-installed`; or `required`: another component needs it, and `force` is not given.
            LocalFault: it is still installed, or the next run finishes what was begun: the sentence says which; or
                `not-purged`: it is gone, and some of what was to go with it is not.
        """
        known = self._store.state().components.get(component)
        if known is None and purge and left_of(self._store.paths, component):
            self._changer.purge(component)
        else:
            known = self._installed(component)
            self._check_not_needed(component, force=force)
            self.send_thin_snapshot()
            for sentence in self._changer.uninstall(component, purge=purge):
                self._report.warn(sentence)
            self.send_thin_snapshot()
        left = left_of(self._store.paths, component)
        if purge and left:
            raise LocalFault(
                "not-purged",
                f"{component} is not installed any more, but this could not be removed: {', '.join(left)}. "
                f"See what holds it, and run 'spot uninstall {component} --purge' again.",
            )
        return Uninstalled(known.current.version if known else None, left)

    def verify(self, component: str, *, repair: bool = False) -> Verdict:
        """Hold every file of a component to what its vendor signed. Works offline, but for what a repair has to fetch.

        `repair` puts a fresh tree of the version in use into use if that is damaged, also of one that was withdrawn or
        is halted, because that runs in any case; and drops damaged kept versions.

        Raises:
            RefusedLocally: reason `not-installed`.
            NotTrusted, NotReachable, Refused: what is missing here could not be had; nothing has changed.
            LocalFault: as `Changer.change`; or what is known of withdrawals cannot be read.
        """
        known = self._installed(component)
        current = known.current
        found, kept = self._verifier.in_use(component, current), self._verifier.kept(component, known)
        if repair and kept:
            self._drop(component, [release for release, _ in kept])
        if repair and found.damaged:
            self._repair(component, current)
            stopped = self._offers.known.stops(component).of(current.version, current.platform)
            if stopped:
                told = in_use(component, current.version, stopped)
                self._report.warn(f"{told} It was repaired because it is in use.")
        return Verdict(
            component=component,
            version=current.version,
            whole=not found.damaged and not kept,
            damaged=found.damaged,
            changed=found.changed,
            added=found.added,
            kept_damaged=tuple((release.version, paths) for release, paths in kept),
            repaired=repair and bool(found.damaged or kept),
        )

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

    def _change(self, component: str, target: Installed, action: Action, label: str) -> None:
        manifest = self._releases.manifest(component, target.version, target.platform, target.manifest)
        self.send_thin_snapshot()
        repairing = action is Action.REPAIR
        kept = None if repairing else self._changer.whole_kept(component, target, manifest)
        fetch = 0 if kept else self._changer.plan(component, manifest).wire_bytes
        write = 0 if kept else sum(entry.size for entry in tree_entries(manifest) if isinstance(entry, File))
        progress = self._report.begin(f"{component}: {label}", fetch=fetch, write=write)
        try:
            notices = self._changer.change(component, target, manifest, action=action, kept=kept, progress=progress)
        finally:
            self._report.end()
        for sentence in notices:
            self._report.warn(sentence)
        self.send_thin_snapshot()

    def _repair(self, component: str, current: Installed) -> None:
        try:
            self._change(component, current, Action.REPAIR, f"Repairing {current.version}")
        except (Refused, NotTrusted) as error:
            if isinstance(error, NotTrusted) and error.reason != "withheld":
                raise
            # A version that is not on offer any more need not be there: then nobody keeps it back.
            raise Refused(
                Reason.NOT_FOUND.value if isinstance(error, NotTrusted) else error.reason,
                f"{component} {current.version} is damaged, and the mirror does not give out what is missing: {error} "
                f"'spot update {component}' goes to the newest version on offer.",
            ) from error

    def _drop(self, component: str, damaged: list[Installed]) -> None:
        told = self._changer.drop(component, frozenset(release.folder for release in damaged))
        versions = ", ".join(release.version for release in damaged)
        for sentence in (*told, f"What was kept of {component} {versions} was damaged, and is removed."):
            self._report.warn(sentence)

    def _check_not_needed(self, component: str, *, force: bool) -> None:
        components = self._store.state().components
        needing = [ref for ref, other in sorted(components.items()) if component in other.current.requires]
        if needing and not force:
            raise RefusedLocally(
                "required", f"{component} stays as it is: {', '.join(needing)} cannot do without it. Remove that first."
            )

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


def _verb(decision: Upgrade | Rollback, installed: str | None) -> tuple[Action, str]:
    version = decision.release.version
    if installed is None:
        return Action.INSTALL, f"Installing {version}"
    if isinstance(decision, Rollback):
        return Action.ROLLBACK, f"Going back from {installed} to {version}"
    return Action.UPDATE, f"Updating from {installed} to {version}"
