"""What the mirror knows at one moment, as far as decisions need it. Pure."""

from collections.abc import Callable, Container, Mapping
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import msgspec

from mirror.memory.values import Holding

K_contra = TypeVar("K_contra", contravariant=True)
V_co = TypeVar("V_co", covariant=True)


class Lookup(Protocol[K_contra, V_co]):
    """Something to look up in, however much there is of it; a dictionary is one."""

    def get(self, key: K_contra, /) -> V_co | None:
        """The value; None if there is none."""
        ...


class RevocationList(Protocol):
    """What one CRL says, as `ca.revocation.Revocations`."""

    @property
    def issuer_key(self) -> bytes:
        """The issuer's key identifier."""
        ...

    @property
    def serials(self) -> Container[int]:
        """What is revoked."""
        ...

    @property
    def number(self) -> int:
        """The CRL's number."""
        ...

    @property
    def this_update(self) -> datetime:
        """When it begins, UTC."""
        ...

    @property
    def next_update(self) -> datetime:
        """When the next one is due, UTC."""
        ...


class Validity(msgspec.Struct, frozen=True):
    """The first and the last second of an issuing CA's certificate, in UTC."""

    not_before: datetime
    not_after: datetime


def _nobody_owns(_installation: str) -> bool:
    return False


class World(msgspec.Struct, frozen=True):
    """What the mirror knows at one moment.

    issuers, revocations: by the issuing CA's key identifier. grace: how long a CRL is believed after `next_update`.
    holders: what customers have, by name. installations: customer by installation id. owns: whether an installation has
    a certificate of its own. renewal_grace: how long after its end a certificate can still be renewed with. number:
    tells this world from those before it, for who remembers what held in one; whoever kept the world itself would keep
    all that it looks at.
    """

    realm: str
    issuers: Mapping[bytes, Validity]
    revocations: Mapping[bytes, RevocationList]
    grace: timedelta
    holders: Lookup[str, Holding]
    installations: Lookup[str, str]
    owns: Callable[[str], bool] = _nobody_owns
    renewal_grace: timedelta = timedelta(0)
    number: int = 0
