"""Many bundles in one go: what is to be done for whom, settled before the first certificate is issued.

A bundle that is there already is left alone, so that a run that was killed, or a longer list, is simply run again.
Something else under a bundle's name is refused.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.x509 import load_pem_x509_certificate

from ca.customers import Wanted
from ca.errors import BundleError, IssueError
from ca.handout import Certified
from ca.identity import Role, make
from ca.issue import Issuer
from ca.listing import state
from ca.packing import VendorSide, pack, read_bundle, tidy
from ca.profiles import CLIENT, ENROL, KeyType, Profile
from ca.reading import UNREADABLE
from ca.vault import Vault

_BUNDLED = (CLIENT.name, ENROL.name)


class Planned(msgspec.Struct, frozen=True):
    """One bundle to be made, or to be left alone.

    uses: how many installations may enrol with it; None for a bundle that is not for enrolment only.
    there: the serial number in the bundle that is there already, lower-case hex; None if it is to be made.
    state: of the certificate in there: `valid`, `expired`, `revoked`, or `unknown` to the ledger.
    earlier: serial numbers of valid certificates of bundles that the customer has from before, but that of `there`.
    """

    customer: str
    path: Path
    key_type: KeyType
    profile: Profile
    uses: int | None
    there: str | None
    state: str | None
    earlier: tuple[str, ...]


class Choices(msgspec.Struct, frozen=True):
    """What holds where the list leaves it open.

    days: None for what the CA has chosen.
    enrol_only: of all: whether the bundles are for enrolment only.
    installations: how many may enrol with each of those.
    """

    key_type: KeyType
    days: int | None = None
    enrol_only: bool = False
    installations: int | None = None


def plan_bundles(
    vault: Vault, wanted: Sequence[Wanted], folder: Path, choices: Choices, now: datetime
) -> list[Planned]:
    """Settle what is to be done for each; issues and writes nothing.

    Args:
        folder: where the bundles go; need not exist.

    Raises:
        IssueError: reason `outlives-issuer`, `not-that-bundle` for something else under a bundle's name, or
            `uses-unclear` for one that says how many may enrol, and is not for enrolment only, or the other way round.
    """
    profile = ENROL if choices.enrol_only else CLIENT
    realm, entries = vault.realm, vault.ledger.entries()
    states = {entry.serial: state(entry, now) for entry in entries}
    valid: dict[str, list[str]] = {}
    for entry in entries:
        if entry.profile in _BUNDLED and entry.parent is None and states[entry.serial] == "valid":
            valid.setdefault(entry.name, []).append(entry.serial)
    found = []
    for one in wanted:
        path = folder / one.file
        there = _there(path, realm, one.customer)
        found.append(
            Planned(
                customer=one.customer,
                path=path,
                key_type=one.key_type or choices.key_type,
                # Of one that is there, days are not asked again: by now they may end after the issuer.
                profile=vault.chosen(profile, (one.days or choices.days) if there is None else None, now),
                uses=_uses(one, choices),
                there=there,
                state=None if there is None else states.get(there, "unknown"),
                earlier=tuple(serial for serial in valid.get(one.customer, ()) if serial != there),
            )
        )
    return found


def make_bundles(
    vault: Vault, planned: Iterable[Planned], side: VendorSide, signer: Issuer, clock: Callable[[], datetime]
) -> Iterator[tuple[Planned, Certified | None]]:
    """Make one bundle after the other, as the caller asks for the next; None for one that was there.

    Raises:
        CaError, OSError: as `ca.packing.pack`; the bundles before are whole, and that one was not written.
    """
    for one in planned:
        if one.there is not None:
            tidy(one.path)
            yield one, None
            continue
        identity = make(vault.realm, Role.CLIENT if one.uses is None else Role.ENROL, one.customer)
        made = pack(
            *(vault, identity, side, one.profile, signer),
            out=one.path,
            key_type=one.key_type,
            now=clock(),
            uses=one.uses,
        )
        yield one, made


def _uses(one: Wanted, choices: Choices) -> int | None:
    uses = one.installations or choices.installations
    if choices.enrol_only == (uses is None):
        sentence = "Only what is made with --enrol-only says how many installations may enrol."
        if choices.enrol_only:
            sentence = "Say how many installations may enrol with it, by --installations or in that column."
        raise IssueError("uses-unclear", f"The bundle of {one.customer}: {sentence} Nothing was issued.")
    return uses


def _there(path: Path, realm: str, customer: str) -> str | None:
    if not os.path.lexists(path):
        return None
    try:
        bundle = read_bundle(path)
        if (bundle.realm, bundle.customer) == (realm, customer):
            return f"{load_pem_x509_certificate(bundle.client_certificate.encode()).serial_number:x}"
    except (BundleError, *UNREADABLE) as error:
        raise IssueError("not-that-bundle", f"{path} is no bundle: move it away. Nothing was issued.") from error
    raise IssueError(
        "not-that-bundle",
        f"{path} is a bundle of {bundle.customer} ({bundle.realm}): move it away. Nothing was issued.",
    )
