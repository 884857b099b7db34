"""Which mirrors SPOT asks, and which certificates each may show: the bundle's, until the signed catalogue names others.

The target `house/trust.json` replaces them, and nothing else does: neither a redirect nor a header nor a refusal of a
mirror. It is held to the rules of a bundle (`ca.bundle.mirror_problems`), taken over whole or not at all, and counts
from the next run on. What cannot be taken over is warned of; the last good list stays, and the run goes on. TUF's
version floors keep an older list from coming back.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import Enum
from typing import Protocol

from ca import bundle
from ca.bundle import MirrorPins
from spot_client import certificate
from spot_client.believe import believing
from spot_client.certificate import Validity
from spot_client.errors import NotReachable, NotTrusted, Refused, RefusedLocally
from spot_client.state import Identity, Pinned, SignedMirrors, Store
from spot_client.telling import Report
from spot_client.wire import trust
from spot_client.wire.digest import sha256_hex


class Source(Enum):
    """Who named the mirrors."""

    BUNDLE = "bundle"
    CATALOGUE = "catalogue"


class Targets(Protocol):
    """What gives verified targets: `spot_client.fetch.catalogue.Catalogue`."""

    def target(self, path: str, *, max_bytes: int) -> bytes | None:
        """The verified bytes of one target, or None if no role says that it exists. Raises `SpotError`."""
        ...


def source(store: Store) -> Source:
    """Whose list of mirrors holds here. Raises `LocalFault`."""
    signed = store.signed_mirrors()
    return Source.CATALOGUE if signed and signed.mirrors else Source.BUNDLE


def in_force(store: Store, identity: Identity) -> tuple[Pinned, ...]:
    """The mirrors to ask, in order. Raises `LocalFault`."""
    signed = store.signed_mirrors()
    return signed.mirrors if signed and signed.mirrors else identity.mirrors


def take_over(store: Store, catalogue: Targets, report: Report) -> None:
    """Take over the mirrors that a refreshed catalogue names, if it names any; durable on return.

    Raises:
        LocalFault, OSError: this machine. Everything else is told, and changes nothing.
    """
    signed = store.signed_mirrors()
    try:
        raw = catalogue.target(trust.PATH, max_bytes=trust.MAX_BYTES)
        if raw is None or (signed and signed.taken == sha256_hex(raw)):
            return
        mirrors = _read(raw)
    except (NotTrusted, NotReachable, Refused, RefusedLocally) as error:
        report.warn(f"The signed list of mirrors is not taken over, and the one before it stays: {error}")
        return
    store.write_signed_mirrors(SignedMirrors(taken=sha256_hex(raw), mirrors=mirrors))
    urls = ", ".join(mirror.url for mirror in mirrors)
    report.say(f"Your vendor's list of mirrors has changed. From the next run on: {urls}.")


def pass_over(store: Store) -> None:
    """Let the bundle's mirrors hold again, until the catalogue has another list than the one that holds now."""
    signed = store.signed_mirrors()
    if signed:
        store.write_signed_mirrors(SignedMirrors(taken=signed.taken, mirrors=()))


def ends(mirror: Pinned) -> tuple[datetime, ...]:
    """When each pin of a mirror ends, in UTC, in their order; those that nobody can read are left out."""
    return tuple(validity.end for validity in _validities(mirror))


def warnings(mirrors: Sequence[Pinned], now: datetime) -> Iterator[str]:
    """A sentence for each mirror all of whose pins have ended, or end before long."""
    for mirror in mirrors:
        last = max(_validities(mirror), key=lambda validity: validity.end, default=None)
        if last is not None and last.is_short(now):
            how = "ended on" if last.end < now else "end by"
            yield (
                f"All certificates that the mirror {mirror.url} may show {how} {last.end:%Y-%m-%d}: "
                "run 'spot check', which brings new ones if your vendor has signed any; else ask your vendor."
            )


def _validities(mirror: Pinned) -> list[Validity]:
    found = (certificate.validity(pem.encode()) for pem in mirror.pins)
    return [validity for validity in found if validity is not None]


def _read(raw: bytes) -> tuple[Pinned, ...]:
    with believing():
        listed = trust.decode(raw).mirrors
    problems = list(bundle.mirror_problems([MirrorPins(mirror.url, mirror.pins) for mirror in listed]))
    if problems:
        raise NotTrusted("bad-mirrors", f"it cannot be used: {'; '.join(problems)}. Tell your vendor.")
    return tuple(Pinned(mirror.url, mirror.pins) for mirror in listed)
