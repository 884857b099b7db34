"""Reads the tables and examples of docs/formats.md: what stands below a marker such as `<!-- routes -->`."""

import re
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "formats.md"
_UNITS: Final = {"KiB": 2**10, "MiB": 2**20}


def marked(kind: str) -> list[str]:
    """The arguments of all markers of a kind: `fields` has `Bundle`, `Index`, …"""
    return re.findall(rf"^<!-- {kind}: (\S+) -->$", PAGE.read_text(), re.MULTILINE)


def table(marker: str) -> list[list[str]]:
    """The rows of the table below a marker, without its heading; cells as they stand there."""
    rows = re.search(rf"^<!-- {re.escape(marker)} -->\n((?:\|.*\n)+)", PAGE.read_text(), re.MULTILINE)
    assert rows, f"there is no table below <!-- {marker} -->"
    return [_cells(line) for line in rows[1].splitlines()[2:]]


def block(marker: str) -> str:
    """The text of the fenced block below a marker."""
    found = re.search(
        rf"^<!-- {re.escape(marker)} -->\n```\w+\n(.*?)\n```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found, f"there is no block below <!-- {marker} -->"
    return found[1]


def code(cell: str) -> list[str]:
    """What stands between backticks in a cell."""
    return [text.replace(r"\|", "|") for text in re.findall(r"`([^`]+)`", cell)]


def number(cell: str) -> int:
    """A quantity: `64 KiB`, `1,024 bytes`, `30 seconds`, `32`."""
    digits, _, unit = cell.partition(" ")
    return int(digits.replace(",", "")) * _UNITS.get(unit, 1)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
