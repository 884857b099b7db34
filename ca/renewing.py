"""Whether a certificate request that came through a mirror is signed, and why not.

A mirror is believed nothing but that it hands requests on: who asks is looked up in the ledger, by the certificate
that the mirror says the connection was made with, and what is asked for must follow from that entry alone.

    an installation's certificate   its own identity again, with a new key
    a customer's                    its own identity again; or an installation of that customer without a certificate
    one for enrolment               an installation of that customer without a certificate, so often as it is good for

A certificate that ended may still be renewed for a while (`GRACE`); one for enrolment may not. Whose certificate was
renewed already, and who comes with another key again, is one of two machines that hold the same key: the right one or
the thief, and nobody can tell from here. Nothing is signed for either until a person has decided.

Pure: values and the clock in, a decision out. A request that was answered before gets that answer again: for this, ask
`ca.ledger.Ledger.by_request` first.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.descent import children, descendants
from ca.entry import Entry
from ca.identity import Identity, Role, parse
from ca.profiles import CLIENT, ENROL, Profile
from ca.request import CertificateRequest

GRACE: Final = timedelta(days=30)
"""For how long a certificate that ended may still be renewed, unless told otherwise."""


class Why(Enum):
    """Why a request is refused; `SENTENCES` say it to a person."""

    UNKNOWN_REQUESTER = "unknown-requester"
    REVOKED = "revoked"
    EXPIRED = "expired"
    WRONG_ROLE = "wrong-role"
    WRONG_REALM = "wrong-realm"
    OTHER_IDENTITY = "other-identity"
    KEY_REUSED = "key-reused"
    OWN_CERTIFICATE = "own-certificate"
    USES_SPENT = "uses-spent"
    CLONE_SUSPECTED = "clone-suspected"


SENTENCES: Final = {
    Why.UNKNOWN_REQUESTER: "The certificate that it came with is not in this ledger: look at who runs the mirror.",
    Why.REVOKED: "The certificate that it came with is revoked: if that was a mistake, issue a new bundle.",
    Why.EXPIRED: "The certificate that it came with ended too long ago: issue a new bundle.",
    Why.WRONG_ROLE: "Only certificates of installations are asked for like this: issue others with spot-ca issue.",
    Why.WRONG_REALM: "It asks for an identity of another realm: look at which bundle that machine has.",
    Why.OTHER_IDENTITY: "It asks for an identity that its certificate gives no right to: look at that machine.",
    Why.KEY_REUSED: "Its key has a certificate already: let the machine make a new key.",
    Why.OWN_CERTIFICATE: (
        "That installation has a certificate of its own, and only with that may it ask for another: if its key is "
        "lost, revoke that one, and let it enrol again."
    ),
    Why.USES_SPENT: "As many installations have enrolled with that bundle as it is good for: issue a new bundle.",
    Why.CLONE_SUSPECTED: (
        "Its certificate was renewed before, with another key: two machines may hold the same key. Find out which is "
        "the right one; then revoke the identity, or accept the request if both are."
    ),
}
"""What each refusal says to the person who signs, with the next step."""


class Sign(msgspec.Struct, frozen=True):
    """The request is to be signed: as what, and under which certificate (its serial) it was asked for."""

    profile: Profile
    parent: str


class Refuse(msgspec.Struct, frozen=True):
    """The request is not signed."""

    why: Why

    @property
    def reason(self) -> str:
        """The reason as a word."""
        return self.why.value


def requester(entries: Sequence[Entry], serial: int, fingerprint: str) -> Entry | None:
    """The entry of the certificate that a mirror names; None if this ledger does not know it as the mirror tells it.

    Args:
        fingerprint: SHA-256 of its DER, lower-case hex.
    """
    wanted = (f"{serial:x}", fingerprint)
    return next((entry for entry in entries if (entry.serial, entry.fingerprint) == wanted), None)


def decide(
    request: CertificateRequest,
    asker: Entry | None,
    entries: Sequence[Entry],
    *,
    now: datetime,
    grace: timedelta = GRACE,
    accepted: Collection[str] = (),
) -> Sign | Refuse:
    """Whether to sign a request.

    Args:
        request: from `ca.request.read_request`, which has looked at key and proof.
        asker: of whose certificate it came, from `requester`.
        entries: the whole ledger, at the moment of signing.
        accepted: serials of askers of whom a person said that they may be renewed although it looks like a clone.
    """
    if asker is None:
        return Refuse(Why.UNKNOWN_REQUESTER)
    why = (
        _no_right_to_ask(asker, now, grace)
        or _no_right_to(request.identity, asker)
        or _used_key(request, entries)
        or _has_its_own(request.identity, asker, entries, now - grace)
        or _spent(asker, entries)
        or (None if asker.serial in accepted else _clone(asker, entries, now - grace))
    )
    return Sign(CLIENT, asker.serial) if why is None else Refuse(why)


def _no_right_to_ask(asker: Entry, now: datetime, grace: timedelta) -> Why | None:
    if asker.profile not in (CLIENT.name, ENROL.name):
        return Why.WRONG_ROLE
    if asker.revoked_at is not None:
        return Why.REVOKED
    end = asker.not_after + (grace if asker.profile == CLIENT.name else timedelta())
    return Why.EXPIRED if now > end else None


def _no_right_to(wanted: Identity, asker: Entry) -> Why | None:
    own = parse(asker.who)
    if wanted.realm != own.realm:
        return Why.WRONG_REALM
    if wanted.role is not Role.CLIENT:
        return Why.WRONG_ROLE
    narrower = own.installation is None and wanted.name == own.name and wanted.installation is not None
    return None if wanted == own or narrower else Why.OTHER_IDENTITY


def _used_key(request: CertificateRequest, entries: Sequence[Entry]) -> Why | None:
    # A certificate that this CA signed holds its key in these very bytes; to parse them all would take seconds.
    key = request.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Why.KEY_REUSED if any(key in entry.certificate for entry in entries) else None


def _has_its_own(wanted: Identity, asker: Entry, entries: Sequence[Entry], ended: datetime) -> Why | None:
    if wanted.installation is None or asker.who == wanted.uri:
        return None
    own = any(entry.who == wanted.uri and _lives(entry, ended) for entry in entries)
    return Why.OWN_CERTIFICATE if own else None


def _spent(asker: Entry, entries: Sequence[Entry]) -> Why | None:
    if asker.profile != ENROL.name:
        return None
    used = len(children(entries).get(asker.serial, ()))
    return Why.USES_SPENT if used >= (asker.uses or 0) else None


def _clone(asker: Entry, entries: Sequence[Entry], ended: datetime) -> Why | None:
    renewed = (entry for entry in descendants(entries, [asker.serial]) if entry.who == asker.who)
    return Why.CLONE_SUSPECTED if any(_lives(entry, ended) for entry in renewed) else None


def _lives(entry: Entry, ended: datetime) -> bool:
    """Whether something can be done with a certificate, if only to renew it."""
    return entry.revoked_at is None and entry.not_after >= ended
