"""The vendor's repository in its production layout, and what a thief of some of its keys can sign.

    root       2 of 3 people          sdk, ...   2 of 3 people     P/*/index.json.zst, P/baselines.json.zst
    targets    2 of 3 people          halts      1 of 3 people     halts/*.json.zst
    snapshot   1 key, online          house      2 of 3 people     house/trust.json
    timestamp  1 key, online, another

Keys are named `ROLE.1` to `ROLE.3`, the online ones `snapshot` and `timestamp`. Whoever signs does so with the keys it
has and no others: a role none of whose keys is there stays as it is.
"""

import copy
from typing import Any, Final

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Metadata, Root, TargetFile, Targets

from spot_client.wire import halts, trust
from tests.spot_client.vendor import Repository, Vendor

PEOPLE: Final = 3
THRESHOLDS: Final = {"root": 2, "targets": 2, halts.ROLE: 1, trust.ROLE: 2}
"""Of all other roles of people: 2."""


class Production(Repository):
    """Signed by people, two of three, where the vendor's catalogue is."""

    def __init__(self) -> None:
        super().__init__()
        self.holders: dict[str, tuple[str, ...]] = {}
        """The keys of a role, by name; not there: one of the role's own name."""
        for role in ("root", "targets"):
            self._hand_out(role, self.root)
        self._delegate(halts.ROLE, f"{halts.ROLE}/*.json.zst")
        self._delegate(trust.ROLE, trust.PATH)

    @property
    def delegated(self) -> dict[str, DelegatedRole]:
        """What targets says of the roles below it."""
        assert self.targets.delegations is not None
        assert self.targets.delegations.roles is not None
        return self.targets.delegations.roles

    def offer(self, product: str, path: str, raw: bytes) -> TargetFile:
        """Put a target into the product's role."""
        if product not in self.products:
            self._delegate(product, f"{product}/*/index.json.zst", f"{product}/baselines.json.zst")
        return super().offer(product, path, raw)

    def write(self, file: str, signed: Any, *signers: str) -> None:
        """Sign one statement for these roles or with these keys, as far as they are at hand, and lay it out."""
        metadata = Metadata(signed)
        for name in dict.fromkeys(name for signer in signers for name in self._quorum(signer)):
            metadata.sign(self.signers[name], append=True)
        self.metadata[file] = metadata.to_bytes()

    def replace_people(self) -> None:
        """A next root that gives the root itself to other people, signed by those before them, too."""
        before = {f"old.{name}": self.signers[name] for name in self.holders["root"]}
        for signer in before.values():
            self.root.revoke_key(signer.public_key.keyid, "root")
        self._hand_out("root", self.root)
        self.signers |= before
        self.root.version += 1
        self.write(f"{self.root.version}.root.json", self.root, "root", *list(before)[: THRESHOLDS["root"]])
        self.sign()

    def _quorum(self, signer: str) -> tuple[str, ...]:
        names = [name for name in self.holders.get(signer, (signer,)) if name in self.signers]
        return tuple(names[: THRESHOLDS.get(signer, 2)])

    def _sign(self, role: str, signed: Any) -> None:
        if self._quorum(role):
            super()._sign(role, signed)

    def _delegate(self, role: str, *paths: str) -> None:
        threshold = THRESHOLDS.get(role, 2)
        self.products[role] = Targets(1, expires=self.targets.expires)
        self.delegated[role] = DelegatedRole(role, [], 1, terminating=True, paths=list(paths))
        self._hand_out(role, self.targets)
        self.delegated[role].threshold = threshold

    def _hand_out(self, role: str, delegator: Root | Targets) -> None:
        if role in self.signers:
            delegator.revoke_key(self.signers.pop(role).public_key.keyid, role)
        self.holders[role] = tuple(f"{role}.{number}" for number in range(1, PEOPLE + 1))
        for name in self.holders[role]:
            self.signers[name] = CryptoSigner.generate_ed25519()
            delegator.add_key(self.signers[name].public_key, role)
        if isinstance(delegator, Root):
            delegator.roles[role].threshold = THRESHOLDS[role]


def make_vendor() -> Vendor:
    """A vendor with two people for everything that matters."""
    vendor = Vendor(Production())
    vendor.publish({"brush": b"red"}, "1.0", "art/paint")  # delegated before all others, and so asked first
    return vendor


def repository_of(vendor: Vendor) -> Production:
    """The vendor's signing side."""
    assert isinstance(vendor.repository, Production)
    return vendor.repository


def thief_of(vendor: Vendor, *keys: str) -> Vendor:
    """Somebody with a copy of all that is public, and of these keys."""
    thief = copy.deepcopy(vendor)
    owned = repository_of(thief).signers
    assert set(keys) <= set(owned)
    thief.repository.signers = {name: signer for name, signer in owned.items() if name in keys}
    return thief
