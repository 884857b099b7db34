"""The file of wanted licences, which people write: TOML, both directions. Pure.

    [customer.acme.sdk]
    channels = ["stable"]
    from = 2026-01-01
    until = 2026-12-31
    installations = 10

    [customer.globex]

A table is customer and product, named in that order by the word before them; TOML itself refuses the same one twice.
Only `until` may be left out, for an open end: a number that somebody forgot must not become 1. A customer without a
table of a product is to be there, and to have no licence. Days are TOML's own dates, in UTC, both included.
"""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from mirror.errors import RecordsError
from mirror.records import checks
from mirror.records.difference import Wanted
from mirror.records.protocol import Licence
from spot_client.wire import names

MAX_BYTES: Final = 2 * 2**20
MAX_LICENCES: Final = 10_000
"""More than that is slow to parse, and nobody's list to read: divide it by customers."""

_HEAD: Final = """\
# Licences as 'spot-mirror licence export' found them, without those that have ended.
# Change them, then: spot-mirror licence apply FILE --dry-run
"""


class _Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"first": "from", "last": "until"}):
    channels: tuple[str, ...]
    first: date
    installations: int
    last: date | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    customer: dict[str, Any]


def read(raw: bytes) -> Wanted:
    """The wanted licences that a file holds.

    Raises:
        RecordsError: reason `too-large`, `not-toml`, `bad-file` (a key or value that cannot be), `too-many`,
            `bad-name` or `bad-licence`.
    """
    if len(raw) > MAX_BYTES:
        raise RecordsError("too-large", f"The file has more than {MAX_BYTES} bytes: divide it by customers.")
    try:
        parsed = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise RecordsError("not-toml", f"The file is not TOML: {error}.") from error
    try:
        tables = msgspec.convert(parsed, _File, strict=True).customer
    except msgspec.ValidationError as error:
        raise RecordsError("bad-file", f"{error}. Every table begins with 'customer': [customer.acme.sdk].") from error
    licences = tuple(licence for name, products in tables.items() for licence in _customer(name, products))
    if len(licences) > MAX_LICENCES:
        raise RecordsError("too-many", f"More than {MAX_LICENCES} licences in one file: divide it by customers.")
    return Wanted(tuple(tables), licences)


def write(wanted: Wanted) -> str:
    """The file that `read` reads as `wanted`, customers and products in its order."""
    held: dict[str, list[Licence]] = {name: [] for name in wanted.customers}
    for licence in wanted.licences:
        held[licence.customer].append(licence)
    tables = [table for name in held for table in _tables(name, held[name])]
    return "\n".join((_HEAD, *(tables or ["[customer]\n"])))


def _customer(name: str, products: object) -> list[Licence]:
    with checks.checking():
        names.check_id("customer", name)
    if not isinstance(products, Mapping):
        raise RecordsError("bad-file", f"customer.{name} is no table: write [customer.{name}.PRODUCT].")
    return [_licence(name, product, terms) for product, terms in products.items()]


def _licence(customer: str, product: str, terms: object) -> Licence:
    with checks.checking():
        names.check_product(product)
    table = f"[customer.{customer}.{product}]"
    if not isinstance(terms, Mapping):
        raise RecordsError("bad-file", f"{table} is no table: 'from' and the like stand below [customer.ID.PRODUCT].")
    try:
        # Dates are not taken from text: one day has one spelling, and a TOML date is one that exists.
        found = msgspec.convert(terms, _Terms, strict=True, builtin_types=(date,))
    except msgspec.ValidationError as error:
        hint = "It takes channels, from, until and installations; days without quotes and without a time of day."
        raise RecordsError("bad-file", f"{table}: {error}. {hint}") from error
    channels = tuple(sorted(set(found.channels)))
    licence = Licence(customer, product, channels, found.first, found.last, found.installations)
    try:
        checks.check_licence(licence)
    except RecordsError as error:
        raise RecordsError(error.reason, f"{table}: {error}") from error
    return licence


def _tables(name: str, licences: Sequence[Licence]) -> list[str]:
    return [_table(licence) for licence in licences] or [f"[customer.{name}]\n"]


def _table(licence: Licence) -> str:
    channels = ", ".join(f'"{channel}"' for channel in licence.channels)
    until = "" if licence.valid_until is None else f"until = {licence.valid_until}\n"
    return (
        f"[customer.{licence.customer}.{licence.product}]\n"
        f"channels = [{channels}]\n"
        f"from = {licence.valid_from}\n"
        f"{until}"
        f"installations = {licence.installations}\n"
    )
