"""A list of customers as CSV, for many bundles at once (RFC 4180, in UTF-8; a byte order mark and CRLF are fine).

The first line names the columns, in any order:

    customer        required: whose bundle it is
    file            the bundle's name in the output folder; CUSTOMER.bundle unless told
    key_type        kind of key; the command's own choice unless told
    days            how long the certificate is good, in days; the CA's choice unless told
    installations   how many may enrol with the bundle, of bundles for enrolment only

An empty cell means "unless told". Each customer and each file stands once; an unknown column is refused, since it may
be a known one misspelled. All that is wrong is told at once, with its line, before anything is made of any of it.

Pure: bytes in, values out.
"""

import csv
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from ca.errors import IdentityError, IssueError
from ca.identity import check_id
from ca.lifetimes import MAX_DAYS
from ca.profiles import KeyType

MAX_CSV: Final = 1024 * 1024
"""Longest list, in bytes."""

MAX_ROWS: Final = 10_000

MAX_INSTALLATIONS: Final = 1_000_000
"""Most installations that may enrol with one bundle."""

_COLUMNS = ("customer", "file", "key_type", "days", "installations")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)  # one name: it never leads out of the folder
_NUMBER = re.compile(r"[0-9]{1,7}", re.ASCII)
_TOLD = 10  # problems; a file of another kind has one a line


class Wanted(msgspec.Struct, frozen=True):
    """One bundle that is wanted; None where the list leaves the choice to others."""

    customer: str
    file: str
    key_type: KeyType | None = None
    days: int | None = None
    installations: int | None = None


def read_customers(raw: bytes) -> tuple[Wanted, ...]:
    """Read a list of at most `MAX_CSV` bytes and 1 to `MAX_ROWS` rows, in its order.

    Raises:
        IssueError: reason `bad-csv`.
    """
    if len(raw) > MAX_CSV:
        raise _bad(f"it has more than {MAX_CSV} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad("it is not UTF-8") from error
    if "\0" in text:
        raise _bad("it holds a NUL byte")
    # The reader takes line ends as they come; `splitlines` would also split at form feeds and their like.
    reader = csv.reader((f"{line}\n" for line in text.split("\n")), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(row)]
    except csv.Error as error:
        raise _bad(f"line {reader.line_num}: {error}") from error
    if not rows:
        raise _bad("it is empty; its first line names the columns, such as customer,file")
    columns = _header(rows[0][1])
    if not 1 < len(rows) <= MAX_ROWS + 1:
        raise _bad(f"it names {len(rows) - 1} customers, not 1 to {MAX_ROWS}")
    return _wanted(columns, rows[1:])


def _bad(what: str) -> IssueError:
    return IssueError("bad-csv", f"The list of customers cannot be used: {what}. Nothing was issued; mend the list.")


def _header(columns: list[str]) -> list[str]:
    for column in columns:
        if column not in _COLUMNS:
            raise _bad(f"{column[:40]!r} is not one of the columns {', '.join(_COLUMNS)}")
    if len(set(columns)) < len(columns):
        raise _bad("a column is named twice")
    if "customer" not in columns:
        raise _bad("the column customer is missing")
    return columns


def _wanted(columns: list[str], rows: list[tuple[int, list[str]]]) -> tuple[Wanted, ...]:
    found: list[Wanted] = []
    problems: list[str] = []
    seen: set[str] = set()
    for line, row in rows:
        if len(row) != len(columns):
            problems.append(f"line {line} has {len(row)} cells, not {len(columns)}")
            continue
        wanted = dict(zip(columns, row, strict=True))
        wrong = list(_cell_problems(wanted))
        if not wrong:
            one = _one(wanted)
            # Folded: on some disks, names that differ in case alone are the same file.
            keys = {f"customer {one.customer}", f"file {one.file.casefold()}"}
            wrong = [f"{key} stands twice" for key in sorted(keys & seen)]
            seen |= keys
            found.append(one)
        problems += [f"line {line}: {problem}" for problem in wrong]
    if problems:
        more = f"; and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
        raise _bad("; ".join(problems[:_TOLD]) + more)
    return tuple(found)


def _cell_problems(wanted: dict[str, str]) -> Iterator[str]:
    try:
        check_id("customer", wanted["customer"][:80])
    except IdentityError:
        yield f"{wanted['customer'][:40]!r} is not a valid customer"
    file, key_type, *_ = (wanted.get(column, "") for column in _COLUMNS[1:])
    if file and not _FILE.fullmatch(file):
        yield f"{file[:40]!r} is not a plain file name"
    if key_type and key_type not in {kind.value for kind in KeyType}:
        yield f"{key_type[:40]!r} is not one of the key types {', '.join(kind.value for kind in KeyType)}"
    for column, most in (("days", MAX_DAYS), ("installations", MAX_INSTALLATIONS)):
        number = wanted.get(column, "")
        short = len(number) <= len(str(most)) + 1
        if number and not (short and _NUMBER.fullmatch(number) and 1 <= int(number) <= most):
            yield f"{number[:40]!r} is not a whole number of {column} from 1 to {most}"


def _one(wanted: dict[str, str]) -> Wanted:
    file, key_type, days, installations = (wanted.get(column, "") for column in _COLUMNS[1:])
    return Wanted(
        customer=wanted["customer"],
        file=file or f"{wanted['customer']}.bundle",
        key_type=KeyType(key_type) if key_type else None,
        days=int(days) if days else None,
        installations=int(installations) if installations else None,
    )
