"""The high-water mark is raised: what clients are about to see is written down elsewhere, before they can see it."""

import base64
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from tuf.api.metadata import Metadata, Targets

from mirror import catalogue
from mirror.errors import CatalogueFault
from mirror.place import Place
from mirror.signing import marks
from mirror.signing.marks import HighWater
from mirror.signing.roles import KEPT
from mirror.targets import RESTORE, read_file
from spot_client.wire import index
from spot_client.wire.digest import sha256_hex
from spot_client.wire.index import Index, Tombstone

_MOST_BYTES: Final = 16 * 2**20
"""No file of ours is longer: each is verified, here or before, and none is read further to find that out."""

Read = Callable[[str], bytes]
"""A file of the catalogue, by its name in its folder."""


def raise_mark(
    path: Path, last: HighWater | None, place: Place, written: Mapping[str, bytes], versions: Mapping[str, int]
) -> None:
    """Write down how far the catalogue is about to go, from the `last` mark in that file on; it is verified by now.

    Args:
        written: its new files by name. versions: of all roles, once these are visible.

    Raises:
        SigningError: reason `bad-mark`: nothing may become visible.
        CatalogueFault: as `catalogue.load`; reason `damaged` also for a file that is not what was signed for.
    """
    there = catalogue.load(place.catalogue) if last is None and (place.catalogue / "timestamp.json").exists() else None
    last = last or HighWater()
    offered = [*there.indexes.values()] if there else []
    offered += [index.decode(raw) for name, raw in written.items() if name.endswith(".index.json.zst")]

    def read(name: str) -> bytes:
        return written[name] if name in written else read_file(place.catalogue / name, _MOST_BYTES)

    # Others may lie in the folder, too, of whoever could write there.
    roots = [str(number) for number in range(1, versions["root"] + 1)]
    statements = {role: read(f"{versions[role]}.{role}.json") for role in KEPT}
    mark = HighWater(
        versions={**last.versions, **{role: max(n, last.versions.get(role, 0)) for role, n in versions.items()}},
        roots={number: read(f"{number}.root.json").decode() for number in roots},
        statements={role: raw.decode() for role, raw in statements.items()},
        files={name: base64.b64encode(raw).decode() for name, raw in _files(statements.values(), read)},
        tombstones=_tombstones(last.tombstones, offered),
        heads=_heads(last.heads, offered),
    )
    marks.write(path, mark)


def _files(statements: Iterable[bytes], read: Read) -> Iterable[tuple[str, bytes]]:
    """What these lead to; checked, for a restore could not use another."""
    for statement in statements:
        for target in Metadata[Targets].from_bytes(statement).signed.targets.values():
            name = f"targets/{target.get_prefixed_paths()[0]}"
            raw = read(name)
            if len(raw) != target.length or sha256_hex(raw) != target.hashes.get("sha256"):
                raise CatalogueFault("damaged", f"The catalogue's file {name} is not what was signed. {RESTORE}")
            yield name, raw


def _tombstones(
    known: Mapping[str, tuple[Tombstone, ...]], offered: Iterable[Index]
) -> dict[str, tuple[Tombstone, ...]]:
    found = {ref: {(one.version, one.platform): one for one in stones} for ref, stones in known.items()}
    for one in offered:
        if one.tombstones:
            stones = {(stone.version, stone.platform): stone for stone in one.tombstones}
            found.setdefault(_ref(one), {}).update(stones)
    return {ref: tuple(stones.values()) for ref, stones in found.items()}


def _heads(known: Mapping[str, Mapping[str, str]], offered: Iterable[Index]) -> dict[str, dict[str, str]]:
    found = {ref: dict(heads) for ref, heads in known.items()}
    for one in offered:
        heads = found.setdefault(_ref(one), {})
        heads.update({f"{line.version} {line.platform}": line.manifest.head for line in one.releases})
        for stone in one.tombstones:
            heads.pop(f"{stone.version} {stone.platform}", None)
    return found


def _ref(one: Index) -> str:
    return f"{one.product}/{one.component}"
