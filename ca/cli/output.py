"""How spot-ca prints what it made and what it was asked for: lines for people, one JSON document for scripts.

A file that is shown may come from anybody: no line passes on what a terminal would obey.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from ca.errors import shown
from ca.facts import CertificateFacts, CrlFacts
from ca.showing import BundleFacts

HANDED_BACK: Final = (
    "The certificate is the one that an earlier run issued for that key: days asked for now do not count."
)
"""Said when nothing was issued anew."""


def print_json(document: object) -> None:
    """One JSON document: structs and builtins; times as RFC 3339 in UTC, with Z."""
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def short(facts: CertificateFacts) -> list[str]:
    """The two lines after something was issued."""
    return [f"  serial  {facts.serial}", f"  until   {facts.not_after:%Y-%m-%d}"]


def certificate_lines(facts: CertificateFacts) -> Iterator[str]:
    """All about one certificate."""
    yield f"{facts.profile} {shown(facts.name or facts.identity or facts.subject)}: {_state(facts)}"
    told = {
        "identity": shown(facts.identity or ""),
        "names": ", ".join(map(shown, facts.names)),
        "valid": f"{facts.not_before:%Y-%m-%d %H:%M} to {facts.not_after:%Y-%m-%d %H:%M} UTC, {_left(facts.days_left)}",
        "issued": f"{facts.issued:%Y-%m-%d %H:%M} UTC" if facts.issued else "not by the CA of this folder",
        "by": shown(facts.issuer),
        "key": f"{facts.key}{'' if facts.strong else ', too weak'}",
        "serial": facts.serial,
        "SHA-256": bytes.fromhex(facts.fingerprint).hex(":"),
        "subject": shown(facts.subject),
        "file": shown(facts.file or ""),
        "parent": facts.parent or "",
        "children": ", ".join(facts.children),
        "enrolled": "" if facts.uses is None else f"{facts.used} of {facts.uses} installations",
    }
    yield from (f"  {label:8}  {text}" for label, text in told.items() if text)


def crl_lines(facts: CrlFacts) -> Iterator[str]:
    """All about one CRL."""
    believed = {True: "good", False: "REFUSED: it is not as the CA of this folder signs", None: "of another CA"}
    yield f"CRL of {shown(facts.issuer)}"
    yield f"  number    {'none' if facts.number is None else facts.number}"
    yield f"  from      {facts.this_update:%Y-%m-%d %H:%M} UTC"
    if facts.next_update is not None and facts.days_left is not None:
        yield f"  until     {facts.next_update:%Y-%m-%d %H:%M} UTC, {_left(facts.days_left)}"
    yield f"  revokes   {facts.revoked} certificates"
    yield f"  checked   {believed[facts.believed]}"


def bundle_lines(facts: BundleFacts) -> Iterator[str]:
    """All about one bundle, but its key."""
    whose = f"{shown(facts.customer)} in {shown(facts.realm)}"
    yield f"Bundle of {whose} (format {facts.format}, SPOT {shown(facts.min_spot)} or later)"
    if facts.catalogue_root_version is not None:
        end = f", until {shown(facts.catalogue_root_expires)}" if facts.catalogue_root_expires else ""
        yield f"Catalogue root of version {facts.catalogue_root_version}{end}"
    yield from certificate_lines(facts.client_certificate)
    for mirror in facts.mirrors:
        yield f"Mirror {shown(mirror.url)}, pinned:"
        for pin in mirror.pins:
            yield from (f"  {line}" for line in certificate_lines(pin))


def crl_document(path: Path, facts: CrlFacts) -> dict[str, object]:
    """A CRL that was signed: where it lies, and what it says."""
    return {"path": str(path), **msgspec.structs.asdict(facts)}


def _state(facts: CertificateFacts) -> str:
    if facts.revoked is None:
        return facts.state
    return f"revoked on {facts.revoked:%Y-%m-%d} ({facts.reason})"


def _left(days: int) -> str:
    return f"{days} days left" if days >= 0 else f"over for {-days} days"
