"""The table of attacks in docs/threat-model.md, as tests/hostile/catalogue has it."""

from pathlib import Path
from typing import Final

from tests.docs.pages import DOCS
from tests.hostile.catalogue import attacks
from tests.hostile.catalogue.guards import NOTHING, Guard
from tests.hostile.catalogue.table import Attack

PAGE: Final[Path] = DOCS / "threat-model.md"
_MARK: Final = "<!-- attacks: written by make reference -->\n"


def refreshed(text: str) -> str:
    """The page with the table as it is now. Raises ValueError: the page has no place for it."""
    before, mark, _ = text.partition(_MARK)
    if not mark:
        raise ValueError(f"{PAGE} has no line {_MARK!r}")
    return before + mark + "".join(_lines())


def _lines() -> list[str]:
    families = dict.fromkeys(attack.family for attack in attacks.ALL)
    lines = []
    for family in families:
        lines += [
            f"\n### {family.capitalize()}\n\n",
            "| attack | ends in | stopped by | test |\n",
            "| --- " * 4 + "|\n",
        ]
        lines += [_row(attack) for attack in attacks.ALL if attack.family == family]
    return lines


def _row(attack: Attack) -> str:
    ends = attack.outcome.value + (f", `{attack.reason}`" if attack.reason else "")
    return f"| {attack.says} | {ends} | {_guard(attack.guard)} | `{attack.name}` |\n"


def _guard(guard: Guard) -> str:
    if guard is NOTHING:
        return "nothing: that is how far it gets"
    also = f"; {_guard(guard.behind)}" if guard.behind else ""
    return f"`{guard.function}` in `{guard.file}`{also}"


def main() -> None:
    """Write the table anew."""
    PAGE.write_text(refreshed(PAGE.read_text()))
