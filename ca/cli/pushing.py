"""Brings revocation lists to mirrors: to each those of the issuing CAs that it has."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import click
import msgspec

from ca.authorities import listing_cas
from ca.calls import ListHeld
from ca.errors import CaError, OperatorError
from ca.files import read_file
from ca.operator import Operator
from ca.profiles import ISSUING
from ca.revocation import MAX_CRL
from ca.vault import Vault, subject_key

_UNKNOWN: Final = "unknown-issuer"


class Brought(msgspec.Struct, frozen=True):
    """A CRL to be brought to mirrors. authority: of which CA; issuer_key: its key identifier, hex."""

    authority: str
    issuer_key: str
    raw: bytes


class Pushed(msgspec.Struct, frozen=True):
    """What came of a CRL at one mirror: it binds there, or there is an error; or it has no use for it
    (`unknown-issuer`)."""

    mirror: str
    held: ListHeld | None = None
    reason: str | None = None
    sentence: str = ""
    authority: str = ISSUING.name


def lists_of(vault: Vault, now: datetime) -> list[Brought]:
    """The CRLs that mirrors need: first that of the issuing CA in use.

    Raises:
        OperatorError, VaultError: a file cannot be read.
    """
    return [
        Brought(
            name,
            subject_key(vault.certificate(name)),
            read_file(vault.crl_path(name), max_bytes=MAX_CRL, refusal=OperatorError),
        )
        for name in reversed(listing_cas(vault, now))
    ]


def push_to(mirrors: Sequence[Operator], brought: Sequence[Brought]) -> list[Pushed]:
    """Bring CRLs to all mirrors, each those of the issuing CAs that it has; one that fails keeps them from no other."""
    return [pushed for mirror in mirrors for pushed in _push_all(mirror, brought)]


def tell_pushed(pushed: Sequence[Pushed]) -> None:
    """A line for each."""
    for one in pushed:
        if one.held is None:
            missing = one.reason != _UNKNOWN
            click.echo(f"Error: {one.sentence}" if missing else one.sentence, err=missing)
        else:
            of = "" if one.authority == ISSUING.name else f" of {one.authority}"
            told = f"CRL {one.held.number}{of} ({one.held.revoked} revoked), until {one.held.next_update}"
            click.echo(f"{one.mirror} holds to {told}.")


def check_pushed(pushed: Sequence[Pushed]) -> None:
    """Refuse to call it done where a mirror did not take it.

    Raises:
        OperatorError: reason `not-pushed`.
    """
    missing = [*dict.fromkeys(one.mirror for one in pushed if one.held is None and one.reason != _UNKNOWN)]
    if missing:
        count = len({one.mirror for one in pushed})
        raise OperatorError(
            "not-pushed",
            f"{len(missing)} of {count} mirrors did not take the CRL: {', '.join(missing)}. Put that right, then "
            "run spot-ca push.",
        )


def _push_all(mirror: Operator, brought: Sequence[Brought]) -> Iterator[Pushed]:
    """That of the CA in use comes first, unasked: a mirror whose list of it has lapsed answers nothing before."""
    first, *others = brought
    done = _push(mirror, first)
    yield done
    if not others or (done.held is None and done.reason != "mirror-refuses"):
        return
    try:
        known = {held.issuer_key for held in mirror.lists().lists}
    except CaError:  # the one that has lapsed may be among the others
        known = {one.issuer_key for one in others}
    for one in others:
        if one.issuer_key in known:
            yield _push(mirror, one)
        else:
            sentence = f"{mirror.url} does not know {one.authority}.crt, so its list was not brought there."
            yield Pushed(mirror.url, None, _UNKNOWN, sentence, one.authority)


def _push(mirror: Operator, one: Brought) -> Pushed:
    try:
        return Pushed(mirror.url, mirror.push(one.raw), authority=one.authority)
    except CaError as error:
        return Pushed(mirror.url, None, error.reason, str(error), one.authority)
