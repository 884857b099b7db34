"""What signing works with. Values only."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from mirror.place import Place
from mirror.signing.ring import Ring
from mirror.signing.terms import Terms


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """Where, with which keys, when.

    ring: the keys of people. signer: whose key signs; None: the only one here that may. online: the keys of snapshot
    and timestamp, if this machine is to use them; None: the timer does. clock: UTC. high_water: the file in which it is
    written down how far the catalogue has gone.
    """

    place: Place
    ring: Ring
    online: Ring | None
    clock: Callable[[], datetime]
    signer: str | None = None
    terms: Terms = Terms()
    high_water: Path | None = None
