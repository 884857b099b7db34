"""The baselines of a product: named sets of versions that belong together, signed by the product's role.

They lie in the catalogue as `PRODUCT/baselines.json.zst`: one zstd frame of a canonical document. A baseline never
changes once it is published. No such target means that the product has none. Pure.
"""

from typing import Annotated, Final

import msgspec

from spot_client.wire import document, frame, names
from spot_client.wire.errors import BadName, FormatError
from spot_client.wire.index import Moment, Notes

MAX_PACKED_BYTES: Final = 2**20
_MAX_BYTES = 8 * 2**20
_MAX_VALUES = 500_000
_WHAT = "The list of baselines"

BaselineName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z")]
"""What a baseline may be called, such as `2026.1`."""


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A set of versions by component of the product."""

    name: BaselineName
    components: Annotated[dict[str, str], msgspec.Meta(min_length=1, max_length=4096)]
    published: Moment
    notes: Notes = ""


class Baselines(document.Document, frozen=True):
    """All baselines of a product, in the order in which they were published; no name twice, in whatever case."""

    product: str
    baselines: tuple[Baseline, ...] = ()


def target_path(product: str) -> str:
    """The path of a product's baselines among the TUF targets."""
    return f"{product}/baselines.json.zst"


def encode(baselines: Baselines, *, level: int = frame.DEFAULT_LEVEL) -> bytes:
    """Check baselines and compress their canonical bytes.

    Raises:
        FormatError, BadName: as `check`.
    """
    check(baselines)
    return frame.compress(document.encode(baselines), level=level)


def decode(packed: bytes) -> Baselines:
    """Read baselines from bytes that TUF has verified.

    Raises:
        FormatError: breaking a rule (`bad-baselines` and the reasons of `wire.document`), or `too-new`.
    """
    if len(packed) > MAX_PACKED_BYTES:
        raise FormatError("too-large", f"{_WHAT} has {len(packed)} bytes, more than {MAX_PACKED_BYTES}.")
    raw = frame.decompress(packed, max_size=_MAX_BYTES, what=_WHAT)
    baselines = document.decode(raw, Baselines, max_bytes=_MAX_BYTES, what=_WHAT, max_values=_MAX_VALUES)
    try:
        check(baselines)
    except BadName as error:
        raise FormatError("bad-baselines", f"{_WHAT} breaks a rule: {error}") from error
    return baselines


def check(baselines: Baselines) -> None:
    """Hold baselines to their rules.

    Raises:
        BadName: a name is not allowed.
        FormatError: reason `bad-baselines`.
    """
    names.check_product(baselines.product)
    for baseline in baselines.baselines:
        document.check_moment(baseline.published, "bad-baselines", _WHAT)
        for component, version in baseline.components.items():
            names.check_id("component", component)
            names.check_version(version)
    known = [baseline.name.lower() for baseline in baselines.baselines]
    if len(known) != len(set(known)):
        raise FormatError("bad-baselines", f"{_WHAT} has a name twice.")
