"""The pages of the documentation, as tests read them: sections, and the blocks that run."""

import re
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Section(NamedTuple):
    """A heading, as it stands without its marks, and what stands below it up to the next one."""

    title: str
    text: str

    @property
    def scripts(self) -> list[str]:
        """The blocks that a shell runs."""
        return blocks(self.text, "sh")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks in `language`, in order."""
    return [body for found, body in _FENCE.findall(text) if found == language]


def sections(text: str) -> list[Section]:
    """The page in pieces, one a heading; `#` lines inside of fences are no headings."""
    pieces: list[tuple[str, list[str]]] = [("", [])]
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if not fenced and (heading := re.match(r"#+ +(.*)", line)):
            pieces.append((heading[1].replace("`", "").strip(), []))
        else:
            pieces[-1][1].append(line)
    return [Section(title, "\n".join(lines)) for title, lines in pieces]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables in `text`, heads and rules left out, code marks taken off."""
    found = []
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|") and not re.match(r"\| *-", line) and not re.match(r"\| *-", following):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            found.append([cell.strip().strip("`").replace("\\|", "|") for cell in cells])
    return found
