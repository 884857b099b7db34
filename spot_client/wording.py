"""What is said to people about an offer, and about bytes. Pure."""

from spot_client.decide.choose import Hold, Rollback
from spot_client.update import Offer


def mib(number: int) -> str:
    """A number of bytes for people."""
    if number >= 2**20:
        return f"{number / 2**20:.1f} MiB"
    return f"{number / 2**10:.1f} KiB" if number >= 2**10 else f"{number} B"


def describe(offer: Offer) -> str:
    """Where a component could go and what that would cost; the release's notes follow, indented."""
    decision = offer.decision
    now = offer.installed or "not installed"
    if isinstance(decision, Hold):
        return f"{offer.component} {now}: {decision.detail}"
    release = decision.release
    way = "go back to" if isinstance(decision, Rollback) else "update to" if offer.installed else "install"
    facts = [release.severity.value, f"{mib(offer.wire_bytes or 0)} to fetch"] + ["restart needed"] * release.restart
    notes = "".join(f"\n  {_printable(line)}" for line in release.notes.splitlines())
    return f"{offer.component} {now}: {way} {release.version} ({', '.join(facts)}){notes}"


def outcome(offer: Offer) -> str:
    """What came of an offer that was taken."""
    if isinstance(offer.decision, Hold):
        return f"{offer.component}: nothing to do, {offer.decision.detail}."
    return f"{offer.component} is now {offer.decision.release.version}."


def _printable(line: str) -> str:
    """Notes are signed, and still a terminal is not to obey them."""
    return "".join(char if char.isprintable() else " " for char in line)
