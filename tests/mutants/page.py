"""docs/mutants.md as data: the survivors that are accepted, each with its reason."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.docs.pages import DOCS

PAGE: Final = DOCS / "mutants.md"
_ENTRY = re.compile(
    r"^```diff\n(?P<diff>(?:[-+].*\n)+)```\n\n(?P<reason>[^\n#`][^\n]*(?:\n[^\n#`][^\n]*)*)", re.MULTILINE
)
_FILE = re.compile(r"^## `([\w./]+)`$", re.MULTILINE)


class Mutant(NamedTuple):
    """A change to a file: the lines that went and came, as `- ...` and `+ ...`, without their indentation."""

    file: str
    diff: str


def accepted(text: str) -> Iterator[tuple[Mutant, str]]:
    """Each survivor on the page, with its reason."""
    parts = _FILE.split(text)[1:]
    for file, body in zip(parts[::2], parts[1::2], strict=True):
        for found in _ENTRY.finditer(body):
            yield Mutant(file, plain(found["diff"])), found["reason"]


def plain(diff: str) -> str:
    """The changed lines of a diff, without context, headers and indentation."""
    lines = [line for line in diff.splitlines() if re.match(r"[-+](?![-+]{2} )", line)]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines)
