"""Settles the requests for certificates that wait at a mirror: each is signed, denied, or left for a person.

Signed is what the ledger allows (`ca.renewing`), and recorded there before anybody gets it: a run that is killed after
that finds it again, and the request gets that certificate and no other. Left waiting is what nobody but a person can
decide.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from ca.calls import Decision, WaitingRequest
from ca.entry import Entry
from ca.errors import IdentityError, RequestError
from ca.issue import Issuer
from ca.peer import read_peer
from ca.profiles import CLIENT
from ca.renewing import SENTENCES, Refuse, Why, decide, requester
from ca.request import CertificateRequest, read_request
from ca.vault import Vault

FOR_A_PERSON: Final = frozenset({Why.CLONE_SUSPECTED, Why.UNKNOWN_REQUESTER})
"""Why a request is neither signed nor denied: the ledger may be an old one, or a thief may ask."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a request. who: the identity that is asked for. requester: serial of whose certificate it came.

    decision: for the mirror; None: it goes on waiting. reason, sentence: of one that is not signed. serial: of the
    certificate; again: an earlier run had signed it.
    """

    digest: str
    who: str
    requester: str
    decision: Decision | None
    serial: str | None = None
    again: bool = False
    reason: str | None = None
    sentence: str = ""


class Rules(msgspec.Struct, frozen=True):
    """How to decide: see `ca.renewing.decide`."""

    now: datetime
    grace: timedelta
    accepted: frozenset[str] = frozenset()


def settle(vault: Vault, signer: Issuer | None, waiting: Iterable[WaitingRequest], rules: Rules) -> list[Outcome]:
    """Decide all of them, in their order, and sign what is to be signed.

    Args:
        signer: None: nothing is signed or recorded; outcomes say what would be.

    Raises:
        IssueError, VaultError: what was signed before stays in the ledger, and is found by the next run.
    """
    entries = vault.ledger.entries()
    outcomes = []
    for one in waiting:
        outcome = _settle(vault, signer, one, entries, rules)
        outcomes.append(outcome)
        if outcome.serial is not None and not outcome.again and (entry := vault.ledger.entry(outcome.serial)):
            entries.append(entry)
    return outcomes


def _settle(
    vault: Vault, signer: Issuer | None, one: WaitingRequest, entries: Sequence[Entry], rules: Rules
) -> Outcome:
    try:
        request, serial = read_request(one.request), read_peer(one.requester).serial
    except (RequestError, IdentityError) as error:
        return _denied(one.digest, "?", "?", error.reason, str(error))
    who, asks = request.identity.uri, f"{serial:x}"
    if request.digest != one.digest:
        return _denied(one.digest, who, asks, "bad-document", "The mirror tells a request by another's digest.")
    before = vault.ledger.by_request(request.digest)
    if before is not None and before.revoked_at is None:
        decision = Decision(certificate=before.certificate)
        return Outcome(digest=one.digest, who=who, requester=asks, decision=decision, serial=before.serial, again=True)
    asker = requester(entries, serial, hashlib.sha256(one.requester).hexdigest())
    said = decide(request, asker, entries, now=rules.now, grace=rules.grace, accepted=rules.accepted)
    if not isinstance(said, Refuse):
        return _signed(vault, signer, request, said.parent, rules.now)
    if said.why in FOR_A_PERSON:
        sentence = SENTENCES[said.why]
        return Outcome(digest=one.digest, who=who, requester=asks, decision=None, reason=said.reason, sentence=sentence)
    return _denied(one.digest, who, asks, said.reason, SENTENCES[said.why])


def _signed(vault: Vault, signer: Issuer | None, request: CertificateRequest, parent: str, now: datetime) -> Outcome:
    who, digest = request.identity.uri, request.digest
    if signer is None:
        return Outcome(digest=digest, who=who, requester=parent, decision=Decision(certificate=b""))
    profile = vault.chosen(CLIENT, None, now)
    key = request.public_key
    certificate = vault.issue(request.identity, key, profile, signer, now, parent=parent, request=digest)
    decision = Decision(certificate=certificate.public_bytes(Encoding.DER))
    return Outcome(digest=digest, who=who, requester=parent, decision=decision, serial=f"{certificate.serial_number:x}")


def _denied(digest: str, who: str, asks: str, reason: str, sentence: str) -> Outcome:
    decision = Decision(denied=reason)
    return Outcome(digest=digest, who=who, requester=asks, decision=decision, reason=reason, sentence=sentence)
