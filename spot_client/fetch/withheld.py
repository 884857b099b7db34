"""What signed statements name, and a mirror does not hand out: a fault of that mirror, and no answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from spot_client.errors import NotTrusted, Refused
from spot_client.wire.problem import Reason


@contextmanager
def handed_out(what: str) -> Iterator[None]:
    """Around the fetching of a file that has to be there: the refusal `not-found` becomes `NotTrusted`.

    A mirror that could say so of any file would keep SPOT from whatever the file leads to.

    Args:
        what: the file, for people.

    Raises:
        NotTrusted: reason `withheld`.
    """
    try:
        yield
    except Refused as error:
        if error.reason != Reason.NOT_FOUND.value:
            raise
        raise NotTrusted(
            "withheld",
            f"{error} What was signed leads to {what}: it was lost there, or is kept back. Tell your vendor.",
        ) from error
