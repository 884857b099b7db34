"""What `--json` prints: builtins for one document a command. Pure.

Keys are snake_case and always all there, absent values null; moments are RFC 3339 in UTC, sizes bytes. `action` is
`install`, `update`, `rollback`, `uninstall` or `none`; `notices` are the sentences that were warned of on the way: on
configuration and state, and a thin snapshot that could not be sent. What failed is told under the key `error`
(`cli.failures.Failure.shape`). `stopped` is null, or says of the version in use that it was withdrawn or is halted:
`why` (`withdrawn`, `halted`), `since` and the vendor's `reason`.

    offer       check                    result      install, update
    release     changes                  gone_back   rollback
    on_offer    list --available         installed   list, status
    usage       cache show               verdict     verify
"""

from collections.abc import Sequence
from typing import Any

from spot_client.available import Available
from spot_client.decide.choose import Decision, Hold, Upgrade
from spot_client.decide.stops import Stop, Stops
from spot_client.fetch.cache import Usage
from spot_client.state import ComponentState
from spot_client.telling import Offer, Verdict
from spot_client.wire.index import Release

Shape = dict[str, Any]


def offer(found: Offer) -> Shape:
    """Where a component could go, and what that would cost."""
    where = _where_to(found.component, found.installed, found.decision, found.stopped)
    return {**where, "fetch_bytes": found.wire_bytes or 0, "waiting": list(found.waiting)}


def on_offer(found: Available) -> Shape:
    """A component on offer; like `offer`, but without the cost, which would mean to fetch every manifest."""
    return _where_to(found.component, found.installed, found.decision, found.stopped)


def result(done: Offer, notices: Sequence[str]) -> Shape:
    """What came of an offer that was taken."""
    decision = done.decision
    new = done.installed if isinstance(decision, Hold) else decision.release.version
    return {
        "component": done.component,
        "action": _action(done.installed, decision),
        "old": done.installed,
        "new": new,
        "detail": decision.detail if isinstance(decision, Hold) else None,
        "stopped": _stopped(done.stopped),
        "notices": list(notices),
    }


def gone_back(component: str, before: ComponentState, new: str, stops: Stops, notices: Sequence[str]) -> Shape:
    """What came of a way back; like `result`. `stops`: as far as this machine knows."""
    left = before.current
    return {
        "component": component,
        "action": "rollback",
        "old": left.version,
        "new": new,
        "detail": None,
        "stopped": _stopped(stops.of(left.version, left.platform)),
        "notices": list(notices),
    }


def release(found: Release) -> Shape:
    """A release as the index has it."""
    return {
        "version": found.version,
        "platform": found.platform,
        "severity": found.severity.value,
        "published": found.published,
        "restart": found.restart,
        "requires": dict(sorted(found.requires.items())),
        "notes": found.notes,
    }


def installed(component: str, entry: ComponentState, path: str, stops: Stops) -> Shape:
    """A component that is installed, where its version in use is found, and whether that was stopped."""
    stop = stops.of(entry.current.version, entry.current.platform)
    return {
        "component": component,
        "version": entry.current.version,
        "platform": entry.current.platform,
        "kept": [kept.version for kept in entry.kept],
        "path": path,
        "stopped": _stopped(stop),
    }


def _stopped(stop: Stop | None) -> Shape | None:
    """What the vendor did to the release in use, if anything."""
    return {"why": stop.kind.value, "since": stop.since, "reason": stop.reason} if stop else None


def verdict(found: Verdict) -> Shape:
    """How a component was found."""
    return {
        "component": found.component,
        "version": found.version,
        "whole": found.whole,
        "repaired": found.repaired,
        "damaged": list(found.damaged),
        "changed": list(found.changed),
        "added": list(found.added),
        "kept_damaged": [{"version": version, "damaged": list(paths)} for version, paths in found.kept_damaged],
    }


def usage(found: Usage, path: str) -> Shape:
    """What the cache takes."""
    return {
        "path": path,
        "bytes": found.content_bytes + found.block_bytes,
        "contents": found.contents,
        "content_bytes": found.content_bytes,
        "blocks": found.blocks,
        "block_bytes": found.block_bytes,
    }


def _action(before: str | None, decision: Decision) -> str:
    if isinstance(decision, Hold):
        return "none"
    if isinstance(decision, Upgrade):
        return "update" if before else "install"
    return "rollback"


def _where_to(component: str, before: str | None, decision: Decision, stop: Stop | None) -> Shape:
    to = None if isinstance(decision, Hold) else release(decision.release)
    why, detail = (decision.why.value, decision.detail) if isinstance(decision, Hold) else (None, None)
    return {
        "component": component,
        "installed": before,
        "action": _action(before, decision),
        "release": to,
        "why": why,
        "detail": detail,
        "stopped": _stopped(stop),
    }
