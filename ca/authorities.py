"""Which CAs lie in a CA's folder: of each kind the one in use, at times its successor, and those before it.

    root, issuing                       in use
    root-next, issuing-next             a successor that signs nothing yet (`ca.succession`)
    root-1a2b3c4d, issuing-1a2b3c4d     one that was in use before, by the start of its key identifier

Such a name is the stem of NAME.crt, NAME.key and crl/NAME.crl. An issuing CA that was in use signs its own revocation
list and nothing else any more, for as long as its key is here: a mirror that still has the CA is not ready without its
list. The key is missed for as long as one of its leaves could connect or be renewed.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from ca.entry import Entry
from ca.errors import VaultError
from ca.listing import is_authority
from ca.profiles import ISSUING
from ca.renewing import GRACE
from ca.vault import AUTHORITIES, MAX_CERTIFICATE, Vault, subject_key

_NEXT: Final = "next"

_OTHERS: Final = re.compile(r"(?:root|issuing)-(?:next|[0-9a-f]{8})", re.ASCII)


def kind_of(name: str) -> str:
    """`root` or `issuing`."""
    return name.partition("-")[0]


def successor(kind: str) -> str:
    """The name of the successor of `root` or `issuing`."""
    return f"{kind}-{_NEXT}"


def former(kind: str, certificate: x509.Certificate) -> str:
    """What a CA of this kind is called when it is no longer in use."""
    return f"{kind}-{subject_key(certificate)[:8]}"


def is_former(name: str) -> bool:
    """Whether this is the name of a CA that was in use before."""
    return name not in AUTHORITIES and not name.endswith(f"-{_NEXT}")


def names(folder: Path) -> tuple[str, ...]:
    """The CAs whose certificates lie in a folder; `root` and `issuing`, which have to, come first."""
    others = sorted(path.stem for path in folder.glob("*-*.crt") if _OTHERS.fullmatch(path.stem))
    return (*AUTHORITIES, *(name for name in others if not _is_copy(folder, name)))


def last_end(entries: Iterable[Entry], issuer_key: str) -> datetime | None:
    """When the last leaf of an issuing CA ends or has ended; None if it never signed one.

    Args:
        issuer_key: its key identifier, lower-case hex.
    """
    ends = (entry.not_after for entry in entries if entry.issuer_key == issuer_key and not is_authority(entry))
    return max(ends, default=None)


def is_needed(entries: Iterable[Entry], issuer_key: str, now: datetime) -> bool:
    """Whether somebody could still connect, or renew, with a leaf of an issuing CA that is not in use any more."""
    end = last_end(entries, issuer_key)
    return end is not None and now <= end + GRACE


def listing_cas(vault: Vault, now: datetime) -> list[str]:
    """The issuing CAs of which mirrors need a revocation list; the one in use comes last.

    One whose certificate is damaged is among them: whoever signs its list is told.
    """
    entries = vault.ledger.entries()
    found = [name for name in names(vault.folder) if kind_of(name) == ISSUING.name and name != ISSUING.name]
    return [*(name for name in found if _signs_lists(vault, name, entries, now)), ISSUING.name]


def _signs_lists(vault: Vault, name: str, entries: Sequence[Entry], now: datetime) -> bool:
    if not is_former(name) or vault.has_key(name):
        return True
    try:
        return is_needed(entries, subject_key(vault.certificate(name)), now)
    except VaultError:
        return True


def _is_copy(folder: Path, name: str) -> bool:
    """Whether this is the one in use, of a change to its successor that was interrupted."""
    in_use = folder / f"{kind_of(name)}.crt"
    return is_former(name) and in_use.is_file() and _content(folder / f"{name}.crt") == _content(in_use)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_CERTIFICATE + 1)
