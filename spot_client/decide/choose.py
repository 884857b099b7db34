"""Which release to go to: index + what is installed + channel + platform → Upgrade, Hold or Rollback. Pure.

A release is a candidate if it is offered in the channel, built for this platform (or `any`; the platform's own wins),
neither withdrawn nor halted, satisfied in what it requires of other components, and allowed by the site. What was
withdrawn is left, for an older release if there is no newer; what is halted is not gone to, and where it runs it stays.
Versions compare by PEP 440; a channel decides what is a preview, so pre-releases are not filtered again here.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from spot_client.decide.stops import Kind, Stops
from spot_client.wire.halts import Halt
from spot_client.wire.index import Index, Release


class Why(Enum):
    """Why nothing is to be done, or cannot be."""

    CURRENT = "current"
    """The newest release on offer is installed."""
    NO_SUCH_VERSION = "no-such-version"
    """The version asked for was never published."""
    WITHDRAWN = "withdrawn"
    """The version asked for was withdrawn."""
    HALTED = "halted"
    """The vendor has stopped it for now."""
    OTHER_CHANNEL = "other-channel"
    OTHER_PLATFORM = "other-platform"
    REQUIRES = "requires"
    """Other components are missing or too old for it."""
    NOT_APPROVED_HERE = "not-approved-here"
    """It is not on the site's own list."""
    NOTHING_ON_OFFER = "nothing-on-offer"


class Upgrade(msgspec.Struct, frozen=True):
    """Go to this release, newer than what is installed (or the first)."""

    release: Release


class Rollback(msgspec.Struct, frozen=True):
    """Go back to this release: what is installed was withdrawn, or an older version was asked for.

    It is older than what is installed, or the same version for the other of `any` and this platform.
    """

    release: Release


class Hold(msgspec.Struct, frozen=True):
    """Stay. `detail` names versions or components, for people."""

    why: Why
    detail: str = ""


Decision = Upgrade | Rollback | Hold


class Situation(msgspec.Struct, frozen=True):
    """What is known of this machine.

    installed: version of the component, or None. others: versions of all the others, by `PRODUCT/COMPONENT`.
    built_for: platform of the release that is installed. objection: why the site does not allow a release, or None
    (`decide.site.Rule.objection`).
    """

    installed: str | None
    channel: str
    platform: str
    others: Mapping[str, str] = {}
    built_for: str = "any"
    objection: Callable[[Release], str | None] = lambda _: None


def choose(index: Index, situation: Situation, *, wanted: str | None = None, halts: Iterable[Halt] = ()) -> Decision:
    """Decide where a component goes: to the version `wanted`, or to the newest. `halts`: those of the component."""
    stops = Stops(index.tombstones, halts)
    offers = [r for r in index.releases if wanted is None or Version(r.version) == Version(wanted)]
    if wanted is not None and not offers:
        return _not_there(wanted, situation.platform, Stops(index.tombstones))
    obstacles = [(release, _obstacle(release, situation, stops)) for release in offers]
    candidates = [release for release, obstacle in obstacles if obstacle is None]
    if not candidates:
        return _nearest(obstacles)
    best = max(candidates, key=lambda release: (Version(release.version), release.platform != "any"))
    decision = _direction(best, situation, stops, asked=wanted is not None)
    reached = max(Version(best.version), Version(situation.installed or best.version))
    newer = _nearest([line for line in obstacles if Version(line[0].version) > reached])
    if isinstance(decision, Hold) and newer.why in {Why.REQUIRES, Why.HALTED, Why.NOT_APPROVED_HERE}:
        return Hold(decision.why, f"{decision.detail} that may be installed: {newer.detail}")
    return decision


def _not_there(wanted: str, platform: str, withdrawn: Stops) -> Hold:
    stop = withdrawn.of(wanted, platform) or withdrawn.of(wanted, "any")
    return (
        Hold(Why.WITHDRAWN, f"{wanted} {stop.told}")
        if stop
        else Hold(Why.NO_SUCH_VERSION, f"there is no version {wanted}")
    )


def _obstacle(release: Release, situation: Situation, stops: Stops) -> Hold | None:
    """What stands in the way of a release here, if anything."""
    if release.platform not in {"any", situation.platform}:
        return Hold(Why.OTHER_PLATFORM, f"{release.version} is for {release.platform}, not for this machine")
    if situation.channel not in release.channels:
        offered = ", ".join(release.channels)
        return Hold(Why.OTHER_CHANNEL, f"{release.version} is offered in {offered}, not in {situation.channel}")
    stop = stops.of(release.version, release.platform)
    if stop is not None:
        return Hold(Why(stop.kind.value), f"{release.version} {stop.told}")
    missing = _missing(release, situation.others)
    if missing:
        return Hold(Why.REQUIRES, f"{release.version} requires {missing}")
    objection = situation.objection(release)
    return Hold(Why.NOT_APPROVED_HERE, objection) if objection else None


def _nearest(obstacles: Iterable[tuple[Release, Hold | None]]) -> Hold:
    """The obstacle to tell: of the newest release that is for this machine and channel, else for this machine."""
    told = [(release, obstacle) for release, obstacle in obstacles if obstacle is not None]
    last = max(told, key=lambda one: (*_nearness(one[1].why), Version(one[0].version)), default=None)
    return last[1] if last else Hold(Why.NOTHING_ON_OFFER, "nothing is on offer")


def _nearness(why: Why) -> tuple[bool, bool]:
    return why is not Why.OTHER_PLATFORM, why is not Why.OTHER_CHANNEL


def _missing(release: Release, others: Mapping[str, str]) -> str:
    return ", ".join(
        f"{component} {versions}"
        for component, versions in sorted(release.requires.items())
        if component not in others or not SpecifierSet(versions).contains(others[component], prereleases=True)
    )


def _direction(best: Release, situation: Situation, stops: Stops, *, asked: bool) -> Decision:
    installed = situation.installed
    if installed is None or Version(best.version) > Version(installed):
        return Upgrade(best)
    stop = stops.of(installed, situation.built_for)
    if stop is not None and stop.kind is Kind.WITHDRAWN:
        return Rollback(best)
    if asked and Version(best.version) < Version(installed):
        return Rollback(best)
    return Hold(Why.CURRENT, f"{installed} is {'installed' if asked else 'the newest on offer'}")
