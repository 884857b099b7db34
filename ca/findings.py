"""What `spot-ca check` finds, and how it judges what ends. Pure: values and the clock in, findings out.

What has a third of its life left is a warning, so that there is time to act; what has ended is a problem. A leaf that
has a successor (same profile, same name, longer) needs nobody's attention, nor does one that was revoked. Installations
renew their own, and one for enrolment is meant to end: these are only counted.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Final

from ca.entry import Entry, certificate_of
from ca.errors import IdentityError
from ca.finding import Finding, good
from ca.identity import parse
from ca.listing import is_authority, state
from ca.profiles import CLIENT, ENROL, SERVER, is_strong
from ca.revocation import SKEW, Revocations

_SIGN_AGAIN: Final = "Run spot-ca crl, and bring crl/{}.crl to the mirrors."


def judge_end(what: str, start: datetime, end: datetime, now: datetime, step: str) -> Finding:
    """Whether something with an end is good, ends soon, or has ended."""
    if now > end:
        return Finding("problem", "expired", f"{what} ended on {end:%Y-%m-%d}.", step)
    if end - now < (end - start) / 3:
        return Finding("warning", "expires-soon", f"{what} ends on {end:%Y-%m-%d}, in {(end - now).days} days.", step)
    return good(f"{what} is good until {end:%Y-%m-%d}.")


def judge_leaves(entries: Iterable[Entry], now: datetime) -> Iterator[Finding]:
    """What ends among the leaf certificates of the ledger, and which have weak keys; one line for all that are good."""
    newest: dict[tuple[str, str], Entry] = {}
    cared_for = 0
    for entry in entries:
        if is_authority(entry) or entry.revoked_at is not None:
            continue
        if state(entry, now) == "valid" and not is_strong(certificate_of(entry).public_key()):
            step = f"Issue another, bring it there, and run spot-ca revoke {entry.serial} --only."
            yield Finding("problem", "weak-key", f"The key of {_named(entry)} is too weak.", step)
        if _is_kept_elsewhere(entry):
            cared_for += state(entry, now) == "valid"
            continue
        key = (entry.profile, entry.name)
        if key not in newest or newest[key].not_after <= entry.not_after:
            newest[key] = entry
    fine = []
    for entry in newest.values():
        step = f"Issue another; if nobody needs it any more, run spot-ca revoke {entry.serial} --only."
        found = judge_end(_named(entry), entry.not_before, entry.not_after, now, step)
        if found.severity == "ok":
            fine.append(entry)
        else:
            yield found
    if fine:
        first = min(fine, key=lambda entry: entry.not_after)
        yield good(f"Leaf certificates that are good: {len(fine)}; the first to end is {_named(first)}, {_day(first)}.")
    if cared_for:
        yield good(f"Certificates of single installations and for enrolment that are good: {cared_for}.")


def judge_twins(entries: Iterable[Entry], now: datetime) -> Iterator[Finding]:
    """Installations that have several good keys: somebody may have renewed with a stolen one.

    A renewal that is under way is none: its certificate is the child of one in the last third of its life.
    """
    live: dict[str, list[Entry]] = {}
    for entry in entries:
        if _installation(entry) is not None and state(entry, now) == "valid":
            live.setdefault(entry.who, []).append(entry)
    for who, twins in live.items():
        if len(twins) == 1 or (len(twins) == 2 and _is_renewal(twins[0], twins[1], now)):
            continue
        what = f"{who} has {len(twins)} good keys: {', '.join(entry.serial for entry in twins)}."
        step = "Find out which of them its machine uses. If you cannot, revoke the identity, and let it enrol again."
        yield Finding("warning", "two-live-keys", what, step)


def judge_former(name: str, entries: Collection[Entry], issuer_key: str, now: datetime, *, has_key: bool) -> Finding:
    """Who would be locked out if mirrors did without an issuing CA that is no longer in use.

    Servers would not: SPOT knows them by their pins.

    Args:
        name: of its certificate's file. issuer_key: its key identifier, hex. has_key: whether its key is still here.
    """
    good_ones = [one for one in entries if state(one, now) == "valid"]
    alive = [one for one in good_ones if one.issuer_key == issuer_key and one.profile != SERVER.name]
    if alive:
        end = max(one.not_after for one in alive)
        what = f"{name} is no longer in use, and {len(alive)} of its certificates are good, until {end:%Y-%m-%d}."
        step = "Leave it at the mirrors until then: without it, they are locked out."
        by_hand = _without_successor(alive, good_ones)
        step += f" Issue anew what does not renew itself: {', '.join(by_hand)}." if by_hand else ""
        return Finding("advice", "retiring", what, step)
    if has_key:
        what = f"{name} is no longer in use, and none of its certificates is good."
        step = "Take it and its list out of mirror.toml, reload the mirrors, and delete its key here."
        return Finding("advice", "retired", what, step)
    return good(f"{name} is no longer in use, and none of its certificates is good.")


def _without_successor(alive: Iterable[Entry], good_ones: Collection[Entry]) -> list[str]:
    """Hosts and people whose only good certificates are these: theirs are issued by hand."""
    of_old = {one.serial for one in alive}
    renewed = {(one.profile, one.name) for one in good_ones if one.serial not in of_old}
    left = {(one.profile, one.name) for one in alive if one.profile not in (CLIENT.name, ENROL.name)} - renewed
    return [f"{profile} {name}" for profile, name in sorted(left)]


def _installation(entry: Entry) -> str | None:
    try:
        return parse(entry.who).installation if entry.profile == CLIENT.name else None
    except IdentityError:  # a ledger that somebody wrote in: what else is wrong with it is to be found, too
        return None


def _is_kept_elsewhere(entry: Entry) -> bool:
    """Whether nobody here sees to it that a certificate has a successor."""
    return entry.profile == ENROL.name or _installation(entry) is not None


def _is_renewal(first: Entry, second: Entry, now: datetime) -> bool:
    """Whether the second, which is younger, succeeds the first, and has not for longer than its end is near."""
    lifetime = first.not_after - first.not_before
    return second.parent == first.serial and first.not_after - now < lifetime / 3


def judge_crl(
    name: str,
    crl: Revocations,
    now: datetime,
    *,
    last: tuple[int, datetime] | None,
    revoked: frozenset[int],
    step: str,
) -> Iterator[Finding]:
    """How the CRL that lies in the folder fits what the ledger knows.

    Args:
        name: of its file.
        last: number and thisUpdate that the ledger has given out last.
        revoked: serial numbers that the ledger knows as revoked.
        step: how that CRL is signed again.
    """
    number, this_update = last or (0, crl.this_update)
    yield judge_end(name, crl.this_update, crl.next_update, now, step)
    if revoked - crl.serials:
        yield Finding("problem", "unpublished", f"{name} does not yet revoke {_hex(revoked - crl.serials)}.", step)
    if crl.serials - revoked:
        what = f"{name} revokes what the ledger does not know as revoked: {_hex(crl.serials - revoked)}."
        yield Finding("problem", "ledger-behind", what, "Restore a newer ledger.sqlite; spot-ca crl tells more.")
    if crl.number < number:
        what = f"{name} has number {crl.number}, and the ledger has given out {number}: it is an old one."
        yield Finding("warning", "crl-behind", what, step)
    if crl.number > number:
        what = f"{name} has number {crl.number}, and the ledger only knows {number}: it is older than that CRL."
        yield Finding("warning", "ledger-behind", what, "Restore a newer ledger.sqlite, if there is one.")
    if this_update > now + SKEW:
        what = (
            f"The ledger's last CRL is of {this_update:%Y-%m-%d %H:%M} UTC, which this host's clock has yet to reach."
        )
        yield Finding("problem", "clock-behind", what, "Set the clock right.")


def sign_again(authority: str, *, has_key: bool) -> str:
    """How the CRL of a CA is signed again."""
    if authority.startswith("root") and not has_key:
        return f"Bring {authority}.key back for a moment, and run spot-ca crl."
    return "Run spot-ca crl." if authority.startswith("root") else _SIGN_AGAIN.format(authority)


def _named(entry: Entry) -> str:
    return f"{entry.profile} {entry.name} ({entry.serial})"


def _day(entry: Entry) -> str:
    return f"on {entry.not_after:%Y-%m-%d}"


def _hex(serials: frozenset[int]) -> str:
    return ", ".join(f"{serial:x}" for serial in sorted(serials)[:10]) + (" …" if len(serials) > 10 else "")
