"""What is said to people about offers, releases and findings, and about bytes. Pure."""

from collections.abc import Iterable, Sequence

from spot_client.decide.choose import Hold, Rollback
from spot_client.decide.stops import Kind, Stop
from spot_client.telling import Offer, Verdict
from spot_client.wire.index import Release

_SHOWN = 20  # paths told of a finding; --json has them all


def mib(number: int) -> str:
    """A number of bytes for people."""
    if number >= 2**20:
        return f"{number / 2**20:.1f} MiB"
    return f"{number / 2**10:.1f} KiB" if number >= 2**10 else f"{number} B"


def printable(text: str) -> str:
    """Notes and names of files come from elsewhere, and a terminal is not to obey them; line ends stay."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under a head, in columns as wide as they need to be."""
    lines = [[*head], *([*row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def describe(offer: Offer) -> str:
    """Where a component could go and what that would cost; the release's notes follow, indented."""
    decision = offer.decision
    now = offer.installed or "not installed"
    if isinstance(decision, Hold):
        return f"{offer.component} {now}: {decision.detail}{_waiting(offer)}"
    release = decision.release
    way = "go back to" if isinstance(decision, Rollback) else "update to" if offer.installed else "install"
    facts = [release.severity.value, f"{mib(offer.wire_bytes or 0)} to fetch"] + ["restart needed"] * release.restart
    return f"{offer.component} {now}: {way} {release.version} ({', '.join(facts)}){_notes(release)}{_waiting(offer)}"


def in_use(component: str, version: str, stop: Stop) -> str:
    """That the version in use was stopped, and what follows."""
    step = "'spot update' leaves it for another." if stop.kind is Kind.WITHDRAWN else "It goes on running."
    return f"{component} {version}, which is in use here, {stop.told}. {step}"


def outcome(offer: Offer) -> str:
    """What came of an offer that was taken."""
    if isinstance(offer.decision, Hold):
        return f"{offer.component}: nothing to do, {offer.decision.detail}."
    return f"{offer.component} is now {offer.decision.release.version}."


def change(release: Release) -> str:
    """A release among others: why, when, and its notes, indented."""
    facts = [release.severity.value, release.published[:10]] + ["restart needed"] * release.restart
    return f"{release.version} ({', '.join(facts)}){_notes(release)}"


def finding(verdict: Verdict) -> str:
    """How a component was found; the paths follow, indented."""
    damaged = len(verdict.damaged) + len(verdict.kept_damaged)
    state = "whole" if verdict.whole else "damaged, and repaired" if verdict.repaired else "DAMAGED"
    lines = [f"{verdict.component} {verdict.version}: {state}" + (f" ({damaged} found)" if damaged else "")]
    lines += _paths("damaged", verdict.damaged)
    for version, paths in verdict.kept_damaged:
        lines += _paths(f"damaged in {version}, which is kept", paths)
    lines += _paths("changed here", verdict.changed)
    lines += _paths("not of the release", verdict.added)
    return "\n".join(lines)


def _paths(what: str, paths: Sequence[str]) -> list[str]:
    more = len(paths) - _SHOWN
    shown = (printable(path).replace("\n", " ") for path in paths[:_SHOWN])  # a name may have line ends of its own
    return [f"  {what}: {path}" for path in shown] + [f"  {what}: {more} more"] * (more > 0)


def _waiting(offer: Offer) -> str:
    return f"\n  waits for this site's approval: {', '.join(offer.waiting)}" if offer.waiting else ""


def _notes(release: Release) -> str:
    # Split first: a notes' own line ends stay, everything else that could move a cursor is a blank.
    return "".join(f"\n  {printable(line)}" for line in release.notes.splitlines())
