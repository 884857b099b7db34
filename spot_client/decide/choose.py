"""Which release to go to: index + what is installed + channel + platform → Upgrade, Hold or Rollback. Pure.

A release is a candidate if it is offered in the channel, built for this platform (or `any`; the platform's own wins),
not withdrawn, satisfied in what it requires of other components, and allowed by the site. Versions compare by PEP 440;
a channel decides what is a preview, so pre-releases are not filtered again here.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from spot_client.wire.index import Index, Release


class Why(Enum):
    """Why nothing is to be done, or cannot be."""

    CURRENT = "current"
    """The newest release on offer is installed."""
    NO_SUCH_VERSION = "no-such-version"
    """The version asked for was never published."""
    WITHDRAWN = "withdrawn"
    """The version asked for was withdrawn."""
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
    """Go back to this release: what is installed was withdrawn, or an older version was asked for."""

    release: Release


class Hold(msgspec.Struct, frozen=True):
    """Stay. `detail` names versions or components, for people."""

    why: Why
    detail: str = ""


Decision = Upgrade | Rollback | Hold


class Situation(msgspec.Struct, frozen=True):
    """What is known of this machine. `installed`: version of the component, or None; `others`: of all the others.

    objection: why the site does not allow a release, or None (`decide.site.Rule.objection`).
    """

    installed: str | None
    channel: str
    platform: str
    others: Mapping[str, str] = {}
    objection: Callable[[Release], str | None] = lambda _: None


def choose(index: Index, situation: Situation, *, wanted: str | None = None) -> Decision:
    """Decide where a component goes: to the version `wanted`, or to the newest."""
    ours = {"any", situation.platform}
    withdrawn = {Version(stone.version): stone.reason for stone in index.tombstones if stone.platform in ours}
    offers = [r for r in index.releases if wanted is None or Version(r.version) == Version(wanted)]
    if wanted is not None and not offers:
        if Version(wanted) in withdrawn:
            return Hold(Why.WITHDRAWN, f"{wanted} was withdrawn: {withdrawn[Version(wanted)]}")
        return Hold(Why.NO_SUCH_VERSION, f"there is no version {wanted}")
    obstacles = [(release, _obstacle(release, situation)) for release in offers]
    candidates = [release for release, obstacle in obstacles if obstacle is None]
    if not candidates:
        return _nearest(obstacles)
    best = max(candidates, key=lambda release: (Version(release.version), release.platform != "any"))
    forced = wanted is not None or (situation.installed is not None and Version(situation.installed) in withdrawn)
    decision = _direction(best, situation.installed, forced=forced)
    reached = max(Version(best.version), Version(situation.installed or best.version))
    newer = _nearest([line for line in obstacles if Version(line[0].version) > reached])
    if isinstance(decision, Hold) and newer.why in {Why.REQUIRES, Why.NOT_APPROVED_HERE}:
        return Hold(decision.why, f"{decision.detail} that may be installed: {newer.detail}")
    return decision


def _obstacle(release: Release, situation: Situation) -> Hold | None:
    """What stands in the way of a release here, if anything."""
    if release.platform not in {"any", situation.platform}:
        return Hold(Why.OTHER_PLATFORM, f"{release.version} is for {release.platform}, not for this machine")
    if situation.channel not in release.channels:
        offered = ", ".join(release.channels)
        return Hold(Why.OTHER_CHANNEL, f"{release.version} is offered in {offered}, not in {situation.channel}")
    missing = _missing(release, situation.others)
    if missing:
        return Hold(Why.REQUIRES, f"{release.version} requires {missing}")
    objection = situation.objection(release)
    return Hold(Why.NOT_APPROVED_HERE, objection) if objection else None


def _nearest(obstacles: Iterable[tuple[Release, Hold | None]]) -> Hold:
    """The obstacle to tell: of the newest release; those for other machines only if there is nothing else to say."""
    told = [(release, obstacle) for release, obstacle in obstacles if obstacle is not None]
    last = max(told, key=lambda one: (one[1].why is not Why.OTHER_PLATFORM, Version(one[0].version)), default=None)
    return last[1] if last else Hold(Why.NOTHING_ON_OFFER, "nothing is on offer")


def _missing(release: Release, others: Mapping[str, str]) -> str:
    return ", ".join(
        f"{component} {versions}"
        for component, versions in sorted(release.requires.items())
        if component not in others or not SpecifierSet(versions).contains(others[component], prereleases=True)
    )


def _direction(best: Release, installed: str | None, *, forced: bool) -> Decision:
    if installed is None or Version(best.version) > Version(installed):
        return Upgrade(best)
    if Version(best.version) == Version(installed) or not forced:
        return Hold(Why.CURRENT, f"{installed} is the newest on offer" if not forced else f"{installed} is installed")
    return Rollback(best)
