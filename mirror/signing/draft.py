"""The catalogue as it is to become: what clients see with what waits on top, read and changed file by file.

Reading takes no lock; whoever changes something holds that of the catalogue (`mirror.signing.switch`) from before the
draft is made until `settle`, which writes the changes down.
"""

from collections.abc import Collection, Iterator
from typing import cast

import msgspec
from tuf.api.metadata import Root

from mirror.catalogue import Chain
from mirror.errors import SigningError
from mirror.place import Place
from mirror.signing import people, proposal, roles, stage
from mirror.signing.candidate import Wait, waits
from mirror.signing.means import Signing
from mirror.signing.stage import Settled
from mirror.signing.staged import Change, Staged
from mirror.signing.terms import ONLINE
from spot_client.wire import baselines, halts, index, trust
from spot_client.wire.baselines import Baselines
from spot_client.wire.halts import Halts
from spot_client.wire.index import Index
from spot_client.wire.trust import Trust


def is_named(place: Place, blobs: Collection[str]) -> bool:
    """Whether what waits, or the catalogue that clients see, leads to these blobs of a release.

    Raises:
        SigningError, CatalogueFault: one of them cannot be read.
    """
    staged, known = proposal.read_staged(place), proposal.chain(place)
    if any(not set(blobs).isdisjoint(change.blobs) for change in staged.changes):
        return True
    for key in blobs:
        _, product, component, version, platform, _ = key.split("/")
        role = known.products.get(product) if known else None
        target = role.targets.get(index.target_path(product, component)) if role else None
        offered = index.decode(proposal.content(place, staged, target)).releases if target else ()
        if any((line.version, line.platform) == (version, platform) for line in offered):
            return True
    return False


class Draft:
    """What one run reads and changes of the catalogue."""

    def __init__(self, signing: Signing) -> None:
        """Read it.

        Raises:
            SigningError: reason `no-catalogue`, or `bad-staged`.
            CatalogueFault: as `mirror.catalogue`.
        """
        known, staged = stage.open_staged(signing)
        if known is None:
            raise SigningError(
                "no-catalogue",
                "There is no catalogue yet: the keyholders sign the first one ('spot-mirror staged' says who).",
            )
        self._signing = signing
        self.known: Chain = known
        self.staged: Staged = staged
        found = waits(known, staged)
        self._signed = {line.role: line.signed for line in found}
        self._complete = {line.role for line in found if not line.missing}
        self._unsigned = {line.role for line in found if line.missing == 1 and not line.signed}
        self._aside: list[Change] = []

    @property
    def version(self) -> int:
        """The version of the catalogue that clients see."""
        return self.known.timestamp.version

    def index(self, product: str, component: str) -> Index:
        """What a component offers; empty where there is none of that name."""
        raw = self._read(product, index.target_path(product, component))
        return index.decode(raw) if raw else Index(product=product, component=component)

    def baselines(self, product: str) -> Baselines:
        """The baselines of a product."""
        raw = self._read(product, baselines.target_path(product))
        return baselines.decode(raw) if raw else Baselines(product=product)

    def halts(self, product: str) -> Halts:
        """What is halted of a product."""
        raw = self._read(halts.ROLE, halts.target_path(product))
        return halts.decode(raw) if raw else Halts(product=product)

    def trust(self) -> Trust | None:
        """The official mirrors, if they were ever signed."""
        raw = self._read(trust.ROLE, trust.PATH)
        return trust.decode(raw) if raw else None

    def put(self, path: str, raw: bytes, change: Change) -> None:
        """Let the role of `change` list these bytes under `path`.

        Where one signature is enough, nobody else will look at what waits: what nobody has signed is set aside.
        """
        if change.role in self._unsigned:
            self._aside += self.staged.drop(frozenset({change.role}))
            self._unsigned.discard(change.role)
            del self._signed[change.role]
        stage.put_file(self._signing, self.known, self.staged, (path, raw), change)

    def change(self, role: str, what: str, blobs: tuple[str, ...] = ()) -> Change:
        """A change that is made now, in words."""
        return Change(role, what, f"{self._signing.clock():%Y-%m-%dT%H:%M:%SZ}", blobs)

    def unlock(self, role: str) -> None:
        """Open the key that will sign for a role, if one is here. Raises SigningError, PassphraseError."""
        targets = self.staged.targets("targets", self.known)
        known = role in roles.delegated(targets) if targets else False
        delegator = targets if known else cast("Root", self.staged.root(self.known))
        if delegator is not None:
            keyids = delegator.get_delegated_role(role if known else "targets").keyids
            name = people.choose(self._signing.ring, [Wait(role, 1, tuple(keyids), ())], self._signing.signer)
            if name is not None:
                self._signing.ring.signer(name)

    def settle(self, only: set[str]) -> Settled:
        """Sign these roles for whoever is here, write down what waits, and make visible what can be.

        What others staged before, and the signer has not signed, is not signed along with it: that is for `approve`,
        which shows it. Where one signature is enough, and it was there, there is no second person, and it is signed.

        Raises:
            SigningError, PassphraseError, Conflict, CatalogueFault: as `people.choose` and `stage.settle`.
        """
        waiting = [line for line in waits(self.known, self.staged) if line.role in only]
        signer = people.choose(self._signing.ring, waiting, self._signing.signer)
        keyid = self._signing.ring.key(signer).verifier.keyid if signer is not None else ""
        seen = {role for role, signed in self._signed.items() if keyid in signed}
        alone = {line.role for line in waiting if line.missing == 1 and line.role in self._complete}
        new = only - self._signed.keys()
        settled = stage.settle(self._signing, self.known, self.staged, signer, (seen | alone | new) & only)
        return msgspec.structs.replace(settled, aside=tuple(one.what for one in self._aside))

    def show(self) -> Settled:
        """Make visible what can be; nobody signs. Raises as `settle`."""
        return stage.settle(self._signing, self.known, self.staged, None)

    def reminders(self) -> Iterator[str]:
        """A sentence for each statement that people must sign soon (all but snapshot and timestamp)."""
        for role, signed in self.known.roles.items():
            if role not in ONLINE and self._signing.terms.is_due(role, signed.expires, self._signing.clock()):
                when = f"{signed.expires:%Y-%m-%d}"
                yield f"The catalogue's {role} metadata lapses on {when}: 'spot-mirror resign --all' signs it anew."

    def _read(self, role: str, path: str) -> bytes | None:
        if role in roles.TOP_ROLES:
            return None
        signed = (Staged() if role in self._unsigned else self.staged).targets(role, self.known)
        target = signed.targets.get(path) if signed else None
        return proposal.content(self._signing.place, self.staged, target) if target else None
