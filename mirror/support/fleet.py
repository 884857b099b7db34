"""Thin snapshots compared and counted: what changed, what was there when, how many use a product. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum

import msgspec

from mirror.records.protocol import Installation, ThinSnapshot
from spot_client.wire import names
from spot_client.wire.halts import Halts
from spot_client.wire.index import Index


class Kind(Enum):
    """What became of a component."""

    ADDED = "added"
    REMOVED = "removed"
    UP = "up"
    DOWN = "down"
    RESPELLED = "respelled"
    """The same version for PEP 440, written otherwise: 1.0 and 1.0.0."""


class Change(msgspec.Struct, frozen=True):
    """One component that differs; `old` and `new` are its versions, None where it was not there."""

    component: str
    kind: Kind
    old: str | None
    new: str | None


def diff(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    """What leads from the versions `old` to the versions `new`, by component; what stayed is left out.

    Raises:
        BadName: reason `bad-version`: a version that differs is none.
    """
    return tuple(
        Change(component, _kind(old.get(component), new.get(component)), old.get(component), new.get(component))
        for component in sorted(old.keys() | new.keys())
        if old.get(component) != new.get(component)
    )


def at(history: Sequence[ThinSnapshot], moment: datetime) -> ThinSnapshot | None:
    """The line of a history (newest first) that told the newest versions at `moment`; None before the first one."""
    return next((line for line in history if line.first <= moment), None)


def users(installations: Iterable[Installation], newest: Iterable[ThinSnapshot]) -> Counter[tuple[str, str]]:
    """How many of `installations` have a product, by (customer, product), as their newest thin snapshots tell."""
    customers = {installation.id: installation.customer for installation in installations}
    used: Counter[tuple[str, str]] = Counter()
    for line in newest:
        if line.installation not in customers:
            continue  # enrolled after the installations were read
        products = {component.partition("/")[0] for component in line.components}
        used.update((customers[line.installation], product) for product in products)
    return used


def _kind(old: str | None, new: str | None) -> Kind:
    if old is None:
        return Kind.ADDED
    if new is None:
        return Kind.REMOVED
    before, after = names.check_version(old), names.check_version(new)
    if before == after:
        return Kind.RESPELLED
    return Kind.UP if before < after else Kind.DOWN


class Stopped(msgspec.Struct, frozen=True):
    """A version that was withdrawn or halted, for which `platforms`; `everywhere`: for all that it was offered for."""

    kind: str
    since: str
    reason: str
    platforms: tuple[str, ...]
    everywhere: bool


def still_have(
    newest: Iterable[ThinSnapshot], stopped: Mapping[tuple[str, str], Stopped]
) -> Iterator[tuple[ThinSnapshot, str, Stopped]]:
    """Which installations have a version that was stopped, by component; `stopped` by (component, version).

    A thin snapshot names no platform: unless a version was stopped everywhere, an installation only may have it.
    """
    for line in newest:
        for component, version in sorted(line.components.items()):
            found = stopped.get((component, version))
            if found is not None:
                yield line, component, found


def stops(indexes: Iterable[Index], halts: Mapping[str, Halts]) -> dict[tuple[str, str], Stopped]:
    """Every version that is withdrawn or halted, by (component, version); withdrawn outweighs halted."""
    found: dict[tuple[str, str], Stopped] = {}
    for index in indexes:
        ref = f"{index.product}/{index.component}"
        halted = halts[index.product].halts if index.product in halts else ()
        for version in {stone.version for stone in index.tombstones} | {one.version for one in halted}:
            stones = [stone for stone in index.tombstones if stone.version == version]
            held = [one for one in halted if (one.component, one.version) == (index.component, version)]
            left = {line.platform for line in index.releases if line.version == version}
            if stones:
                platforms = tuple(stone.platform for stone in stones)
                last = stones[-1]
                found[ref, version] = Stopped("withdrawn", last.withdrawn, last.reason, platforms, not left)
            elif held:
                platforms = tuple(one.platform for one in held)
                everywhere = left <= set(platforms)
                found[ref, version] = Stopped("halted", held[-1].since, held[-1].reason, platforms, everywhere)
    return found
