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
from ca.profiles import CLIENT, KeyType, Profile
from ca.reading import UNREADABLE
from ca.vault import Vault


class Planned(msgspec.Struct, frozen=True):
    """One bundle to be made, or to be left alone.

    there: the serial number in the bundle that is there already, lower-case hex; None if it is to be made.
    state: of the certificate in there: `valid`, `expired`, `revoked`, or `unknown` to the ledger.
    earlier: serial numbers of valid certificates that the customer has from before, that of `there` left out.
    """

    customer: str
    path: Path
    key_type: KeyType
    profile: Profile
    there: str | None
    state: str | None
    earlier: tuple[str, ...]


def plan_bundles(
    vault: Vault, wanted: Sequence[Wanted], folder: Path, *, key_type: KeyType, days: int | None, now: datetime
) -> list[Planned]:
    """Settle what is to be done for each; issues and writes nothing.

    Args:
        folder: where the bundles go; need not exist.
        key_type, days: where the list leaves them open; `days` None: what the CA has chosen.

    Raises:
        IssueError: reason `outlives-issuer`, or `not-that-bundle` for something else under a bundle's name.
    """
    realm, entries = vault.realm, vault.ledger.entries()
    states = {entry.serial: state(entry, now) for entry in entries}
    valid: dict[str, list[str]] = {}
    for entry in entries:
        if entry.profile == CLIENT.name and states[entry.serial] == "valid":
            valid.setdefault(entry.name, []).append(entry.serial)
    found = []
    for one in wanted:
        path = folder / one.file
        there = _there(path, realm, one.customer)
        found.append(
            Planned(
                customer=one.customer,
                path=path,
                key_type=one.key_type or key_type,
                # Of one that is there, days are not asked again: by now they may end after the issuer.
                profile=vault.chosen(CLIENT, (one.days or days) if there is None else None, now),
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
        identity = make(vault.realm, Role.CLIENT, one.customer)
        yield one, pack(vault, identity, side, one.profile, signer, out=one.path, key_type=one.key_type, now=clock())


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
