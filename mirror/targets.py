"""What the roles of a catalogue list: the files under `targets/`, each held to its role before it is believed.

    PRODUCT/COMPONENT/index.json.zst  PRODUCT/baselines.json.zst    by the role PRODUCT
    halts/PRODUCT.json.zst                                          by the role halts
    house/trust.json                                                by the role house

A role that lists anything else was not signed by us. Bytes are compared with what was signed before they are unpacked.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from ca.files import open_ordinary
from mirror.errors import CatalogueFault
from spot_client.wire import baselines, halts, index, trust
from spot_client.wire.baselines import Baselines
from spot_client.wire.digest import Blob, verify
from spot_client.wire.errors import WireError
from spot_client.wire.halts import Halts
from spot_client.wire.index import Index
from spot_client.wire.trust import Trust

RESTORE: Final = "Restore the catalogue from a backup."
"""What to do about a damaged catalogue."""

Content = Index | Halts | Baselines | Trust


class Part(msgspec.Struct, frozen=True):
    """A target as it was read: what was signed for it, and what it holds."""

    blob: Blob
    content: Content


def read_part(folder: Path, role: str, path: str, blob: Blob, known: Part | None = None) -> Part:
    """What `role` lists as `path`, out of `folder`; `known`, if that is what is signed for now, without a look there.

    `blob`: what is signed for it.

    Raises:
        CatalogueFault: reason `missing`, `unreadable`, `too-large` or `damaged`.
    """
    if known is not None and known.blob == blob:
        return known
    decode, most = _form(role, path)
    above, _, name = path.rpartition("/")
    file = folder / above / f"{blob.sha256}.{name}"
    raw = read_file(file, most)
    try:
        verify(raw, blob, str(file))
        content = decode(raw)
    except WireError as error:
        raise CatalogueFault("damaged", f"{file} is not what was signed, or damaged: {error} {RESTORE}") from error
    if path != _place(content):
        raise CatalogueFault("damaged", f"{file} belongs at {_place(content)}. {RESTORE}")
    return Part(blob, content)


def read_file(path: Path, max_bytes: int, hint: str = RESTORE) -> bytes:
    """A file of the catalogue; `hint` is what to do if it is missing.

    Raises:
        CatalogueFault: reason `missing`, `unreadable` or `too-large`.
    """
    try:
        with open_ordinary(path) as file:
            raw = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise CatalogueFault("missing", f"The catalogue's file {path} is missing. {hint}") from error
    except OSError as error:
        raise CatalogueFault("unreadable", f"The catalogue's file {path} cannot be read: {error.strerror}.") from error
    if len(raw) > max_bytes:
        raise CatalogueFault("too-large", f"{path} has more than the {max_bytes} bytes allowed. {RESTORE}")
    return raw


def _form(role: str, path: str) -> tuple[Callable[[bytes], Content], int]:
    """How a target is read, and its most bytes. Which of its role's it is, its content says."""
    foreign = path.partition("/")[0] != role or (role == trust.ROLE and path != trust.PATH)
    if foreign or not (path.isascii() and path.isprintable()) or {"", ".", ".."} & set(path.split("/")):
        raise CatalogueFault("damaged", f"The role {role} lists {path[:200]!r}, which is not its own. {RESTORE}")
    if role == trust.ROLE:
        return trust.decode, trust.MAX_BYTES
    if role == halts.ROLE:
        return halts.decode, halts.MAX_PACKED_BYTES
    if path == baselines.target_path(role):
        return baselines.decode, baselines.MAX_PACKED_BYTES
    return index.decode, index.MAX_PACKED_BYTES


def _place(content: Content) -> str:
    match content:
        case Index():
            return index.target_path(content.product, content.component)
        case Halts():
            return halts.target_path(content.product)
        case Baselines():
            return baselines.target_path(content.product)
        case Trust():
            return trust.PATH
