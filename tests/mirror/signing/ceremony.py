"""A mirror as customers use it: two of three sign, each with a key in a folder of their own, and a timer shows it."""

import shutil
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from mirror import catalogue
from mirror.blobs import LocalBlobs
from mirror.catalogue import Chain
from mirror.place import Place
from mirror.publishing import approve, publish
from mirror.publishing.order import Means, Outcome
from mirror.signing import papers, proposal, ring, timer
from mirror.signing.founding import found, holders
from mirror.signing.means import Signing
from mirror.signing.ring import Ring
from mirror.signing.stage import Settled
from mirror.signing.staged import Staged
from mirror.signing.terms import Terms
from mirror.signing.visible import Shown
from tests.mirror.publishing import rig
from tests.mirror.publishing.rig import PASSPHRASE, PEOPLE, made_keys, order, real_time

ROOTS = ("root-1", "root-2", "root-3")
THREE = ("alice", "bob", "carol")


class House(msgspec.Struct, frozen=True):
    """A vendor: `keys` names all public keys, `online` has those of the timer, `people` a folder for each person."""

    top: Path

    @property
    def place(self) -> Place:
        return Place(self.top / "data", LocalBlobs(self.top / "data"))

    @property
    def catalogue(self) -> Path:
        return self.place.catalogue

    @property
    def chain(self) -> Chain:
        return catalogue.read_chain(self.catalogue)

    @property
    def staged(self) -> Staged:
        return proposal.read_staged(self.place)

    @property
    def source(self) -> Path:
        """What is published where a test does not mind."""
        return self.top / "source"

    @property
    def names(self) -> Ring:
        """The mirror's own ring: public keys only."""
        return ring.read(self.top / "keys", lambda: PASSPHRASE)

    @property
    def online(self) -> Ring:
        return ring.read(self.top / "online", lambda: PASSPHRASE)

    def signing(self, *people: str, clock: Callable[[], datetime] = real_time, signer: str | None = None) -> Signing:
        """These people at the mirror, each with a stick; the keys of the timer are not here."""
        known = self.names
        for name in people:
            known.join(ring.read(self.top / "people" / name, lambda: PASSPHRASE))
        return Signing(place=self.place, ring=known, online=None, clock=clock, signer=signer)

    def means(self, *people: str, clock: Callable[[], datetime] = real_time) -> Means:
        return Means(signing=self.signing(*people, clock=clock), level=1, workers=2)

    def turn(self, clock: Callable[[], datetime] = real_time, *, force: bool = False) -> Shown | None:
        """The timer's turn."""
        return timer.turn(self.signing(clock=clock), self.online, force=force)

    def publish(
        self, person: str, source: Path, version: str = "1.0", clock: Callable[[], datetime] = real_time
    ) -> Outcome:
        return publish.publish(self.means(person, clock=clock), order(version), source)

    def approve(
        self, person: str, only: Iterable[str] | None = None, clock: Callable[[], datetime] = real_time
    ) -> Settled:
        settled = approve.approve(self.signing(person, clock=clock), _listed(only), lambda *_: True, lambda *_: None)
        assert settled is not None
        return settled

    def sign_elsewhere(self, person: str, folder: Path) -> bytes:
        """What waits, carried to a person's own machine and signed there."""
        folder.mkdir()
        carried = papers.unpack(papers.to_sign(self.place, self.names), folder)
        mine = ring.read(self.top / "people" / person, lambda: PASSPHRASE)
        return papers.sign(mine, person, carried.known, carried.waiting)

    def target(self, path: str, client: str = "client") -> bytes | None:
        """A target as python-tuf's own client verifies it, which remembers what it saw before."""
        return rig.client_target(self.catalogue, self.top / client, path)

    def copy(self, top: Path) -> "House":
        shutil.copytree(self.top, top)
        return House(top)

    def files(self) -> set[str]:
        """Every file below the data folder."""
        data = self.place.data
        return {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}


def new_house(top: Path) -> House:
    """A vendor's folders, with no catalogue yet; all of `PEOPLE` are known."""
    top.mkdir(parents=True)
    for name in PEOPLE:
        shutil.copytree(made_keys() / name, top / "people" / name)
    shutil.copytree(made_keys() / "online", top / "online")
    known = ring.create(top / "keys", (), lambda: PASSPHRASE)
    every = ring.read(made_keys() / "every", lambda: PASSPHRASE)
    for name in (*PEOPLE, "snapshot", "timestamp"):
        known.add(name, every.key(name).public)
    return House(top)


def founded(
    top: Path, clock: Callable[[], datetime] = real_time, signers: tuple[str, ...] = ("root-1", "root-2", *THREE[:2])
) -> House:
    """A vendor whose first catalogue is staged and signed by `signers`, and visible if they are enough."""
    house = new_house(top)
    start(house, house.signing(*signers, clock=clock))
    house.turn(clock)
    return house


def start(house: House, signing: Signing, terms: Terms | None = None) -> Settled:
    """Stage the first catalogue; sign with every key that is here."""
    known = house.names
    root, people = holders(known, 2, ROOTS), holders(known, 2, THREE)
    roles = {"root": root, "targets": people, "house": people, "halts": holders(known, 1, THREE)}
    roles |= {role: holders(known, 1, (role,)) for role in ("snapshot", "timestamp")}
    return found(msgspec.structs.replace(signing, terms=terms or Terms()), roles)


def _listed(only: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if only is None else tuple(only)
