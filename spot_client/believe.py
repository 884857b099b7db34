"""What a format error means on an installed product: not trusted, or too new for this SPOT."""

from collections.abc import Iterator
from contextlib import contextmanager

from spot_client.errors import NotTrusted, RefusedLocally
from spot_client.wire.errors import WireError


@contextmanager
def believing() -> Iterator[None]:
    """Around the reading of what the mirror sent: `WireError` becomes `NotTrusted`, or `RefusedLocally` (`too-new`)."""
    try:
        yield
    except WireError as error:
        if error.reason == "too-new":
            raise RefusedLocally("too-new", f"{error} Update SPOT first.") from error
        raise NotTrusted(error.reason, f"{error} Nothing of it was installed; tell your vendor.") from error
