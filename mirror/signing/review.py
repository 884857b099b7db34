"""What a staged statement changes, held against what is published: for whoever approves it, and as a rule. Pure.

A published release never changes, but for the channels that it is offered in; it leaves only as a tombstone, and a
tombstone stays. A published baseline never changes. Whatever breaks that is refused, whoever signed it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import msgspec

from mirror.errors import Conflict
from spot_client.wire.baselines import Baselines
from spot_client.wire.halts import Halts
from spot_client.wire.index import Index, Release, Tombstone
from spot_client.wire.trust import Trust

Line = TypeVar("Line", Release, Tombstone)
Holders = Mapping[str, tuple[int, frozenset[str]]]
"""By role: how many of which keys sign; keys by their ids."""


class Difference(msgspec.Struct, frozen=True):
    """One thing that changes. `kind`: a word for code; `what`: for people; of a release that is new, where it lies."""

    kind: str
    what: str
    release: Release | None = None
    component: str = ""

    @property
    def details(self) -> Iterator[str]:
        """All that is signed for with a new release, in lines for people; the digest stands for all its bytes."""
        if self.release is None:
            return
        yield f"manifest {self.release.manifest.head}"
        yield self.release.severity.value + (", restart" if self.release.restart else "")
        for component, versions in sorted(self.release.requires.items()):
            yield f"requires {component} {versions}"
        yield from self.release.notes.splitlines()


def of_index(old: Index | None, new: Index) -> Iterator[Difference]:
    """What changes in a component.

    Raises:
        Conflict: reason `changed-release`.
    """
    name = f"{new.product}/{new.component}"
    _check_index(old or Index(product=new.product, component=new.component), new)
    before, stones = _by_key(old.releases if old else ()), _by_key(old.tombstones if old else ())
    for stone in new.tombstones:
        if (stone.version, stone.platform) not in stones:
            yield Difference("withdrawn", f"{name} {stone.version} ({stone.platform}) is withdrawn: {stone.reason}")
    for release in new.releases:
        last, channels = before.get((release.version, release.platform)), ", ".join(release.channels)
        if last is None:
            yield Difference("new", f"{_name(name, release)}: new in {channels}", release, name)
        elif last.channels != release.channels:
            yield Difference("channels", f"{_name(name, release)}: now in {channels}")


def _check_index(old: Index, new: Index) -> None:
    name = f"{new.product}/{new.component}"
    after, stones = _by_key(new.releases), _by_key(new.tombstones)
    for stone in old.tombstones:
        if stones.get((stone.version, stone.platform)) != stone:
            raise _changed(f"the withdrawal of {name} {stone.version} ({stone.platform})")
    for release in old.releases:
        key = (release.version, release.platform)
        same = key in after and msgspec.structs.replace(after[key], channels=release.channels) == release
        if not same and not (key not in after and key in stones):
            raise _changed(_name(name, release))


def of_baselines(old: Baselines | None, new: Baselines) -> Iterator[Difference]:
    """What changes in a product's baselines. Raises Conflict: reason `changed-release`."""
    known = old.baselines if old else ()
    if new.baselines[: len(known)] != known:
        raise _changed(f"a baseline of {new.product}")
    for line in new.baselines[len(known) :]:
        versions = ", ".join(f"{component} {version}" for component, version in sorted(line.components.items()))
        yield Difference("baseline", f"{new.product} {line.name}: new baseline of {versions}")


def of_halts(old: Halts | None, new: Halts) -> Iterator[Difference]:
    """What is halted or may go on. Nothing here is refused: a halt may come and go."""
    before = {(one.component, one.version, one.platform): one for one in old.halts} if old else {}
    after = {(one.component, one.version, one.platform): one for one in new.halts}
    for key, halt in after.items():
        if before.get(key) != halt:
            where = f"{new.product}/{halt.component} {halt.version} ({halt.platform})"
            yield Difference("halted", f"{where} is halted: {halt.reason}")
    for component, version, platform in before.keys() - after.keys():
        yield Difference("resumed", f"{new.product}/{component} {version} ({platform}) is not halted any more")


def of_trust(old: Trust | None, new: Trust, describe: Callable[[str], str]) -> Iterator[Difference]:
    """What changes of the official mirrors; `describe` gives a certificate (PEM) a short name."""
    before = {one.url: one for one in old.mirrors} if old else {}
    after = {one.url: one for one in new.mirrors}
    for url, mirror in after.items():
        if before.get(url) != mirror:
            pins = {"current": mirror.current, "next": mirror.next, "backup": mirror.backup}
            said = ", ".join(f"{use} {describe(pem)}" for use, pem in pins.items() if pem is not None)
            yield Difference("mirror", f"{url}: {'pins now' if url in before else 'new mirror, pins'} {said}")
    for url in before.keys() - after.keys():
        yield Difference("mirror", f"{url}: not a mirror any more")
    if [*before] != [*after] and before.keys() == after.keys():
        yield Difference("mirror", f"asked in this order: {', '.join(after)}")


def of_holders(old: Holders, new: Holders, describe: Callable[[str], str]) -> Iterator[Difference]:
    """Who comes to sign for which roles; `describe` gives a key's id a name."""

    def said(holders: tuple[int, frozenset[str]]) -> str:
        return f"{holders[0]} of {', '.join(sorted(map(describe, holders[1])))}"

    for role, holders in new.items():
        if role not in old:
            yield Difference("role", f"{role}: new role, {said(holders)}")
        elif old[role] != holders:
            yield Difference("keys", f"{role}: {said(holders)} instead of {said(old[role])}")
    for role in old.keys() - new.keys():
        yield Difference("role", f"{role}: not a role any more")


def _by_key(lines: tuple[Line, ...]) -> dict[tuple[str, str], Line]:
    return {(line.version, line.platform): line for line in lines}


def _name(component: str, release: Release) -> str:
    return f"{component} {release.version} ({release.platform})"


def _changed(what: str) -> Conflict:
    return Conflict("changed-release", f"What was published never changes, and {what} would: this must not be signed.")
