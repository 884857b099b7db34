"""A list of customers, however it is spelled and whatever is in its cells: what is wrong is found, and only that."""

import csv
import io
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ca.customers import Wanted, read_customers
from ca.errors import IssueError
from ca.profiles import KeyType
from tests.spot_client.wire.strategies import mutated

COLUMNS = ("customer", "file", "key_type", "days")
GOOD = {
    "file": ["", "x.bundle", "b.1", "-".join("x" * 100)],
    "key_type": ["", *(kind.value for kind in KeyType)],
    "days": ["", "1", "7300", "007"],
}
NEAR = {
    "customer": ["", "Acme", "-", "a b", "a/b", "é", "a" * 64, "a\nb", " a", "=1", '"'],
    "file": ["../x", ".x", "a b", "x/y", "é", "x" * 201, "x\n", "X\u00a0"],
    "key_type": ["rsa1024", "RSA2048", "\u00a0"],
    "days": ["7301", "0", "-1", "1.0", "\u0663", "99999", "100000", "000007", "1\n", " 1"],
}
SPOILT: dict[str, list[tuple[str, Any]]] = {
    "cell": [(name, cell) for name, cells in NEAR.items() for cell in cells],
    "twice": [("customer", str), ("file", str), ("file", str.swapcase)],
    "renamed": [(name, new) for name in COLUMNS for new in (*COLUMNS, "Days", "", f" {name}") if name != new],
}
names = st.text("az09-", max_size=62).map("c{}".format)
Row = dict[str, str]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[Row]]:
    """Columns in any order, and rows that can be: no file is named twice, and each customer is."""
    columns = [name for name in draw(st.permutations(COLUMNS)) if name == "customer" or draw(st.booleans())]
    rows: list[Row] = []
    for customer in draw(st.lists(names, max_size=4, unique=True)):
        row = {name: draw(st.sampled_from(GOOD[name])) for name in columns if name in GOOD}
        if row.get("file") in {other.get("file") for other in rows}:
            row |= {"file": ""} if "file" in row else {}
        rows.append({"customer": customer, **row})
    return columns, rows


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[list[str], list[Row]]:
    """A table with one cell that cannot be, one name that stands twice, or one column that has another name."""
    columns, rows = draw(tables())
    kind = draw(st.sampled_from(sorted(SPOILT)))
    name, new = draw(st.sampled_from(SPOILT[kind]))
    for column in {"file", name} - set(columns):
        columns.append(column)
    rows = [{**dict.fromkeys(columns, ""), **row} for row in [*rows, {"customer": "last", "file": "Last.x"}]]
    if kind == "cell":
        draw(st.sampled_from(rows))[name] = new
    elif kind == "twice":
        rows.append({**rows[0], "customer": "more", "file": "more.x", name: new(rows[-1][name])})
    else:
        columns[columns.index(name)] = new
        rows = [{new: row[name], **row} for row in rows]
    return columns, rows


@st.composite
def spelled(draw: st.DrawFn) -> tuple[bytes, list[str], list[Row]]:
    """A table as a program writes it: with a byte order mark or without, CRLF or LF, all in quotes or what needs it."""
    columns, rows = draw(tables() | spoilt() | spoilt())
    text = io.StringIO()
    ends, quotes = draw(st.sampled_from(["\n", "\r\n"])), draw(st.booleans())
    writer = csv.writer(text, lineterminator=ends, quoting=csv.QUOTE_ALL if quotes else csv.QUOTE_MINIMAL)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([row[name] for name in columns])
        text.write(draw(st.sampled_from(["", "", ends, f"{',' * (len(columns) - 1)}{ends}"])))
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return (mark + text.getvalue()).encode(), columns, rows


def wanted(row: Row) -> Wanted | None:
    """What a row asks for; None where a cell of it cannot be."""
    customer, file, key_type, days = (row.get(name, "") for name in COLUMNS)
    good = (
        re.fullmatch("[a-z0-9][a-z0-9-]{0,62}", customer)
        and re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,199}|", file)
        and key_type in {"", "rsa2048", "rsa3072", "ecdsa-p256"}
        and (not days or (re.fullmatch("[0-9]{1,5}", days) and 1 <= int(days) <= 7300))
    )
    if not good:
        return None
    kind = KeyType(key_type) if key_type else None
    return Wanted(customer, file or f"{customer}.bundle", kind, int(days) if days else None)


def read(raw: bytes) -> tuple[Wanted, ...] | None:
    """What the list asks for, each once; None where it is refused as it should be."""
    try:
        found = read_customers(raw)
    except IssueError as error:
        refused = error
    else:
        assert found
        assert len({one.customer for one in found}) == len({one.file.casefold() for one in found}) == len(found)
        rows = [
            {
                "customer": one.customer,
                "file": one.file,
                "key_type": one.key_type.value if one.key_type else "",
                "days": str(one.days or ""),
            }
            for one in found
        ]
        assert [wanted(row) for row in rows] == list(found)
        return found
    assert refused.reason == "bad-csv"
    assert "Nothing was issued" in str(refused)
    assert len(str(refused)) <= 1000
    assert str(refused).isprintable()
    return None


@settings(max_examples=300)
@given(spelled())
def test_a_list_is_read_as_it_was_meant_or_refused_as_a_whole(case: tuple[bytes, list[str], list[Row]]) -> None:
    raw, columns, rows = case
    rows = [row for row in rows if any(row.values())]
    meant = [one for one in map(wanted, rows) if one is not None]
    once = len({one.customer for one in meant}) == len({one.file.casefold() for one in meant}) == len(meant)
    known = "customer" in columns and set(columns) <= set(COLUMNS) and len(set(columns)) == len(columns)
    good = known and once and 0 < len(rows) == len(meant)
    assert read(raw) == (tuple(meant) if good else None)


@given(spelled().flatmap(lambda found: mutated(found[0])))
def test_whatever_was_done_to_its_bytes_each_row_keeps_the_rules_or_all_is_refused(raw: bytes) -> None:
    read(raw)
